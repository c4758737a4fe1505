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
#define EXPIRE_MAX 1024 /* deletions cost more than reading: P8, 5 ms a call */
#define SLICE_MIN 64
#define KEEP_SECONDS 5
#define TRIES 4	     /* in one slice */
#define FRUITLESS 64 /* slices in a row that got nothing: a walk's end */
#define AHEAD 16     /* entries between the look ahead and the look */

struct flow_walk {
	enum moat_table table;
	bool begun;
	__u32 batch; /* the kernel's cursor: a bucket */
	size_t room; /* entries that keys and values hold */
	unsigned int fruitless;
	struct moat_flow_key *keys;
	struct moat_flow *values;
	struct moat_flow_key *dead; /* flows_expire(): to be deleted */
	size_t ndead;
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
	free(w->dead);
	free(w);
}

static int make_room(struct flow_walk *w, size_t n)
{
	struct moat_flow_key *k = reallocarray(w->keys, n, sizeof(*k));
	struct moat_flow *v;

	if (!k)
		return -ENOMEM;
	w->keys = k;
	k = reallocarray(w->dead, n, sizeof(*k));
	if (!k)
		return -ENOMEM;
	w->dead = k;
	v = reallocarray(w->values, n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	w->values = v;
	w->room = n;
	return 0;
}

static size_t wanted(const struct flow_slice *s)
{
	return s->max > SLICE_MAX ? SLICE_MAX :
	       s->max < SLICE_MIN ? SLICE_MIN :
				    s->max;
}

static int begin(struct flow_slice *s)
{
	struct flow_walk *w;
	int err;

	if (s->table >= MOAT_TABLE_COUNT || s->table == MOAT_TABLE_FRAGMENTS)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->table = s->table;
	err = make_room(w, wanted(s));
	if (err) {
		flow_walk_free(w);
		return err;
	}
	s->cursor = w;
	return 0;
}

/* Counts an error that passes; false: it does not. */
static bool transient(struct datapath *dp, int err)
{
	switch (err) {
	/* A bucket's lock: raw spin locks say EBUSY, resilient ones (6.15)
	 * that they gave up. */
	case EBUSY:
	case EDEADLK:
	case ETIMEDOUT:
		dp->retries.count[FLOWS_RETRY_BUSY]++;
		return true;
	case ENOMEM:
		dp->retries.count[FLOWS_RETRY_NOMEM]++;
		return true;
	case EAGAIN:
	case EINTR:
		dp->retries.count[FLOWS_RETRY_AGAIN]++;
		return true;
	default:
		return false;
	}
}

/* The kernel wants a bucket whole, and this one is longer than asked for. */
static int enlarge(struct datapath *dp, struct flow_walk *w, __u32 *n)
{
	dp->retries.count[FLOWS_RETRY_SPACE]++;
	*n *= 2;
	return *n > w->room ? make_room(w, *n) : 0;
}

/*
 * One batch (kernel 5.6). 1: more, 0: the last; *ret_n entries either way.
 * A bucket's entries come all or not at all, and buckets do not move, so an
 * entry that is there throughout the walk comes exactly once. What came
 * before an error is asked for again: *ret_n says nothing then.
 */
static int next_slice(struct datapath *dp, struct flow_slice *s, size_t *ret_n)
{
	struct flow_walk *w = s->cursor;
	int fd = datapath_map_fd(dp, names[w->table]), err;
	__u32 ask = wanted(s) < w->room ? wanted(s) : w->room;

	for (int tries = 0; tries < TRIES;) {
		__u32 n = ask, out = 0;
		int rc = bpf_map_lookup_batch(fd, w->begun ? &w->batch : NULL,
					      &out, w->keys, w->values, &n,
					      NULL);

		if (!rc || errno == ENOENT) {
			*ret_n = n;
			w->begun = true;
			w->batch = out;
			w->fruitless = 0;
			return rc ? 0 : 1;
		}
		if (errno == ENOSPC) {
			err = enlarge(dp, w, &ask);
			if (err)
				return err;
		} else if (!transient(dp, errno)) {
			return -errno;
		} else {
			/* Less of it needs less memory, and locks for less. */
			ask = ask / 2 > SLICE_MIN ? ask / 2 : SLICE_MIN;
			tries++;
		}
	}
	/* Later, when others have run. */
	*ret_n = 0;
	return ++w->fruitless < FRUITLESS ? 1 : -EBUSY;
}

/* Fetches the next slice, beginning the walk if need be. */
static int fetch(struct datapath *dp, struct flow_slice *s, size_t *ret_n)
{
	int rc = s->cursor ? 0 : begin(s);

	return rc ? rc : next_slice(dp, s, ret_n);
}

/*
 * Entry i of the batch, of n: all records that leave this file are made here,
 * with what the flow's lease has counted and not yet handed over. The one that
 * comes later is told.
 */
static struct flow_record record(const struct datapath *dp,
				 const struct flow_slice *s, size_t i, size_t n)
{
	const struct flow_walk *w = s->cursor;
	bool leased = w->table == MOAT_TABLE_FLOWS ||
		      w->table == MOAT_TABLE_UDP;
	struct flow_record r = { .table = w->table,
				 .key = w->keys[i],
				 .flow = w->values[i] };

	if (i + AHEAD < n) {
		if (leased)
			leases_ahead(&dp->leases, &w->keys[i + AHEAD]);
		if (s->ahead)
			s->ahead(w->table, &w->keys[i + AHEAD],
				 &w->values[i + AHEAD], s->arg);
	}
	if (leased)
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
		struct flow_record r = record(dp, s, i, n);

		if (!s->fn(&r, s->arg))
			rc = 0, n = 0;
	}
	return finish(s, rc);
}

