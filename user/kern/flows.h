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

/* Where a walk over one table stands; zero but for the request to begin. */
struct flow_walk;
struct flow_slice {
	enum moat_table table;	/* any but fragments */
	size_t max;		/* entries a slice, <= 4096 */
	flow_fn fn;		/* may be NULL for flows_expire() */
	flow_fn stays;		/* flows_expire(): the others; or NULL */
	void *arg;
	struct flow_walk *cursor; /* freed at the end of the walk */
	size_t live, deleted;	/* added to by flows_expire() */
};

/*
 * One slice of a walk over a table: calls fn for each entry. 1: more to come,
 * 0: done, -errno (the walk is over then too). -EBUSY and -ENOMEM are retried
 * and counted. A slice may hold more than max where one hash bucket does.
 */
int flows_walk(struct datapath *dp, struct flow_slice *s);
void flow_walk_free(struct flow_walk *w);	/* of a walk broken off */

/*
 * One slice of expiry: deletes entries whose expiry lies five seconds or more
 * in the past, calling fn for each before it is deleted. Returns as
 * flows_walk().
 */
int flows_expire(struct datapath *dp, struct flow_slice *s);

/* Empties every table, fragments too. For private instances, where each packet
 * is to be judged as the first: a live one would lose its flows. */
int flows_clear(struct datapath *dp);

/* Ends one flow: its expiry is set to now, expiry does the rest. */
int flows_kill(struct datapath *dp, const struct flow_record *r);

#endif
