// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flat table of fingerprints: 48 bytes a flow. Two flows share one with a
 * probability of 3 in 10^8 at a million flows; what would be lost is a count.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "svc/flow_delta.h"

#define FIRST_SIZE 1024

struct seen {
	__u64 print;		/* 0: free */
	struct moat_count count[2];
	__u32 scan;
	__u32 pad;
};

struct flow_delta {
	struct seen *table;
	size_t size;		/* a power of two */
	size_t used;
	size_t cursor;		/* of the sweep */
	__u32 scan;
	__u64 seed[2];
};

struct flow_delta *flow_delta_new(void)
{
	struct flow_delta *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->size = FIRST_SIZE;
	d->scan = 2;
	d->table = calloc(d->size, sizeof(*d->table));
	if (!d->table || getrandom(d->seed, sizeof(d->seed), 0) !=
	    sizeof(d->seed)) {
		flow_delta_free(d);
		return NULL;
	}
	return d;
}

void flow_delta_free(struct flow_delta *d)
{
	if (!d)
		return;
	free(d->table);
	free(d);
}

static __u64 mix(__u64 a, __u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (__u64)product ^ (__u64)(product >> 64);
}

/*
 * Of key, creation and kind: a flow and its later namesake are two, a denied
 * opening and a flow are two, copies in several tables are one.
 */
static __u64 fingerprint(const struct flow_delta *d,
			 const struct flow_record *r)
{
	__u64 word[sizeof(r->key) / 8], hash = d->seed[0];
	size_t i;

	memcpy(word, &r->key, sizeof(r->key));
	for (i = 0; i < ARRAY_SIZE(word); i++)
		hash = mix(hash ^ word[i], d->seed[1] | 1) + i;
	hash = mix(hash ^ r->flow.created, d->seed[1] | 1);
	hash = mix(hash ^ (r->table == MOAT_TABLE_DENIED), d->seed[0] | 1);
	return hash ? hash : 1;
}

static struct seen *find(struct flow_delta *d, __u64 print)
{
	size_t i = print & (d->size - 1);

	while (d->table[i].print && d->table[i].print != print)
		i = (i + 1) & (d->size - 1);
	return &d->table[i];
}

static int grow(struct flow_delta *d)
{
	struct seen *old = d->table, *bigger;
	size_t i, size = d->size;

	bigger = calloc(size * 2, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	d->table = bigger;
	d->size = size * 2;
	for (i = 0; i < size; i++)
		if (old[i].print)
			*find(d, old[i].print) = old[i];
	free(old);
	return 0;
}

static __u64 gain(__u64 *last, __u64 now)
{
	__u64 more = now > *last ? now - *last : 0;

	*last += more;
	return more;
}

int flow_delta_see(struct flow_delta *d, const struct flow_record *r,
		   struct moat_count ret[2])
{
	__u64 print = fingerprint(d, r);
	struct seen *s;
	int dir;

	memset(ret, 0, 2 * sizeof(*ret));
	/* At most four fifths full. */
	if (d->used >= d->size - d->size / 5 && grow(d))
		return -ENOMEM;
	s = find(d, print);
	if (!s->print) {
		s->print = print;
		d->used++;
	}
	s->scan = d->scan;
	for (dir = 0; dir < 2; dir++) {
		ret[dir].packets = gain(&s->count[dir].packets,
					r->flow.packets[dir]);
		ret[dir].bytes = gain(&s->count[dir].bytes,
				      r->flow.bytes[dir]);
	}
	return 0;
}

void flow_delta_next_scan(struct flow_delta *d)
{
	d->scan++;
}

/* Frees a place and moves back what had to be put behind it. */
static void erase(struct flow_delta *d, size_t hole)
{
	size_t mask = d->size - 1, i = hole, home;

	for (;;) {
		i = (i + 1) & mask;
		if (!d->table[i].print)
			break;
		home = d->table[i].print & mask;
		/* Stays if its home lies after the hole, cyclically. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		d->table[hole] = d->table[i];
		hole = i;
	}
	d->table[hole] = (struct seen){0};
	d->used--;
}

void flow_delta_sweep(struct flow_delta *d, size_t max)
{
	struct seen *s;

	while (max--) {
		s = &d->table[d->cursor];
		if (s->print && d->scan - s->scan >= 2) {
			erase(d, d->cursor);
			continue;
		}
		d->cursor = (d->cursor + 1) & (d->size - 1);
	}
}

size_t flow_delta_count(const struct flow_delta *d)
{
	return d->used;
}
