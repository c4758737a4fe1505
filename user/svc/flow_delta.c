// SPDX-License-Identifier: BSD-2-Clause
/*
 * Flat tables of fingerprints: 32 bytes a flow. Two flows share one with a
 * probability of 3 in 10^8 at a million flows; what would be lost is a count.
 * Many small tables, so that none takes long to grow: the agent must not
 * stand still for a million flows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "svc/flow_delta.h"

#define SHARDS 256
#define FIRST_SIZE 16 /* places of a shard; others are 3/2 of one before */

/*
 * Counters as far as two looks at a flow are told apart: a walk later it has
 * not gained 2^31 packets or 2^47 bytes.
 */
struct seen {
	__u64 print; /* 0: free */
	__u32 packets[2];
	__u32 bytes[2]; /* low 32 bits */
	__u16 bytes_high[2];
	__u16 scan;
	__u16 pad;
};
_Static_assert(sizeof(struct seen) == 32, "two to a cache line");

struct shard {
	struct seen *table;
	size_t size, used;
};

struct flow_delta {
	struct shard shard[SHARDS];
	size_t cursor_shard, cursor; /* of the sweep */
	__u16 scan;
	__u64 seed[2];
};

static int resize(struct shard *h, size_t size);

struct flow_delta *flow_delta_new(void)
{
	struct flow_delta *d = calloc(1, sizeof(*d));
	size_t i;

	if (!d)
		return NULL;
	d->scan = 2;
	for (i = 0; i < SHARDS; i++)
		if (resize(&d->shard[i], FIRST_SIZE))
			break;
	if (i < SHARDS ||
	    getrandom(d->seed, sizeof(d->seed), 0) != sizeof(d->seed)) {
		flow_delta_free(d);
		return NULL;
	}
	return d;
}

void flow_delta_free(struct flow_delta *d)
{
	size_t i;

	if (!d)
		return;
	for (i = 0; i < SHARDS; i++)
		free(d->shard[i].table);
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
static __u64 fingerprint(const struct flow_delta *d, enum moat_table table,
			 const struct moat_flow_key *key, __u64 created)
{
	__u64 word[sizeof(*key) / 8], hash = d->seed[0];
	size_t i;

	memcpy(word, key, sizeof(*key));
	for (i = 0; i < ARRAY_SIZE(word); i++)
		hash = mix(hash ^ word[i], d->seed[1] | 1) + i;
	hash = mix(hash ^ created, d->seed[1] | 1);
	hash = mix(hash ^ (table == MOAT_TABLE_DENIED), d->seed[0] | 1);
	return hash ? hash : 1;
}

/* The upper bits choose the shard, the lower ones the place in it. */
static struct shard *shard_of(struct flow_delta *d, __u64 print)
{
	return &d->shard[print >> 56];
}

static size_t home_of(const struct shard *h, __u64 print)
{
	return (print & 0xffffffff) * h->size >> 32;
}

static struct seen *find(const struct shard *h, __u64 print)
{
	size_t i = home_of(h, print);

	while (h->table[i].print && h->table[i].print != print)
		i = i + 1 < h->size ? i + 1 : 0;
	return &h->table[i];
}

static int resize(struct shard *h, size_t size)
{
	struct seen *table = calloc(size, sizeof(*table));
	struct shard to = { table, size, h->used };
	size_t i;

	if (!table)
		return -ENOMEM;
	for (i = 0; i < h->size; i++)
		if (h->table[i].print)
			*find(&to, h->table[i].print) = h->table[i];
	free(h->table);
	*h = to;
	return 0;
}

void flow_delta_ahead(const struct flow_delta *d, enum moat_table table,
		      const struct moat_flow_key *key,
		      const struct moat_flow *flow)
{
	__u64 print = fingerprint(d, table, key, flow->created);
	const struct shard *h = &d->shard[print >> 56];

	__builtin_prefetch(&h->table[home_of(h, print)], 1);
}

/* What a counter of so many bits gained; an older copy gained nothing. */
static __u64 gain(__u64 last, __u64 now, unsigned int bits)
{
	__u64 more = (now - last) & ((1ull << bits) - 1);

	return more >> (bits - 1) ? 0 : more;
}

static __u64 seen_bytes(const struct seen *s, int dir)
{
	return (__u64)s->bytes_high[dir] << 32 | s->bytes[dir];
}

static void learn(struct seen *s, int dir, __u64 packets, __u64 bytes)
{
	s->packets[dir] += (__u32)packets;
	bytes += seen_bytes(s, dir);
	s->bytes[dir] = (__u32)bytes;
	s->bytes_high[dir] = (__u16)(bytes >> 32);
}

int flow_delta_see(struct flow_delta *d, const struct flow_record *r,
		   struct moat_count ret[2])
{
	__u64 print = fingerprint(d, r->table, &r->key, r->flow.created);
	struct shard *h = shard_of(d, print);
	struct seen *s;
	bool fresh;
	int dir;

	memset(ret, 0, 2 * sizeof(*ret));
	/* At most four fifths full. */
	if (h->used >= h->size - h->size / 5 && resize(h, h->size * 3 / 2))
		return -ENOMEM;
	s = find(h, print);
	fresh = !s->print;
	s->print = print;
	h->used += fresh;
	s->scan = d->scan;
	for (dir = 0; dir < 2; dir++) {
		/* A flow older than we are may have counted more than a
		 * difference can hold. */
		ret[dir].packets = fresh ? r->flow.packets[dir] :
					   gain(s->packets[dir],
						r->flow.packets[dir], 32);
		ret[dir].bytes = fresh ? r->flow.bytes[dir] :
					 gain(seen_bytes(s, dir),
					      r->flow.bytes[dir], 48);
		learn(s, dir, ret[dir].packets, ret[dir].bytes);
	}
	return 0;
}

void flow_delta_next_scan(struct flow_delta *d)
{
	d->scan++;
}

/* Frees a place and moves back what had to be put behind it. */
static void erase(struct shard *h, size_t hole)
{
	size_t i = hole, from_home, from_hole;

	for (;;) {
		i = i + 1 < h->size ? i + 1 : 0;
		if (!h->table[i].print)
			break;
		from_home = i + h->size - home_of(h, h->table[i].print);
		from_hole = i + h->size - hole;
		/* Stays if its home lies after the hole, cyclically. */
		/* size is not 0: NOLINTNEXTLINE(clang-analyzer-core.*) */
		if (from_home % h->size < from_hole % h->size)
			continue;
		h->table[hole] = h->table[i];
		hole = i;
	}
	h->table[hole] = (struct seen){ 0 };
	h->used--;
}

static void next_shard(struct flow_delta *d)
{
	struct shard *h = &d->shard[d->cursor_shard];

	/* Memory of a crowd that has gone. It can wait if there is none. */
	if (h->size > FIRST_SIZE && h->used < h->size / 4)
		(void)resize(h, h->size / 2 > FIRST_SIZE ? h->size / 2 :
							   FIRST_SIZE);
	d->cursor = 0;
	d->cursor_shard = (d->cursor_shard + 1) % SHARDS;
}

void flow_delta_sweep(struct flow_delta *d, size_t max)
{
	struct shard *h;
	struct seen *s;

	while (max--) {
		h = &d->shard[d->cursor_shard];
		if (d->cursor >= h->size) {
			next_shard(d);
			continue;
		}
		s = &h->table[d->cursor];
		if (s->print && (__u16)(d->scan - s->scan) >= 2)
			erase(h, d->cursor);
		else
			d->cursor++;
	}
}
