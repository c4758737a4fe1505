/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state directory. Every file is written beside, synced and renamed into
 * place, and carries the SHA-256 of its body on its first line (statefile.h);
 * changes of members alone are appended (journal.h):
 *   committed.json      the last confirmed policy
 *   pending.json        one that was switched to and is not confirmed yet
 *   history/NNNNNNNN.json  what was committed, by generation
 *   history/NNNNNNNN.members  changes of members on top of that one, each with
 *                       a generation of its own
 *   slots.json          rule counter slots, and what is subtracted from each
 *                       as long as the maps live that it names
 *   programs.json       ids of our programs, with the boot they belong to
 *   xdp.json            the last attach of XDP, and what came of it (boots.h)
 * Policies carry the machine-id: under another they count as absent.
 */
#ifndef MOAT_STATE_H
#define MOAT_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "moat/base.h"
#include "policy/members.h"

struct state;

/* A policy as it was pushed. Strings are owned. */
struct record {
	char *document;
	char sha256[65];	 /* of the document */
	char *policy, *revision; /* its name and revision, for lists */
	char *message;
	int64_t time_ms;  /* since 1970 */
	uid_t uid;	  /* who pushed */
	bool audit;	  /* pushed with --audit */
	char made_by[65]; /* version and configuration that compiled it
				   for the maps, as agent_made_by() */
	uint32_t generation;
	uint32_t base; /* generation it was promoted under; 0: never */
	struct member_list members; /* changes on top of the document */
};
void record_free(struct record *r);
DEFINE_CLEANUP(record, record_free)
struct record *record_copy(const struct record *r); /* NULL: -ENOMEM */

/* Makes the directory (0700). 0 or -errno, also of /etc/machine-id; -EBUSY:
 * another agent has it open; -EPERM: it is another user's. */
int state_open(const char *path, struct state **ret);
void state_close(struct state *s);

enum state_slot { STATE_COMMITTED, STATE_PENDING };
/* 0 or -errno; the file is whole or as before, whenever we are killed. */
int state_save(struct state *s, enum state_slot slot, const struct record *r);
/* Pending becomes committed and enters the history. The record saved last must
 * not have changed since. On failure r->base stays as it was. */
int state_promote(struct state *s, struct record *r);
int state_drop_pending(struct state *s);

/*
 * 0 with *ret; -ENOENT: nothing there, or of another machine; -EBADMSG: there,
 * and its checksum does not hold.
 */
int state_load(struct state *s, enum state_slot slot, struct record **ret);
/*
 * The policy to start with: the committed one, else, if that is damaged or
 * can't be read, the newest history entry that holds. *ret_damaged says so.
 * -ENOENT: nothing was ever committed; -EBADMSG: something was, and nothing
 * holds; another -errno: it could not be read, now.
 */
int state_load_best(struct state *s, struct record **ret, bool *ret_damaged);

/* Generations of the history, newest first; at most max. Those of changes of
 * members are among them. */
size_t state_history(struct state *s, uint32_t *ret, size_t max);
int state_load_generation(struct state *s, uint32_t generation,
			  struct record **ret);

/* ---- members.c: changes of members since a promotion ---- */

/* Journals a change that r, of r->base, has become; changes are new in it. */
int state_add_members(struct state *s, const struct record *r,
		      const struct member_list *changes);
/* Takes the entries above that generation out again. */
int state_cut_members(struct state *s, uint32_t base, uint32_t generation);
/* Adds those up to that generation to a record just loaded. 0 or -errno. */
int state_apply_members(struct state *s, struct record *r, uint32_t generation);
size_t state_count_members(struct state *s, uint32_t base);
/* Generations of the journal of base into ret of max; how many. */
size_t state_member_generations(struct state *s, uint32_t base, uint32_t *ret,
				size_t max);
/* For state.c: [["add", GROUP, CIDR], ...] and back. */
json_t *members_to_json(const struct member_list *l);
int members_from_json(const json_t *value, struct member_list *l);

/* Other files: a JSON object by name. state_load_json as state_load. */
int state_save_json(struct state *s, const char *name, const json_t *value);
int state_load_json(struct state *s, const char *name, json_t **ret);

#endif
