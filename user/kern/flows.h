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

/*
 * One slice of a walk over a table: at most max (<= 4096) entries, from
 * *cursor (NULL to begin). 1: more to come, 0: done, -errno. -EBUSY and
 * -ENOMEM are retried and counted.
 */
struct flow_walk;
int flows_walk(struct datapath *dp, enum moat_table table,
	       struct flow_walk **cursor, size_t max, flow_fn fn, void *arg);
void flow_walk_free(struct flow_walk *w);

/*
 * One slice of expiry: deletes entries whose expiry lies five seconds or more
 * in the past. Calls gone for each before it is deleted. Returns as
 * flows_walk; *ret_live and *ret_deleted are added to.
 */
int flows_expire(struct datapath *dp, enum moat_table table,
		 struct flow_walk **cursor, size_t max, flow_fn gone,
		 void *arg, size_t *ret_live, size_t *ret_deleted);

/* Ends one flow: its expiry is set to now, expiry does the rest. */
int flows_kill(struct datapath *dp, const struct flow_record *r);

#endif