/*
 * Deletes one key; 1: deleted, 0: not there, -errno. Of an entry that can't
 * be deleted now the next walk takes care.
 */
static int delete_one(struct datapath *dp, int fd,
		      const struct moat_flow_key *key)
{
	for (int tries = 0; bpf_map_delete_elem(fd, key); tries++) {
		if (errno == ENOENT)
			return 0;
		if (!transient(dp, errno) || tries >= TRIES) {
			dp->retries.undeleted++;
			return -errno;
		}
	}
	return 1;
}

/* A program may have put a new flow in an LRU entry's place since. */
static bool still_dead(int fd, const struct flow_record *r)
{
	struct moat_flow now;

	return !bpf_map_lookup_elem(fd, &r->key, &now) &&
	       now.created == r->flow.created && now.expires == r->flow.expires;
}

/*
 * Deletes what was gathered. A batch ends at a key that is not there or whose
 * bucket is busy, and says how many it deleted before: that key goes alone,
 * the rest in a further batch. (A count of all beside an error is no count:
 * the kernel did not get that far.)
 */
static size_t delete_dead(struct datapath *dp, struct flow_walk *w)
{
	int fd = datapath_map_fd(dp, names[w->table]);
	size_t done = 0, deleted = 0;

	while (done < w->ndead) {
		__u32 left = w->ndead - done, n = left;

		if (!bpf_map_delete_batch(fd, w->dead + done, &n, NULL)) {
			deleted += left;
			break;
		}
		if (errno != ENOENT)
			transient(dp, errno);
		n = n < left ? n : 0;
		deleted += n + (delete_one(dp, fd, w->dead + done + n) > 0);
		done += n + 1;
	}
	w->ndead = 0;
	return deleted;
}

/* An entry that nobody touches any more (F6). */
static void take_dead(struct datapath *dp, struct flow_slice *s,
		      const struct flow_record *r)
{
	int fd = datapath_map_fd(dp, names[r->table]);

	if (s->fn)
		s->fn(r, s->arg);
	/* Never in one go where a look has to come right before. */
	if (evicts(r->table))
		s->deleted += still_dead(fd, r) &&
			      delete_one(dp, fd, &r->key) > 0;
	else
		s->cursor->dead[s->cursor->ndead++] = r->key;
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
		struct flow_record r = record(dp, s, i, n);

		if (r.flow.expires <= dead) {
			take_dead(dp, s, &r);
			continue;
		}
		s->live++;
		if (s->stays)
			s->stays(&r, s->arg);
	}
	if (s->cursor && s->cursor->ndead)
		s->deleted += delete_dead(dp, s->cursor);
	return finish(s, rc);
}

void flows_retries(const struct datapath *dp, struct flows_retries *ret)
{
	*ret = dp->retries;
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
		if (!transient(dp, errno) || tries >= TRIES)
			return -errno;
	}
	leases_void(dp);
	return 0;
}

/* The only one: what was taken for one packet is there for the next. */
static int fill_bucket(struct datapath *dp)
{
	const __u64 untouched[2] = {}; /* struct moat_bucket of bpf/maps.h */
	__u32 zero = 0;

	return bpf_map_update_elem(datapath_map_fd(dp, "buckets"), &zero,
				   &untouched, BPF_ANY) ?
		       -errno :
		       0;
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
	return dp->settings.one_by_one ? fill_bucket(dp) : 0;
}
