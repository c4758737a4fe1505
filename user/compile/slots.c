// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rule counter slots: who has which. A rule keeps its slot over generations;
 * rules that are new get theirs in the order of their identity, so that the
 * same policy on a fresh host has the same slots whatever its file order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "compile/plan.h"
#include "compile/slot.h"

static __u32 slot_hash(const struct slot_id *id)
{
	return hash_bytes(id->owner, strlen(id->owner)) * 31 +
	       hash_bytes(id->rule, strlen(id->rule)) * 4 +
	       (id->nacl ? 2u : 0) + (__u32)id->direction;
}

static bool slot_same(const struct slot_id *a, const struct slot_id *b)
{
	return a->nacl == b->nacl && a->direction == b->direction &&
	       !strcmp(a->owner, b->owner) && !strcmp(a->rule, b->rule);
}

/* The index is made anew where it is gone; slots_release() drops it. */
static struct hindex *slot_index(struct slots *s)
{
	struct hindex *h = s->index;

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	for (size_t i = 0; i < s->count; i++) {
		if (s->ids[i].owner &&
		    hindex_add(h, slot_hash(&s->ids[i]), (__u32)i)) {
			hindex_free(h);
			free(h);
			return NULL;
		}
	}
	s->index = h;
	return h;
}

static void drop_index(struct slots *s)
{
	if (s->index)
		hindex_free(s->index);
	free(s->index);
	s->index = NULL;
}

static void id_done(struct slot_id *id)
{
	free(id->owner);
	free(id->rule);
	*id = (struct slot_id){ 0 };
}

void slots_free(struct slots *s)
{
	drop_index(s);
	for (size_t i = 0; i < s->count; i++)
		id_done(&s->ids[i]);
	free(s->ids);
	*s = (struct slots){ 0 };
}

void slots_release(struct slots *s, size_t slot)
{
	if (slot >= s->count || !s->ids[slot].owner)
		return;
	drop_index(s);
	id_done(&s->ids[slot]);
	while (s->count && !s->ids[s->count - 1].owner)
		s->count--;
}

/* Room is a power of two, so it follows from the count. */
static size_t room_for(size_t count)
{
	size_t room = 16;

	while (room < count)
		room *= 2;
	return room;
}

/* Makes slot exist. Free ones in between have no owner. */
static int slots_reach(struct slots *s, size_t slot)
{
	struct slot_id *ids;

	if (slot < s->count)
		return 0;
	if (!s->ids || slot >= room_for(s->count)) {
		ids = reallocarray(s->ids, room_for(slot + 1), sizeof(*ids));
		if (!ids)
			return -ENOMEM;
		s->ids = ids;
	}
	memset(s->ids + s->count, 0, (slot + 1 - s->count) * sizeof(*s->ids));
	s->count = slot + 1;
	return 0;
}

static int slot_put(struct slots *s, size_t slot, const struct slot_id *id)
{
	struct hindex *h = slot_index(s);
	struct slot_id *to;

	if (!h || slots_reach(s, slot))
		return -ENOMEM;
	to = &s->ids[slot];
	*to = (struct slot_id){ .nacl = id->nacl,
				.direction = id->direction,
				.owner = strdup(id->owner),
				.rule = strdup(id->rule),
				.in_use = id->in_use };
	if (!to->owner || !to->rule ||
	    hindex_add(h, slot_hash(id), (__u32)slot)) {
		id_done(to);
		return -ENOMEM;
	}
	return 0;
}

static __u32 slot_find(struct slots *s, const struct slot_id *id)
{
	const struct hindex *h = slot_index(s);
	__u32 hash = slot_hash(id), at, i;

	if (!h)
		return HINDEX_NONE;
	at = hindex_start(h, hash);
	while ((i = hindex_next(h, hash, &at)) != HINDEX_NONE)
		if (slot_same(&s->ids[i], id))
			return i;
	return HINDEX_NONE;
}

int slots_restore(struct slots *s, size_t slot, const struct slot_id *id)
{
	if (slot >= MOAT_RULE_SLOTS_MAX)
		return -ERANGE;
	if ((slot < s->count && s->ids[slot].owner) ||
	    slot_find(s, id) != HINDEX_NONE)
		return -EEXIST;
	return slot_put(s, slot, id);
}

char *slot_name(const struct slots *s, size_t slot, char *buf, size_t len)
{
	if (slot < s->count && s->ids[slot].owner)
		snprintf(buf, len, "%s/%s", s->ids[slot].owner,
			 s->ids[slot].rule);
	else if (len)
		buf[0] = '\0';
	return buf;
}

static int by_identity(const void *a, const void *b)
{
	const struct plan_rule *x = *(struct plan_rule *const *)a;
	const struct plan_rule *y = *(struct plan_rule *const *)b;
	int order;

	if (x->nacl != y->nacl)
		return x->nacl ? 1 : -1;
	order = strcmp(x->owner, y->owner);
	if (!order && x->nacl)
		order = x->number < y->number ? -1 : x->number > y->number;
	else if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : x->direction - y->direction;
}

static void identity_of(const struct plan_rule *r, char number[16],
			struct slot_id *ret)
{
	if (r->number == NUMBER_FINAL)
		snprintf(number, 16, "*");
	else
		snprintf(number, 16, "%u", r->number);
	*ret = (struct slot_id){ .nacl = r->nacl,
				 .direction = r->direction,
				 .owner = (char *)r->owner,
				 .rule = r->nacl ? number : (char *)r->name };
}

static int give_slot(struct slots *s, struct plan_rule *r, size_t *free_from)
{
	struct slot_id id;
	char number[16];
	int failed;

	identity_of(r, number, &id);
	r->slot = slot_find(s, &id);
	if (r->slot != HINDEX_NONE)
		return 0;
	while (*free_from < s->count && s->ids[*free_from].owner)
		++*free_from;
	if (*free_from >= MOAT_RULE_SLOTS_MAX)
		return -ENOSPC;
	r->slot = (__u32)*free_from;
	failed = slot_put(s, r->slot, &id);
	return failed;
}

int slots_assign(struct slots *s, struct plan_rule **rules, size_t n)
{
	size_t free_from = 0;

	qsort(rules, n, sizeof(*rules), by_identity);
	for (size_t i = 0; i < n; i++) {
		int r = give_slot(s, rules[i], &free_from);

		if (r)
			return r;
	}
	return 0;
}

void slots_settle(struct slots *s, struct plan_rule **rules, size_t n)
{
	for (size_t i = 0; i < s->count; i++)
		s->ids[i].in_use = false;
	for (size_t i = 0; i < n; i++)
		s->ids[rules[i]->slot].in_use = true;
}
