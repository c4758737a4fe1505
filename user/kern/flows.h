/* SPDX-License-Identifier: BSD-2-Clause */
/* The flow tables from user space: dump, expiry, removal, in slices. */
#ifndef MOAT_FLOWS_H
#define MOAT_FLOWS_H

#include <stdbool.h>
#include <stddef.h>

#include "moat/flow.h"

struct datapath;

struct flow_record {
	enum moat_table table;
	struct moat_flow_key key;
	struct moat_flow flow;
};
/* Return false to stop. */
typedef bool (*flow_fn)(const struct flow_record *r, void *arg);
/* Some entries before fn or stays is called: time to prefetch. */
typedef void (*flow_ahead_fn)(enum moat_table table,
			      const struct moat_flow_key *key,
			      const struct moat_flow *flow, void *arg);

/* Where a walk over one table stands; zero but for the request to begin. */
struct flow_walk;
struct flow_slice {
	enum moat_table table; /* any but fragments */
	size_t max;	       /* entries of the next slice, 64 to 4096 */
	flow_fn fn;	       /* may be NULL for flows_expire() */
	flow_fn stays;	       /* flows_expire(): the others; or NULL */
	flow_ahead_fn ahead;   /* or NULL */
	void *arg;
	struct flow_walk *cursor; /* freed at the end of the walk */
	size_t live, deleted;	  /* added to by flows_expire() */
};

/*
 * One slice of a walk over a table: calls fn for each entry. 1: more to come,
 * 0: done, -errno (the walk is over then too). An entry that is in the table
 * throughout comes exactly once, whatever comes and goes meanwhile.
 * -EBUSY, -ENOMEM, -EAGAIN and -ENOSPC are retried with another size and
 * counted; a slice that got nothing all the same returns 1, and the next one
 * tries again; after 64 such in a row: -EBUSY. A slice may hold more than max
 * where one hash bucket does.
 */
int flows_walk(struct datapath *dp, struct flow_slice *s);
void flow_walk_free(struct flow_walk *w); /* of a walk broken off */

/*
 * One slice of expiry: deletes entries whose expiry lies five seconds or more
 * in the past, calling fn for each before it is deleted. Returns as
 * flows_walk(). An entry that can't be deleted is left to the next walk and
 * counted.
 */
int flows_expire(struct datapath *dp, struct flow_slice *s);

/* What a call that failed was tried again for, since the start. */
#define FLOWS_RETRIES(X) \
	X(BUSY, "busy") /* another held the bucket's lock */ \
	X(NOMEM, "nomem") \
	X(AGAIN, "again") /* interrupted */ \
	X(SPACE, "space") /* a bucket longer than the batch */
enum flows_retry {
#define X(symbol, name) FLOWS_RETRY_##symbol,
	FLOWS_RETRIES(X)
#undef X
		FLOWS_RETRY_COUNT
};
struct flows_retries {
	__u64 count[FLOWS_RETRY_COUNT];
	__u64 undeleted; /* expired, and left to the next walk */
};
void flows_retries(const struct datapath *dp, struct flows_retries *ret);

/* Empties every table, fragments too. For private instances, where each packet
 * is to be judged as the first: a live one would lose its flows. */
int flows_clear(struct datapath *dp);

/* Ends one flow: its expiry is set to now, expiry does the rest. */
int flows_kill(struct datapath *dp, const struct flow_record *r);

#endif
