// SPDX-License-Identifier: BSD-2-Clause
/*
 * One row: sweeps over the starts and ends of the rules' service intervals,
 * and interns what comes out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile/row_private.h"
#include "moat/image.h"

/* An event: service << 32 | rank << 1 | 1 for a start. */
#define EVENT(service, rank, start) \
	((__u64)(service) << 32 | (__u64)(rank) << 1 | (start))
#define EVENT_SERVICE(e) ((__u32)((e) >> 32))
#define EVENT_RANK(e) ((__u32)(e) >> 1)
#define EVENT_START(e) ((e)&1)

int row_events(struct rows *r, __u32 rank, __u64 **events, size_t *count,
	       size_t *cap)
{
	const struct plan_rule *rule = &r->plan->rules[r->rules[rank]];
	const struct interval *in = r->plan->intervals + rule->first;

	if (grow_array(events, cap, *count + 2ul * rule->count,
		       sizeof(**events)))
		return -ENOMEM;
	for (__u32 i = 0; i < rule->count; i++) {
		(*events)[(*count)++] = EVENT(in[i].first, rank, 1);
		(*events)[(*count)++] = EVENT(in[i].last + 1, rank, 0);
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

void row_sort_events(__u64 *events, size_t n)
{
	if (n > 24) {
		qsort(events, n, sizeof(*events), by_value);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		__u64 e = events[i];
		size_t k = i;

		for (; k > 0 && events[k - 1] > e; k--)
			events[k] = events[k - 1];
		events[k] = e;
	}
}

static void apply(struct rows *r, __u64 event)
{
	__u32 rank = EVENT_RANK(event);
	const struct plan_rule *rule = &r->plan->rules[r->rules[rank]];
	struct active *a = rank < r->nnacl	     ? &r->nacl :
			   rule->limit == LIMIT_NONE ? &r->open :
						       &r->limited;

	if (EVENT_START(event))
		active_set(a, rank);
	else
		active_clear(a, rank);
}

/* The chain of the limited rules that match now; ROW_ERROR. */
static __u32 chain_now(struct rows *r)
{
	__u32 want[MOAT_CHAIN_MAX + 1] = { 0 }, n = 0, hash, at, id, rank;
	const struct plan_rule *rule;

	for (rank = active_next(&r->limited, 0); rank != ACTIVE_NONE;
	     rank = active_next(&r->limited, rank + 1)) {
		rule = &r->plan->rules[r->rules[rank]];
		if (n++ < MOAT_CHAIN_MAX && (!r->lenient || n == 1))
			want[n] = rule->limit;
	}
	if (r->lenient)
		n = 1;
	if (n > MOAT_CHAIN_MAX) {
		rank = active_next(&r->limited, 0);
		plan_rule_text(&r->plan->rules[r->rules[rank]], r->error_rule);
		r->error_chain = n;
		r->error = -EMLINK;
		return ROW_ERROR;
	}
	want[0] = n;
	hash = hash_bytes(want, (n + 1) * sizeof(*want));
	at = hindex_start(&r->chain_index, hash);
	while ((id = hindex_next(&r->chain_index, hash, &at)) != HINDEX_NONE)
		if (!memcmp(r->chain + r->chain_at[id], want,
			    (n + 1) * sizeof(*want)))
			return id;
	id = (__u32)r->nchains;
	if (id >= MOAT_CELL_NONE ||
	    GROW(r->chain, r->chain_cap, r->nchain + n + 1) ||
	    GROW(r->chain_at, r->chains_cap, r->nchains + 1) ||
	    hindex_add(&r->chain_index, hash, id)) {
		r->error = id >= MOAT_CELL_NONE ? -ENOSPC : -ENOMEM;
		return ROW_ERROR;
	}
	r->chain_at[r->nchains++] = (__u32)r->nchain;
	memcpy(r->chain + r->nchain, want, (n + 1) * sizeof(*want));
	r->nchain += n + 1;
	return id;
}

/* What both layers say of the service at which the sweep stands. */
static int cell_now(struct rows *r, __u32 *ret)
{
	__u32 nacl = MOAT_CELL_NONE, sg = MOAT_CELL_NONE, rank;
	bool deny = false, limited = false;

	rank = active_next(&r->nacl, 0);
	if (rank != ACTIVE_NONE) {
		nacl = r->plan->rules[r->rules[rank]].slot;
		deny = r->plan->rules[r->rules[rank]].deny;
	}
	rank = active_next(&r->open, (__u32)r->nnacl);
	if (rank != ACTIVE_NONE) {
		sg = r->plan->rules[r->rules[rank]].slot;
	} else if (r->limited.count) {
		sg = chain_now(r);
		limited = true;
		if (sg == ROW_ERROR)
			return r->error;
	}
	*ret = MOAT_CELL(nacl, deny, sg, limited);
	return 0;
}

static int add_entry(struct rows *r, __u32 start, __u32 cell)
{
	if (r->nentries && r->cells[r->nentries - 1] == cell)
		return 0;
	if (GROW(r->starts, r->starts_cap, r->nentries + 1) ||
	    GROW(r->cells, r->cells_cap, r->nentries + 1))
		return r->error = -ENOMEM;
	r->starts[r->nentries] = start;
	r->cells[r->nentries++] = cell;
	return 0;
}

static int sweep(struct rows *r)
{
	const __u64 *a = r->everywhere, *b = r->events;
	const __u64 *a_end = a + r->neverywhere, *b_end = b + r->nevents;
	__u32 service = 0, cell = 0;
	int failed = 0;

	r->nentries = 0;
	while (service < MOAT_SERVICE_END) {
		while (a < a_end && EVENT_SERVICE(*a) == service)
			apply(r, *a++);
		while (b < b_end && EVENT_SERVICE(*b) == service)
			apply(r, *b++);
		if (!failed)
			failed = cell_now(r, &cell);
		if (!failed)
			failed = add_entry(r, service, cell);
		service = MOAT_SERVICE_END;
		if (a < a_end && EVENT_SERVICE(*a) < service)
			service = EVENT_SERVICE(*a);
		if (b < b_end && EVENT_SERVICE(*b) < service)
			service = EVENT_SERVICE(*b);
	}
	/* Ends at the end of the space: the sets are empty for the next. */
	while (a < a_end)
		apply(r, *a++);
	while (b < b_end)
		apply(r, *b++);
	return failed;
}

static bool same_row(const struct rows *r, __u32 row)
{
	size_t bytes = r->nentries * sizeof(__u32);

	return r->row[row].count == r->nentries &&
	       !memcmp(row_starts(r, row), r->starts, bytes) &&
	       !memcmp(row_cells(r, row), r->cells, bytes);
}

static __u32 add_row(struct rows *r, __u32 hash)
{
	__u32 n = (__u32)r->nentries, log2 = 0, id = (__u32)r->nrows, *to;

	while (1u << log2 < n)
		log2++;
	if (r->nrows >= r->rows_max)
		r->error = -ERANGE;
	else if (r->nwords + (2ul << log2) > r->words_max)
		r->error = -EFBIG;
	else if (GROW(r->row, r->rows_cap, r->nrows + 1) ||
		 GROW(r->words, r->words_cap, r->nwords + (2ul << log2)) ||
		 hindex_add(&r->row_index, hash, id))
		r->error = -ENOMEM;
	if (r->error)
		return ROW_ERROR;
	r->row[r->nrows++] = (struct row){ (__u32)r->nwords, n, log2 };
	to = r->words + r->nwords;
	for (__u32 i = 0; i < 1u << log2; i++) {
		to[i] = r->starts[i < n ? i : n - 1];
		to[i + (1u << log2)] = r->cells[i < n ? i : n - 1];
	}
	r->nwords += 2ul << log2;
	r->ncells += n;
	return id;
}

__u32 row_make(struct rows *r, const __u32 *ranks, size_t n)
{
	__u32 hash, at, id;

	r->nevents = 0;
	for (size_t i = 0; i < n; i++)
		if (row_events(r, ranks[i], &r->events, &r->nevents,
			       &r->events_cap)) {
			r->error = -ENOMEM;
			return ROW_ERROR;
		}
	row_sort_events(r->events, r->nevents);
	if (sweep(r))
		return ROW_ERROR;
	hash = hash_bytes(r->starts, r->nentries * sizeof(__u32)) * 31 +
	       hash_bytes(r->cells, r->nentries * sizeof(__u32));
	at = hindex_start(&r->row_index, hash);
	while ((id = hindex_next(&r->row_index, hash, &at)) != HINDEX_NONE)
		if (same_row(r, id))
			return id;
	return add_row(r, hash);
}
