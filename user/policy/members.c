// SPDX-License-Identifier: BSD-2-Clause
/* A group's members changed in a model. */
#include "policy/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "moat/base.h"
#include "policy/cidrs.h"

/* ---- lists of changes ---- */

void member_list_free(struct member_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->item[i].group);
	free(l->item);
	*l = (struct member_list){ 0 };
}

static bool cidr_within(const struct cidr *inner, const struct cidr *outer)
{
	return inner->family == outer->family &&
	       inner->length >= outer->length &&
	       cidr_contains(outer, &inner->addr);
}

static void drop_within(struct member_list *l, const struct member_change *c)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (!strcmp(l->item[i].group, c->group) &&
		    cidr_within(&l->item[i].cidr, &c->cidr))
			free(l->item[i].group);
		else
			l->item[n++] = l->item[i];
	}
	l->count = n;
}

int member_list_add(struct member_list *l, const struct member_change *c)
{
	struct member_change *item = l->item;
	char *group = strdup(c->group);

	if (group && l->count == l->cap)
		item = reallocarray(item, 2 * l->cap + 8, sizeof(*item));
	if (!group || !item) {
		free(group);
		return -ENOMEM;
	}
	if (l->count == l->cap)
		l->cap = 2 * l->cap + 8;
	l->item = item;
	drop_within(l, c);
	item[l->count] = *c;
	item[l->count++].group = group;
	return 0;
}

int member_list_copy(const struct member_list *from, struct member_list *ret)
{
	struct member_list copy = { .item = calloc(from->count + 1,
						   sizeof(*copy.item)),
				    .cap = from->count + 1 };

	if (!copy.item)
		return -ENOMEM;
	/* Nothing lies within another, and each change copies the list. */
	for (size_t i = 0; i < from->count; i++) {
		copy.item[i] = from->item[i];
		copy.item[i].group = strdup(from->item[i].group);
		if (!copy.item[i].group) {
			member_list_free(&copy);
			return -ENOMEM;
		}
		copy.count++;
	}
	*ret = copy;
	return 0;
}

bool member_list_equal(const struct member_list *a, const struct member_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->item[i].remove != b->item[i].remove ||
		    strcmp(a->item[i].group, b->item[i].group) ||
		    cidr_compare(&a->item[i].cidr, &b->item[i].cidr))
			return false;
	return true;
}

/* ---- sets ---- */

struct group *policy_group(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->ngroups; i++)
		if (!strcmp(p->groups[i].name, name))
			return &p->groups[i];
	return NULL;
}

/* The half of a CIDR that holds, or does not hold, an address. */
static struct cidr half(const struct cidr *c, const struct moat_addr *addr,
			bool with)
{
	struct cidr h = *c;
	int bit = addr_mapped_length(c);
	__u8 mask = (__u8)(0x80 >> bit % 8);

	h.length++;
	if (!(addr->b[bit / 8] & mask) == !with)
		h.addr.b[bit / 8] |= mask;
	return h;
}

/* Appends what is left of c without hole: at most one CIDR a bit. */
static int add_rest(struct cidrs *list, struct cidr c, const struct cidr *hole)
{
	while (c.length < hole->length) {
		struct cidr other = half(&c, &hole->addr, false);

		if (cidrs_add(list, &other, 1))
			return -ENOMEM;
		c = half(&c, &hole->addr, true);
	}
	return 0;
}

/* 1: *list is the set without c; 0: nothing of it was in. */
static int without(const struct addr_set *set, const struct cidr *c,
		   struct cidrs *list)
{
	bool found = false;
	int r = 0;

	for (size_t i = 0; !r && i < set->ncidrs; i++) {
		const struct cidr *one = &set->cidrs[i];

		if (cidr_within(one, c)) {
			found = true;
		} else if (cidr_within(c, one)) {
			found = true;
			r = add_rest(list, *one, c);
		} else {
			r = cidrs_add(list, one, 1);
		}
	}
	if (!r && found)
		r = cidrs_unique(list);
	return r ? r : found;
}

/* Do the CIDRs of a set hold all of c, in however many pieces? */
static bool covers(const struct addr_set *set, const struct cidr *c)
{
	bool any = false;

	for (size_t i = 0; i < set->ncidrs; i++) {
		if (cidr_within(c, &set->cidrs[i]))
			return true;
		any |= cidr_within(&set->cidrs[i], c);
	}
	if (!any)
		return false;

	struct cidr low = half(c, &c->addr, true);
	struct cidr high = half(c, &c->addr, false);

	return covers(set, &low) && covers(set, &high);
}

