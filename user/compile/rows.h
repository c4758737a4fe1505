/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows: for a profile, a direction and a remote class, the whole answer of
 * both layers as sorted service intervals. Equal rows are one. The rules are
 * followed exactly: the NACL by number, the groups as a union credited in
 * file order, unlimited before limited (F7, F41).
 *
 * Work and memory go with the rules that name a class, not with profiles
 * times classes times rules.
 */
#ifndef MOAT_COMPILE_ROWS_H
#define MOAT_COMPILE_ROWS_H

#include "compile/active.h"
#include "compile/profiles.h"

#define ROW_ERROR 0xffffffffu

struct row {
	__u32 offset; /* of its starts in rows.words; its cells follow */
	__u32 count;  /* entries in use */
	__u32 log2;   /* entries of the block */
};

struct rows {
	const struct space *space;
	const struct plan *plan;
	const struct profiles *profiles;
	size_t words_max; /* gives up beyond */
	size_t rows_max;
	bool lenient; /* chains of any length: the first limit */

	struct row *row;
	size_t nrows, rows_cap;
	__u32 *words;
	size_t nwords, words_cap;
	struct hindex row_index;
	__u32 *chain; /* count, limits; count, limits; … */
	size_t nchain, chain_cap;
	__u32 *chain_at; /* by chain: offset in chain */
	size_t nchains, chains_cap;
	struct hindex chain_index;
	size_t ncells; /* entries in use over all rows */

	/*
	 * 0; -ENOMEM; -EFBIG: over words_max; -ERANGE: over rows_max;
	 * -EMLINK: a chain of error_chain limits.
	 */
	int error;
	size_t error_chain;
	char error_rule[RULE_TEXT]; /* the first of that chain */

	/* of the pass */
	__u32 *rules; /* by rank: plan rule; NACL first */
	size_t nrules, rules_cap, nnacl;
	__u32 *head, *next; /* ranks by list, and of the same list */
	size_t next_cap;
	__u64 *relevant; /* lists that a rule of the pass names */
	__u32 *known;	 /* by node of space.lists: 2 * pass + found */
	__u32 pass;
	__u32 *ranks; /* of one class, then of every one met */
	size_t nranks, ranks_cap;
	struct met {
		size_t at, count;
		__u32 row;
	} * met;
	size_t nmet, met_cap;
	struct hindex met_index;
	__u64 *everywhere; /* events of rules for every address, sorted */
	size_t neverywhere, everywhere_cap;
	__u64 *events;
	size_t nevents, events_cap;
	struct active nacl, open, limited;
	__u32 *starts, *cells;
	size_t nentries, starts_cap, cells_cap;
};

/* 0 or -ENOMEM. The caller sets words_max and rows_max. */
int rows_init(struct rows *r, const struct space *s, const struct plan *plan,
	      const struct profiles *profiles);
void rows_done(struct rows *r);
/* After sets of lists were added to the space. 0 or -ENOMEM. */
int rows_more_sets(struct rows *r, size_t before);

/* Turns to one profile and direction; PROFILE_NONE is not one. */
int rows_pass(struct rows *r, __u32 profile, int direction);
/* The row of a class in this pass, or ROW_ERROR (see error). */
__u32 rows_of(struct rows *r, __u32 class);

static inline const __u32 *row_starts(const struct rows *r, __u32 row)
{
	return r->words + r->row[row].offset;
}

static inline const __u32 *row_cells(const struct rows *r, __u32 row)
{
	return row_starts(r, row) + (1u << r->row[row].log2);
}

#endif
