// SPDX-License-Identifier: BSD-2-Clause
/*
 * The journal of member changes on top of a promoted policy: one file beside
 * it (journal.h), with an entry a generation. A change of one address writes
 * this and not the document.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/journal.h"
#include "agent/state_private.h"

json_t *members_to_json(const struct member_list *l)
{
	json_t *list = json_array();
	char text[ADDR_TEXT];

	for (size_t i = 0; i < l->count; i++)
		json_array_append_new(
			list,
			json_pack("[s, s, s]",
				  l->item[i].remove ? "remove" : "add",
				  l->item[i].group,
				  cidr_print(&l->item[i].cidr, false, text)));
	return list;
}

int members_from_json(const json_t *value, struct member_list *l)
{
	const char *how, *group, *text;
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)value, i, one) {
		struct member_change c = {};

		if (json_unpack(one, "[s, s, s]", &how, &group, &text) ||
		    cidr_parse(text, &c.cidr))
			return -EBADMSG;
		c.remove = strcmp(how, "remove") == 0;
		c.group = (char *)group;
		if (member_list_add(l, &c))
			return -ENOMEM;
	}
	return 0;
}

/* Borrowed; an empty array where there is no file. */
static int journal_of(struct state *s, uint32_t base, json_t **ret)
{
	json_t *list = NULL;
	char name[32];
	size_t end;
	int r;

	if (s->journal && s->journal_base == base) {
		*ret = s->journal;
		return 0;
	}
	history_name(base, "members", name, sizeof(name));
	r = journal_read(s->history, name, &list, &end);
	if (r == -ENOENT) {
		list = json_array();
		end = 0;
	} else if (r) {
		return r;
	}
	if (!list)
		return -ENOMEM;
	json_decref(s->journal);
	s->journal = list;
	s->journal_base = base;
	s->journal_end = end;
	*ret = list;
	return 0;
}

static uint32_t generation_of(const json_t *entry)
{
	return (uint32_t)json_integer_value(
		json_object_get(entry, "generation"));
}

static int write_journal(struct state *s)
{
	char name[32];

	history_name(s->journal_base, "members", name, sizeof(name));
	return journal_write(s->history, name, s->journal, &s->journal_end);
}

/* The last of the list, behind what the file holds of it. */
static int append_journal(struct state *s, const json_t *entry)
{
	char name[32];
	int r = -ENOSPC;

	history_name(s->journal_base, "members", name, sizeof(name));
	if (s->journal_end)
		r = journal_append(s->history, name, entry, &s->journal_end);
	return r == -ENOSPC ? write_journal(s) : r;
}

int state_add_members(struct state *s, const struct record *r,
		      const struct member_list *changes)
{
	json_t *list, *entry;
	int err = journal_of(s, r->base, &list);

	if (err)
		return err;
	entry = json_pack("{s:i, s:I, s:i, s:s, s:o}", "generation",
			  (int)r->generation, "time_ms", (json_int_t)r->time_ms,
			  "uid", (int)r->uid, "message", r->message, "changes",
			  members_to_json(changes));
	if (!entry || json_array_append_new(list, entry))
		return -ENOMEM;
	err = append_journal(s, entry);
	if (!err)
		return 0;
	/* What reached the disk of it must not be found there. */
	json_array_remove(list, json_array_size(list) - 1);
	s->journal_end = 0;
	write_journal(s);
	return err;
}

int state_cut_members(struct state *s, uint32_t base, uint32_t generation)
{
	json_t *list;
	int r = journal_of(s, base, &list);
	size_t n, before;

	if (r)
		return r;
	before = n = json_array_size(list);
	while (n && generation_of(json_array_get(list, n - 1)) > generation)
		json_array_remove(list, --n);
	return n == before ? 0 : write_journal(s);
}

static int apply_entry(struct record *r, const json_t *entry)
{
	const char *message;
	json_int_t time_ms;
	json_t *changes;
	int generation, uid;
	char *copy;

	if (json_unpack((json_t *)entry, "{s:i, s:I, s:i, s:s, s:o}",
			"generation", &generation, "time_ms", &time_ms, "uid",
			&uid, "message", &message, "changes", &changes))
		return -EBADMSG;
	copy = strdup(message);
	if (!copy)
		return -ENOMEM;
	free(r->message);
	r->message = copy;
	r->generation = (uint32_t)generation;
	r->time_ms = time_ms;
	r->uid = (uid_t)uid;
	return members_from_json(changes, &r->members);
}

int state_apply_members(struct state *s, struct record *r, uint32_t generation)
{
	json_t *list, *entry;
	int err = journal_of(s, r->base, &list);
	size_t i;

	if (err)
		return err;
	json_array_foreach(list, i, entry) {
		if (generation_of(entry) > generation)
			break;
		err = apply_entry(r, entry);
		if (err)
			return err;
	}
	return 0;
}

size_t state_count_members(struct state *s, uint32_t base)
{
	json_t *list;

	return journal_of(s, base, &list) ? 0 : json_array_size(list);
}

size_t state_member_generations(struct state *s, uint32_t base, uint32_t *ret,
				size_t max)
{
	json_t *list, *entry;
	size_t i, n = 0;

	if (journal_of(s, base, &list))
		return 0;
	json_array_foreach(list, i, entry)
		if (n < max)
			ret[n++] = generation_of(entry);
	return n;
}
