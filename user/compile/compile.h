/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the model to the flat image of include/moat/image.h. Pure functions;
 * the same model, host and slots give the same bytes.
 */
#ifndef MOAT_COMPILE_H
#define MOAT_COMPILE_H

#include <stdbool.h>
#include <stddef.h>

#include "compile/image.h"
#include "policy/config.h"
#include "policy/model.h"
#include "policy/probe.h"

/*
 * Rule counter slots of a host: each (layer, group or NACL, rule, direction)
 * keeps its slot over generations, so counters and live flows keep their
 * meaning. A slot is given to another rule only after slots_release().
 */
struct slot_id {
	bool nacl;
	int direction;
	char *owner; /* group or NACL */
	char *rule;  /* name, "default-egress", number or "*" */
	bool in_use; /* part of the policy compiled last */
};
struct slots {
	struct slot_id *ids; /* by slot; owner NULL: free */
	size_t count;
	void *index; /* private */
};
void slots_free(struct slots *s);
/* Frees a slot that no flow and no policy holds. */
void slots_release(struct slots *s, size_t slot);
/* The slot's identity back, for state kept on disk. -EEXIST if taken. */
int slots_restore(struct slots *s, size_t slot, const struct slot_id *id);
/* "trainers/ssh" or "front/110" into buf; "" for MOAT_SLOT_NONE. */
char *slot_name(const struct slots *s, size_t slot, char *buf, size_t len);

struct compile_stats {
	size_t rules, cidrs, classes, profiles, rows, row_words, cells, chains,
		limits, slots, bytes[MOAT_PART_COUNT];
	bool all_profiles; /* profiles of every member, not only hosts' */
};

struct compile_input {
	const struct policy *policy; /* NULL: the built-in image */
	const struct config *config;
	const struct moat_addr *hosts; /* own addresses; may be none */
	size_t nhosts;
	struct slots *slots; /* extended as needed */
};

/*
 * Compiles. NULL with an error in *diags that names need and limit where
 * something does not fit (classes, rows, parts, slot bytes, rule slots,
 * profiles, chains). Free with image_free().
 */
struct image *image_compile(const struct compile_input *in,
			    struct compile_stats *ret_stats,
			    struct diags *diags);
/*
 * The image engine: judges a probe by reading the image as the datapath does.
 * parts may be those of a struct image or of a mapped slot.
 */
struct image_view {
	const struct moat_image *header;
	const void *part[MOAT_PART_COUNT];
	const struct slots *slots;
	const struct config *config;
};
void image_judge(const struct image_view *view, const struct probe *probe,
		 struct answer *ret);
/* Class and profile of an address, for tests. */
unsigned image_class(const struct image_view *v, const struct moat_addr *a);
unsigned image_profile(const struct image_view *v, const struct moat_addr *a);

/*
 * never: proved over the whole address space by classes and intervals. Adds
 * an error, with one example of an offending packet, for each broken one.
 */
void compile_prove_never(const struct policy *p, const struct config *c,
			 struct diags *diags);
/* Errors that need the address space: an address under two NACLs. */
void compile_check_overlap(const struct policy *p, struct diags *diags);
/* Warnings that need it: NACL rules that never match, redundant group rules,
 * rules made void by another group (interface.md section 1). */
void compile_warn(const struct policy *p, struct diags *diags);

/* Groups and NACL of an address, for status: indices into policy. */
size_t policy_groups_of(const struct policy *p, const struct moat_addr *a,
			size_t *ret, size_t max);
int policy_nacl_of(const struct policy *p, const struct moat_addr *a);

#endif
