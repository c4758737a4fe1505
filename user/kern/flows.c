// SPDX-License-Identifier: BSD-2-Clause
/*
 * The flow tables from user space, in slices of at most 4,096 entries. What
 * may be deleted is decided by F6: an entry past its expiry is never touched
 * or revived by a program, so five seconds later nobody can hold it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/flows.h"
#include "kern/private.h"

#define SLICE_MAX 4096
#define EXPIRE_MAX 2048	/* deletions cost more than reading: P8, 5 ms a call */
#define SLICE_MIN 64
#define KEEP_SECONDS 5
#define TRIES 8

struct flow_walk {
	enum moat_table table;
	bool begun;
	__u32 batch;		/* the kernel's cursor: a bucket */
	size_t room;		/* entries that keys and values hold */
	struct moat_flow_key *keys;
	struct moat_flow *values;
};

static const char *const names[MOAT_TABLE_COUNT] = {
#define X(symbol, name) name,
	MOAT_TABLES(X)
#undef X
};

static bool evicts(enum moat_table t)
{
	return t == MOAT_TABLE_EMBRYONIC_OUT || t == MOAT_TABLE_EMBRYONIC_IN ||
	       t == MOAT_TABLE_CLOSING || t == MOAT_TABLE_DENIED;
}

void flow_walk_free(struct flow_walk *w)
{
	if (!w)
		return;
	free(w->keys);
	free(w->values);
	free(w);
}

static int make_room(struct flow_walk *w, size_t n)
{
	struct moat_flow_key *k = realloc(w->keys, n * sizeof(*k));
	struct moat_flow *v;

	if (!k)
		return -ENOMEM;
	w->keys = k;
	v = realloc(w->values, n * sizeof(*v));
	if (!v)
		return -ENOMEM;
	w->values = v;
	w->room = n;
	return 0;
}

static int begin(enum moat_table table, size_t max, struct flow_walk **ret)
{
	struct flow_walk *w;
	int err;

	if (table >= MOAT_TABLE_COUNT || table == MOAT_TABLE_FRAGMENTS)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->table = table;
	err = make_room(w, max > SLICE_MAX ? SLICE_MAX :
			   max < SLICE_MIN ? SLICE_MIN : max);
	if (err) {
		flow_walk_free(w);
		return err;
	}
	*ret = w;
	return 0;
}

static bool transient(int err)
{
	return err == EBUSY || err == ENOMEM || err == EAGAIN || err == EINTR;
}

/* One batch (kernel 5.6). 1: more, 0: the last; *ret_n entries either way. */
static int next_slice(struct datapath *dp, struct flow_walk *w, size_t *ret_n)
{
	int fd = datapath_map_fd(dp, names[w->table]);

	for (int tries = 0;; tries++) {
		__u32 n = w->room, out = 0;
		int rc = bpf_map_lookup_batch(fd, w->begun ? &w->batch : NULL,
					      &out, w->keys, w->values, &n,
					      NULL);

		if (!rc || errno == ENOENT) {
			*ret_n = n;
			w->begun = true;
			w->batch = out;
			return rc ? 0 : 1;
		}
		/* A bucket longer than the slice; the kernel wants it whole. */
		if (errno == ENOSPC) {
			rc = make_room(w, w->room * 2);
			if (rc)
				return rc;
		} else if (!transient(errno) || tries >= TRIES) {
			return -errno;
		}
		dp->flow_retries++;
	}
}

/* Fetches the next slice, beginning the walk if need be. */
static int fetch(struct datapath *dp, struct flow_slice *s, size_t *ret_n)
{
	int rc = s->cursor ? 0 : begin(s->table, s->max, &s->cursor);

	return rc ? rc : next_slice(dp, s->cursor, ret_n);
}

/* With what its lease has counted and not yet handed over. */
static struct flow_record record(const struct datapath *dp,
				 const struct flow_slice *s, size_t i)
{
	struct flow_record r = { .table = s->table,
				 .key = s->cursor->keys[i],
				 .flow = s->cursor->values[i] };

	if (s->table == MOAT_TABLE_FLOWS || s->table == MOAT_TABLE_UDP)
		leases_add(&dp->leases, &r.key, &r.flow);
	return r;
}

static int finish(struct flow_slice *s, int rc)
{
	if (rc <= 0) {
		flow_walk_free(s->cursor);
		s->cursor = NULL;
	}
	return rc;
}

int flows_walk(struct datapath *dp, struct flow_slice *s)
{
	size_t n = 0;
	int rc = fetch(dp, s, &n);

	for (size_t i = 0; i < n && rc >= 0; i++) {
		struct flow_record r = record(dp, s, i);

		if (!s->fn(&r, s->arg))
			rc = 0, n = 0;
	}
	return finish(s, rc);
}

/* 0: deleted, 1: not there or not dead any more, -errno. */
static int remove_dead(struct datapath *dp, int fd, const struct flow_record *r)
{
	struct moat_flow now;

	/* A program may have put a new flow in an LRU entry's place since. */
	if (evicts(r->table) && (bpf_map_lookup_elem(fd, &r->key, &now) ||
				 now.created != r->flow.created ||
				 now.expires != r->flow.expires))
		return 1;
	for (int tries = 0; bpf_map_delete_elem(fd, &r->key); tries++) {
		if (errno == ENOENT)
			return 1;
		if (!transient(errno) || tries >= TRIES)
			return -errno;
		dp->flow_retries++;
	}
	return 0;
}

int flows_expire(struct datapath *dp, struct flow_slice *s)
{
	size_t n = 0;
	__u64 dead = datapath_jiffies(dp) - (__u64)KEEP_SECONDS * dp->clocks.hz;
	int rc;

	if (s->max > EXPIRE_MAX)
		s->max = EXPIRE_MAX;
	rc = fetch(dp, s, &n);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		struct flow_record r = record(dp, s, i);
		int one;

		if (r.flow.expires > dead) {
			s->live++;
			if (s->stays)
				s->stays(&r, s->arg);
			continue;
		}
		if (s->fn)
			s->fn(&r, s->arg);
		one = remove_dead(dp, datapath_map_fd(dp, names[s->table]), &r);
		s->deleted += one == 0;
		if (one < 0)
			rc = one;
	}
	return finish(s, rc);
}

int flows_kill(struct datapath *dp, const struct flow_record *r)
{
	int fd = datapath_map_fd(dp, names[r->table]);
	struct moat_flow now;

	if (r->table == MOAT_TABLE_FRAGMENTS)
		return -EINVAL;
	if (bpf_map_lookup_elem(fd, &r->key, &now) ||
	    now.created != r->flow.created)
		return -ENOENT;
	now.expires = datapath_jiffies(dp);
	for (int tries = 0; bpf_map_update_elem(fd, &r->key, &now, BPF_EXIST);
	     tries++) {
		if (!transient(errno) || tries >= TRIES)
			return -errno;
		dp->flow_retries++;
	}
	leases_void(dp);
	return 0;
}

int flows_clear(struct datapath *dp)
{
	union {
		struct moat_flow_key flow;
		struct moat_frag_key fragment;
	} key;

	if (pins_enabled(&dp->pins))
		return -EPERM;
	for (int t = 0; t < MOAT_TABLE_COUNT; t++) {
		int fd = datapath_map_fd(dp, names[t]);

		while (!bpf_map_get_next_key(fd, NULL, &key))
			if (bpf_map_delete_elem(fd, &key) && errno != ENOENT)
				return -errno;
	}
	leases_clear(&dp->leases);
	return 0;
}