/* 1: *list is the set with c. */
static int with(const struct addr_set *set, const struct cidr *c,
		struct cidrs *list)
{
	if (covers(set, c))
		return 0;
	if (cidrs_add(list, set->cidrs, set->ncidrs) || cidrs_add(list, c, 1))
		return -ENOMEM;
	return 1;
}

/* Puts a list in place of a set's. */
static int replace(struct policy *p, size_t set, struct cidrs *list,
		   struct members_undo *undo)
{
	void *more = reallocarray(undo->old, undo->count + 1,
				  sizeof(*undo->old));

	if (!more)
		return -ENOMEM;
	undo->old = more;
	undo->old[undo->count].set = set;
	undo->old[undo->count].cidrs = p->sets[set].cidrs;
	undo->old[undo->count++].ncidrs = p->sets[set].ncidrs;
	p->sets[set].cidrs = list->items;
	p->sets[set].ncidrs = list->count;
	*list = (struct cidrs){ 0 };
	return 0;
}

static int gather(const struct policy *p, const struct addr_set *nacl,
		  struct cidrs *list)
{
	for (size_t i = 0; i < nacl->nitems; i++) {
		const struct peer *item = &nacl->items[i];
		const struct addr_set *from = &p->sets[item->set];
		int r = 0;

		if (item->kind == PEER_CIDR)
			r = cidrs_add(list, &item->cidr, 1);
		else if (item->kind == PEER_SET)
			r = cidrs_add(list, from->cidrs, from->ncidrs);
		if (r)
			return r;
	}
	return cidrs_unique(list);
}

/* NACLs that apply to the group go with it. */
static int follow(struct policy *p, size_t group, struct members_undo *undo)
{
	int r = 0;

	for (size_t n = 0; !r && n < p->nnacls; n++) {
		size_t set = p->nacls[n].set;
		struct cidrs list = { 0 };
		bool named = false;

		for (size_t i = 0; i < p->sets[set].nitems; i++)
			named |= p->sets[set].items[i].kind == PEER_SET &&
				 p->sets[set].items[i].set == group;
		if (!named)
			continue;
		r = gather(p, &p->sets[set], &list);
		if (!r)
			r = replace(p, set, &list, undo);
		cidrs_free(&list);
	}
	return r;
}

static size_t count_peers(const struct ruleset *rules)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->count; i++)
		for (size_t k = 0; k < rules->rules[i].npeers; k++)
			n += rules->rules[i].peers[k].kind == PEER_CIDR;
	return n;
}

/* As the reader counts them. */
static size_t count_cidrs(const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nsets; i++)
		n += p->sets[i].ncidrs;
	for (int dir = 0; dir < 2; dir++) {
		for (size_t i = 0; i < p->ngroups; i++)
			n += count_peers(&p->groups[i].rules[dir]);
		for (size_t i = 0; i < p->nnacls; i++)
			n += count_peers(&p->nacls[i].rules[dir]);
	}
	return n;
}

static void take_back(struct policy *p, struct members_undo *undo, size_t until)
{
	while (undo->count > until) {
		struct addr_set *set = &p->sets[undo->old[--undo->count].set];

		free(set->cidrs);
		set->cidrs = undo->old[undo->count].cidrs;
		set->ncidrs = undo->old[undo->count].ncidrs;
	}
}

int members_apply(struct policy *p, const struct member_change *c,
		  struct members_undo *undo)
{
	const struct group *g = policy_group(p, c->group);
	size_t mark = undo->count;
	struct cidrs list = { 0 };
	int r;

	if (!g)
		return -ENOENT;
	r = c->remove ? without(&p->sets[g->set], &c->cidr, &list) :
			with(&p->sets[g->set], &c->cidr, &list);
	if (r <= 0) {
		cidrs_free(&list);
		return r;
	}
	r = replace(p, g->set, &list, undo);
	if (!r)
		r = follow(p, g->set, undo);
	if (!r && count_cidrs(p) > MOAT_MAX_CIDRS)
		r = -E2BIG;
	cidrs_free(&list);
	if (r)
		take_back(p, undo, mark);
	return r ? r : 1;
}

void members_keep(struct members_undo *undo)
{
	for (size_t i = 0; i < undo->count; i++)
		free(undo->old[i].cidrs);
	free(undo->old);
	*undo = (struct members_undo){ 0 };
}

void members_take_back(struct policy *p, struct members_undo *undo)
{
	take_back(p, undo, 0);
	free(undo->old);
	*undo = (struct members_undo){ 0 };
}
