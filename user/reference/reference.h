/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reference evaluator: design section 3, slow and obvious, written from
 * the model alone. It shares no code with compiler and datapath; those are
 * held against it.
 */
#ifndef MOAT_REFERENCE_H
#define MOAT_REFERENCE_H

#include "policy/config.h"
#include "policy/model.h"
#include "policy/probe.h"

/*
 * Judges one packet that belongs to no flow. p NULL: nothing was ever
 * committed. Limited rules answer as if tokens were there.
 */
void reference_judge(const struct policy *p, const struct config *c,
		     const struct probe *probe, struct answer *ret);

/*
 * Judges the reply of an allowed opening: the NACLs of the other direction.
 * False with *ret filled (reason reply-denied) if a reply would be dropped.
 */
bool reference_reply(const struct policy *p, const struct config *c,
		     const struct probe *opening, struct answer *ret);

/* One end of moat path. judged false: the address is in no group and no NACL
 * applies to it, so another host's business. */
struct path_leg {
	const char *name; /* "sender egress", "receiver ingress",
				   "reply egress", "reply ingress" */
	bool judged;
	struct answer answer;
};
/* Sender's egress, receiver's ingress and the replies. Returns true if all
 * judged legs allow. The probe is the sender's egress packet. */
bool reference_path(const struct policy *p, const struct config *c,
		    const struct probe *egress, struct path_leg legs[4]);

/* Runs tests:, adding an error at the test's place for each that fails. */
void reference_run_tests(const struct policy *p, const struct config *c,
			 struct diags *diags);

#endif
