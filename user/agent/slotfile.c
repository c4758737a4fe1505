// SPDX-License-Identifier: BSD-2-Clause
/*
 * Slots of rule counters on disk, and what is subtracted from each: the kernel's
 * counters of a slot never go back, and what they show is of several owners.
 * One base may be below zero: what larger maps did not take over is added.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"
#include "kern/stats.h"

#define FILE_NAME "slots.json"
#define MAPS_SIZE (BOOT_ID_SIZE + 12)

struct moat_rule_count *agent_slot_base(struct agent *a, size_t slot)
{
	struct moat_rule_count *more;

	if (slot < a->nslot_base)
		return &a->slot_base[slot];
	more = reallocarray(a->slot_base, slot + 1, sizeof(*more));
	if (!more)
		return NULL;
	memset(more + a->nslot_base, 0,
	       (slot + 1 - a->nslot_base) * sizeof(*more));
	a->slot_base = more;
	a->nslot_base = slot + 1;
	return &more[slot];
}

/* ---- the file: [slot, nacl, direction, owner, rule, base...] ---- */

/* Bases are of maps that counted since they were made; "" without any. */
static void name_maps(const struct agent *a, char ret[MAPS_SIZE])
{
	char boot[BOOT_ID_SIZE];

	ret[0] = 0;
	if (!a->dp)
		return;
	boot_id(boot);
	snprintf(ret, MAPS_SIZE, "%s %u", boot, datapath_maps_id(a->dp));
}

static json_t *slot_to_json(const struct agent *a, const struct slot_id *id,
			    size_t slot)
{
	static const struct moat_rule_count none;
	const struct moat_rule_count *b = slot < a->nslot_base ?
						  &a->slot_base[slot] :
						  &none;

	return json_pack("[i, b, i, s, s, b, I, I, I, I, I, I]", (int)slot,
			 id->nacl, id->direction, id->owner, id->rule,
			 id->in_use, (json_int_t)b->hit.packets,
			 (json_int_t)b->hit.bytes, (json_int_t)b->connections,
			 (json_int_t)b->limited,
			 (json_int_t)b->would_drop.packets,
			 (json_int_t)b->would_drop.bytes);
}

static bool same_slots(const struct slots *a, const struct slots *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct slot_id *x = &a->ids[i], *y = &b->ids[i];

		if (!x->owner != !y->owner)
			return false;
		if (x->owner && (x->nacl != y->nacl || x->in_use != y->in_use ||
				 x->direction != y->direction ||
				 strcmp(x->owner, y->owner) != 0 ||
				 strcmp(x->rule, y->rule) != 0))
			return false;
	}
	return true;
}

/* Ten thousand rules are most of a megabyte: written when they have changed. */
int agent_save_slots(struct agent *a, const struct slots *slots)
{
	json_t *list, *file;
	char maps[MAPS_SIZE];
	size_t i;
	int r;

	if (a->slots_saved && same_slots(&a->slots, slots))
		return 0;
	a->slots_saved = false;
	list = json_array();
	for (i = 0; i < slots->count; i++)
		if (slots->ids[i].owner)
			json_array_append_new(
				list, slot_to_json(a, &slots->ids[i], i));
	name_maps(a, maps);
	file = json_pack("{s:s, s:o}", "maps", maps, "slots", list);
	r = file ? state_save_json(a->state, FILE_NAME, file) : -ENOMEM;
	json_decref(file);
	/* Of the slots that the agent is about to adopt. */
	a->slots_saved = !r;
	return r;
}

static int slot_from_json(struct agent *a, json_t *value)
{
	json_int_t b[6];
	struct slot_id id = {};
	const char *owner, *rule;
	int slot, nacl, in_use;
	struct moat_rule_count *base;

	if (json_unpack(value, "[i, b, i, s, s, b, I, I, I, I, I, I]", &slot,
			&nacl, &id.direction, &owner, &rule, &in_use, &b[0],
			&b[1], &b[2], &b[3], &b[4], &b[5]) ||
	    slot < 0 || slot >= MOAT_RULE_SLOTS_MAX ||
	    (id.direction != MOAT_INGRESS && id.direction != MOAT_EGRESS))
		return -EBADMSG;
	id.nacl = nacl;
	id.owner = (char *)owner;
	id.rule = (char *)rule;
	id.in_use = in_use;
	base = agent_slot_base(a, (size_t)slot);
	if (!base)
		return -ENOMEM;
	*base = (struct moat_rule_count){
		{ b[0], b[1] }, b[2], b[3], { b[4], b[5] }
	};
	return slots_restore(&a->slots, slot, &id);
}

/* A file that names none was written by a version before: then these are those
 * maps if they have ever judged. */
static bool of_these_maps(const struct agent *a, const json_t *file)
{
	const char *then = json_string_value(json_object_get(file, "maps"));
	char now[MAPS_SIZE];

	name_maps(a, now);
	return then ? strcmp(then, now) == 0 :
		      a->dp && store_last_generation(a->dp);
}

/* Without the file, or with a damaged one, rules get new slots; live flows
 * keep their old ones, which a new generation makes them ask about. */
int agent_load_slots(struct agent *a)
{
	json_t *file = NULL, *value;
	size_t i;
	int r = state_load_json(a->state, FILE_NAME, &file);

	if (r)
		return r;
	json_array_foreach(json_object_get(file, "slots"), i, value) {
		r = slot_from_json(a, value);
		if (r)
			break;
	}
	/* New maps, after a boot say, begin at zero. */
	if (a->slot_base && !of_these_maps(a, file))
		memset(a->slot_base, 0, a->nslot_base * sizeof(*a->slot_base));
	json_decref(file);
	return r;
}

/* ---- larger maps ---- */

static void subtract_from(struct moat_rule_count *to,
			  const struct moat_rule_count *more)
{
	to->hit.packets -= more->hit.packets;
	to->hit.bytes -= more->hit.bytes;
	to->connections -= more->connections;
	to->limited -= more->limited;
	to->would_drop.packets -= more->would_drop.packets;
	to->would_drop.bytes -= more->would_drop.bytes;
}

/* Before anybody is told of it: then a restart never counts backwards. */
void agent_keep_carried(struct agent *a, const struct slots *slots)
{
	static const struct moat_rule_count none;
	const struct moat_rule_count *c;
	size_t i, n = stats_carried(a->dp, &c);

	while (n && memcmp(&c[n - 1], &none, sizeof(none)) == 0)
		n--;
	if (!n || !agent_slot_base(a, n - 1))
		return;
	for (i = 0; i < n; i++)
		subtract_from(&a->slot_base[i], &c[i]);
	stats_forget_carried(a->dp);
	a->slots_saved = false;
	if (agent_save_slots(a, slots))
		log_warning("state: slots could not be written: a restart "
			    "would take a little off the rules' counters");
}
