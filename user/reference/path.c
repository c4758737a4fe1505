// SPDX-License-Identifier: BSD-2-Clause
/* Both ends of a packet and its replies: moat path and tests:. */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <string.h>

#include "reference/reference.h"
#include "reference/stages.h"

/* The packet that answers an opening, at the same end. False: none does. */
static bool reply_of(const struct probe *opening, struct probe *ret)
{
	int type;

	*ret = *opening;
	ret->direction = opening->direction == MOAT_INGRESS ? MOAT_EGRESS :
							      MOAT_INGRESS;
	ret->sport = opening->dport;
	ret->dport = opening->sport;
	if (opening->proto == IPPROTO_TCP) {
		ret->flags_given = true;
		ret->flags = MOAT_TCP_FLAG_ACK;
		if (packet_is_syn(opening))
			ret->flags |= MOAT_TCP_FLAG_SYN;
	}
	if (opening->proto == IPPROTO_ICMP ||
	    opening->proto == IPPROTO_ICMPV6) {
		type = packet_reply_type(opening);
		if (type < 0)
			return false;
		ret->type = (uint8_t)type;
	}
	return true;
}

/* The reply's way through the NACL: the groups let it pass by state. */
static bool judge_reply(const struct policy *p, const struct config *c,
			const struct probe *opening, struct answer *ret)
{
	struct probe reply;
	struct layer nacl;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	ret->verdict = MOAT_ALLOW;
	ret->reason = MOAT_REASON_ESTABLISHED;
	if (!p || !reply_of(opening, &reply) || early_failsafe(c, &reply, &n) ||
	    early_essential(c, &reply) != MOAT_REASON_NONE)
		return true;
	layer_nacl(p, c, &reply, &nacl);
	snprintf(ret->rule, sizeof(ret->rule), "%s", nacl.rule);
	if (!nacl.denies)
		return true;
	ret->verdict = nacl.audit ? MOAT_WOULD_DROP : MOAT_DROP;
	ret->reason = MOAT_REASON_REPLY_DENIED;
	return false;
}

bool reference_reply(const struct policy *p, const struct config *c,
		     const struct probe *opening, struct answer *ret)
{
	struct answer answer;

	if (judge_reply(p, c, opening, &answer))
		return true;
	*ret = answer;
	return false;
}

static bool known(const struct policy *p, const struct probe *end)
{
	return p && (layer_in_a_group(p, &end->local, end->family) ||
		     layer_nacl_of(p, &end->local, end->family));
}

/* One end: its judgement of the packet, and then of the reply. */
static bool judge_end(const struct policy *p, const struct config *c,
		      const struct probe *end, struct path_leg *there,
		      struct path_leg *back)
{
	there->judged = known(p, end);
	if (!there->judged)
		return true;
	reference_judge(p, c, end, &there->answer);
	if (there->answer.verdict != MOAT_ALLOW)
		return false;
	back->judged = true;
	return judge_reply(p, c, end, &back->answer);
}

bool reference_path(const struct policy *p, const struct config *c,
		    const struct probe *egress, struct path_leg legs[4])
{
	struct probe sender = *egress, receiver = *egress;
	bool sent, received;

	memset(legs, 0, 4 * sizeof(legs[0]));
	legs[0].name = "sender egress";
	legs[1].name = "receiver ingress";
	legs[2].name = "reply egress";
	legs[3].name = "reply ingress";
	sender.direction = MOAT_EGRESS;
	receiver.direction = MOAT_INGRESS;
	receiver.local = egress->remote;
	receiver.remote = egress->local;
	sent = judge_end(p, c, &sender, &legs[0], &legs[3]);
	received = judge_end(p, c, &receiver, &legs[1], &legs[2]);
	return sent && received;
}

static struct probe probe_of(const struct policy_test *t)
{
	struct probe probe = {
		.direction = MOAT_EGRESS,
		.family = t->family,
		.local = t->src,
		.remote = t->dst,
		.proto = t->proto,
		.sport = t->sport,
		.dport = t->dport,
	};

	if (t->type >= 0)
		probe.type = (uint8_t)t->type;
	else if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6)
		probe.type = t->proto == IPPROTO_ICMP ? 8 : 128;
	probe.code = t->code > 0 ? (uint8_t)t->code : 0;
	return probe;
}

static void say_denied(struct diags *diags, const struct policy_test *t,
		       const struct path_leg legs[4])
{
	for (int i = 0; i < 4; i++) {
		const struct answer *a = &legs[i].answer;

		if (!legs[i].judged || a->verdict == MOAT_ALLOW)
			continue;
		diag_error(
			diags, t->pos,
			"test fails: expected allow, but %s says %s (%s%s%s)",
			legs[i].name, verdict_name(a->verdict),
			reason_name(a->reason), a->rule[0] ? ", " : "",
			a->rule);
		return;
	}
}

static void say_allowed(struct diags *diags, const struct policy_test *t,
			const struct path_leg legs[4])
{
	char by[400] = "";

	for (int i = 0; i < 2; i++) {
		const struct answer *a = &legs[i].answer;
		size_t used = strlen(by);

		if (legs[i].judged)
			snprintf(by + used, sizeof(by) - used, "%s%s: %s",
				 used ? ", " : "", legs[i].name,
				 a->rule[0] ? a->rule : reason_name(a->reason));
	}
	diag_error(diags, t->pos,
		   "test fails: expected drop, but it is allowed (%s)", by);
}

void reference_run_tests(const struct policy *p, const struct config *c,
			 struct diags *diags)
{
	for (size_t i = 0; i < p->ntests; i++) {
		const struct policy_test *t = &p->tests[i];
		struct probe probe = probe_of(t);
		struct path_leg legs[4];
		bool allowed = reference_path(p, c, &probe, legs);

		if (!legs[0].judged && !legs[1].judged)
			diag_error(
				diags, t->pos,
				"test judges nothing: neither src nor dst is in a group or under a network ACL");
		else if (allowed && !t->expect_allow)
			say_allowed(diags, t, legs);
		else if (!allowed && t->expect_allow)
			say_denied(diags, t, legs);
	}
}
