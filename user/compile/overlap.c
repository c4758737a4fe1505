// SPDX-License-Identifier: BSD-2-Clause
/* Which groups and NACLs hold an address, and where two NACLs do. */
#include "base/cleanup.h"
#include "compile/compile.h"
#include "compile/overlap.h"

DEFINE_CLEANUP(space, space_free)
DEFINE_CLEANUP(plan, plan_free)

static bool set_holds(const struct addr_set *set, const struct moat_addr *a)
{
	int family = addr_is_v4(a) ? 4 : 6;

	if (set->any)
		return true;
	for (size_t i = 0; i < set->ncidrs; i++)
		if (set->cidrs[i].family == family &&
		    cidr_contains(&set->cidrs[i], a))
			return true;
	return false;
}

size_t policy_groups_of(const struct policy *p, const struct moat_addr *a,
			size_t *ret, size_t max)
{
	size_t n = 0;

	for (size_t g = 0; g < p->ngroups; g++) {
		if (!set_holds(&p->sets[p->groups[g].set], a))
			continue;
		if (n < max)
			ret[n] = g;
		n++;
	}
	return n;
}

int policy_nacl_of(const struct policy *p, const struct moat_addr *a)
{
	for (size_t n = 0; n < p->nnacls; n++)
		if (set_holds(&p->sets[p->nacls[n].set], a))
			return (int)n;
	return -1;
}

int overlap_report(const struct policy *p, const struct space *s,
		   const struct profiles *profiles, struct diags *diags)
{
	int found = 0;

	for (size_t i = 0; i < profiles->count; i++) {
		const struct profile *f = &profiles->item[i];
		const struct nacl *first, *second;
		char text[ADDR_TEXT];
		bool said = false;

		if (f->other_nacl == NACL_NONE)
			continue;
		for (size_t k = 0; k < i; k++)
			said |= profiles->item[k].nacl == f->nacl &&
				profiles->item[k].other_nacl == f->other_nacl;
		if (said)
			continue;
		first = &p->nacls[f->nacl];
		second = &p->nacls[f->other_nacl];
		addr_print(&s->classes[f->class].first, text);
		diag_error(
			diags, second->pos,
			"network ACLs %s and %s both apply to %s: at most one may apply to an address",
			first->name, second->name, text);
		found++;
	}
	return found;
}

void compile_check_overlap(const struct policy *p, struct diags *diags)
{
	CLEANUP(space) struct space *space = NULL;
	CLEANUP(plan) struct plan *plan = NULL;
	_cleanup_(profiles_done) struct profiles profiles = { 0 };

	if (p->nnacls < 2)
		return;
	space = space_new(p);
	if (space)
		plan = plan_new(p, space);
	if (!plan || space_build(space) ||
	    profiles_find(space, plan, &profiles))
		diag_error(diags, (struct pos){ .file = -1 },
			   "out of memory while cutting the address space");
	else
		overlap_report(p, space, &profiles, diags);
}
