/* SPDX-License-Identifier: BSD-2-Clause */
/* Between never.c (which rows meet) and never_service.c (what they let by). */
#ifndef MOAT_COMPILE_NEVER_PRIVATE_H
#define MOAT_COMPILE_NEVER_PRIVATE_H

#include "compile/rows.h"

/* Classes of one end, those of one profile side by side: profile + 1 << 32 |
 * class, so that those without a profile come first. */
struct end {
	__u64 *key;
	size_t count, cap;
};
#define KEY_CLASS(key) ((__u32)(key))
#define KEY_PROFILE(key) ((__u32)((key) >> 32) - 1)

#define UNJUDGED 0xffffffffu /* in place of a row: lets everything pass */

/* Classes with the same row: two of them, as an address has no flow with
 * itself. */
struct meeting {
	__u32 row;
	int family;
	__u32 class[2]; /* HINDEX_NONE: no second */
};
struct meetings {
	struct meeting *item;
	size_t count, cap;
};

struct prover {
	const struct policy *policy;
	struct space *space;
	struct plan *plan;
	struct profiles profiles;
	struct rows rows;
	__u32 (*lists)[2];		 /* by never: from, to */
	__u32 no_source, no_destination; /* addresses never on the wire */
	struct intervals services;	 /* of the never at hand */
	struct end from, to;
	struct meetings ingress; /* by receiver profile, sender profile */
	struct meetings egress;	 /* of one pair of profiles */
	size_t *ingress_at;	 /* start of each pair's in ingress */
	size_t ingress_cap;
	struct hindex seen; /* rows of the meetings being collected */
};

/* The packet that must not be. */
struct violation {
	__u32 from, to; /* classes */
	__u32 service;
	__u32 egress, ingress; /* rows or UNJUDGED */
};

/* The first service of the never that both rows let open a flow. */
bool never_service(const struct prover *v, const struct violation *pair,
		   __u32 *ret);
/* The error, with one packet as the example. */
void never_say(const struct prover *v, const struct policy_never *n,
	       const struct violation *bad, struct diags *diags);

#endif
