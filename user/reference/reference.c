// SPDX-License-Identifier: BSD-2-Clause
/* The order of the stages (design section 3) and what audit makes of them. */
#include <stdio.h>
#include <string.h>

#include "reference/reference.h"
#include "reference/stages.h"

static void say(struct answer *ret, enum moat_verdict verdict,
		enum moat_reason reason, const char *rule)
{
	memset(ret, 0, sizeof(*ret));
	ret->verdict = verdict;
	ret->reason = reason;
	snprintf(ret->rule, sizeof(ret->rule), "%s", rule);
}

/* Design 3.7: reasons that no layer decides have the policy's mode, or audit
 * where the endpoint's profile is in audit. */
static void say_early_drop(const struct policy *p, const struct config *c,
			   const struct probe *probe, enum moat_reason reason,
			   struct answer *ret)
{
	bool audit = c->max_mode_audit;

	if (!p)
		audit = audit || c->before_first_pass;
	else if (p->mode == MODE_AUDIT ||
		 layer_profile_audits(p, &probe->local, probe->family))
		audit = true;
	say(ret, audit ? MOAT_WOULD_DROP : MOAT_DROP, reason, "");
}

/* Interface section 2, before_first_policy. */
static void judge_without_policy(const struct config *c, struct answer *ret)
{
	if (c->before_first_pass)
		say(ret, MOAT_ALLOW, MOAT_REASON_BEFORE_POLICY, "");
	else
		say(ret, c->max_mode_audit ? MOAT_WOULD_DROP : MOAT_DROP,
		    MOAT_REASON_NO_POLICY, "");
}

/* F11: a denial in audit is counted and taken as allow by what follows. */
static void judge_layers(const struct policy *p, const struct config *c,
			 const struct probe *probe, struct answer *ret)
{
	bool in = probe->direction == MOAT_INGRESS;
	struct layer nacl, groups, *order[2];

	layer_nacl(p, c, probe, &nacl);
	layer_groups(p, c, probe, &groups);
	order[0] = in ? &nacl : &groups;
	order[1] = in ? &groups : &nacl;
	for (int i = 0; i < 2; i++) {
		if (order[i]->denies && !order[i]->audit) {
			say(ret, MOAT_DROP, order[i]->reason, order[i]->rule);
			return;
		}
	}
	for (int i = 0; i < 2; i++) {
		if (order[i]->denies) {
			say(ret, MOAT_WOULD_DROP, order[i]->reason,
			    order[i]->rule);
			return;
		}
	}
	/* Where no group speaks for the address, its NACL decided alone. */
	if (groups.reason == MOAT_REASON_UNASSIGNED_ALLOW &&
	    nacl.reason != MOAT_REASON_NONE)
		say(ret, MOAT_ALLOW, nacl.reason, nacl.rule);
	else
		say(ret, MOAT_ALLOW, groups.reason, groups.rule);
}

void reference_judge(const struct policy *p, const struct config *c,
		     const struct probe *probe, struct answer *ret)
{
	enum moat_reason reason = packet_parse(probe);
	char number[32];
	size_t n;

	if (reason != MOAT_REASON_NONE) {
		say_early_drop(p, c, probe, reason, ret);
		return;
	}
	if (early_failsafe(c, probe, &n)) {
		snprintf(number, sizeof(number), "failsafe/%zu", n);
		say(ret, MOAT_ALLOW, MOAT_REASON_FAILSAFE, number);
		return;
	}
	reason = early_essential(c, probe);
	if (reason == MOAT_REASON_ND_INVALID || reason == MOAT_REASON_REDIRECT)
		say_early_drop(p, c, probe, reason, ret);
	else if (reason != MOAT_REASON_NONE)
		say(ret, MOAT_ALLOW, reason, "");
	else if (!p)
		judge_without_policy(c, ret);
	else
		judge_layers(p, c, probe, ret);
}
