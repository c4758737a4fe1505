// SPDX-License-Identifier: BSD-2-Clause
/*
 * At most one NACL an address, checked over the whole address space: CIDRs
 * nest or are disjoint, so one walk over them in order of their start, the
 * larger first, meets every pair that overlaps.
 */
#include <stdlib.h>

#include "policy/read.h"

struct claim {
	struct cidr cidr;
	const struct nacl *nacl;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = addr_compare(&x->cidr.addr, &y->cidr.addr);
	int lx = addr_mapped_length(&x->cidr),
	    ly = addr_mapped_length(&y->cidr);

	/* The whole of IPv6 holds mapped IPv4 in number only. */
	if (x->cidr.family != y->cidr.family)
		return x->cidr.family < y->cidr.family ? -1 : 1;
	if (order)
		return order;
	if (lx != ly)
		return lx < ly ? -1 : 1;
	return x->nacl < y->nacl ? -1 : x->nacl > y->nacl;
}

static struct claim *collect(struct reader *r, size_t *ret_count)
{
	const struct policy *p = r->policy;
	static const struct cidr all4 = {
		.addr.b = { [10] = 0xff, [11] = 0xff },
		.family = 4,
	};
	static const struct cidr all6 = { .family = 6 };
	size_t count = 0, n = 0;

	for (size_t i = 0; i < p->nnacls; i++)
		count += p->sets[p->nacls[i].set].ncidrs + 2;
	struct claim *claims = calloc(count + 1, sizeof(*claims));
	if (!claims) {
		error_out_of_memory(r->diags);
		return NULL;
	}
	for (size_t i = 0; i < p->nnacls; i++) {
		const struct nacl *nacl = &p->nacls[i];
		const struct addr_set *set = &p->sets[nacl->set];

		for (size_t j = 0; j < set->ncidrs; j++)
			claims[n++] = (struct claim){ set->cidrs[j], nacl };
		if (set->any) {
			claims[n++] = (struct claim){ all4, nacl };
			claims[n++] = (struct claim){ all6, nacl };
		}
	}
	*ret_count = n;
	return claims;
}

static void report(struct reader *r, const struct claim *a,
		   const struct claim *b)
{
	const struct claim *later = a->nacl > b->nacl ? a : b;
	const struct nacl *other = a->nacl > b->nacl ? b->nacl : a->nacl;
	const struct claim *inner = addr_mapped_length(&a->cidr) >
						    addr_mapped_length(
							    &b->cidr) ?
					    a :
					    b;
	char text[ADDR_TEXT];

	diag_error(
		r->diags, later->nacl->pos,
		"`%s` and `%s` both apply to %s; an address has at most one network ACL",
		later->nacl->name, other->name,
		cidr_print(&inner->cidr, true, text));
}

static bool holds(const struct cidr *outer, const struct cidr *inner)
{
	return outer->family == inner->family &&
	       outer->length <= inner->length &&
	       cidr_contains(outer, &inner->addr);
}

void check_nacl_overlap(struct reader *r)
{
	size_t count, depth = 0;

	if (r->policy->nnacls < 2)
		return;
	_cleanup_free_ struct claim *claims = collect(r, &count);
	if (!claims)
		return;
	_cleanup_free_ bool *told = calloc(r->policy->nnacls, sizeof(*told));
	_cleanup_free_ struct claim *open = calloc(count + 1, sizeof(*open));
	if (!told || !open) {
		error_out_of_memory(r->diags);
		return;
	}
	qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < count; i++) {
		while (depth && !holds(&open[depth - 1].cidr, &claims[i].cidr))
			depth--;
		open[depth] = claims[i];
		if (depth && open[depth - 1].nacl != claims[i].nacl) {
			const struct nacl *a = open[depth - 1].nacl,
					  *b = claims[i].nacl;
			size_t later = (size_t)((a > b ? a : b) -
						r->policy->nacls);

			if (!told[later])
				report(r, &open[depth - 1], &claims[i]);
			told[later] = true;
		}
		depth++;
	}
}
