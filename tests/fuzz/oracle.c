// SPDX-License-Identifier: BSD-2-Clause
/* Whose packet it is (3.8, 3.10), and then the reference evaluator. */
#include "fuzz/oracle.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <string.h>

#include "reference/reference.h"
#include "reference/stages.h"

static bool is_broadcast(const struct moat_own *own)
{
	return own && own->flags & MOAT_OWN_BROADCAST;
}

/*
 * The address whose profile counts (3.8, F37): of multicast and broadcast the
 * interface's first one, of an alias the one it follows.
 */
static void endpoint(const struct world *w, const struct reading *r,
		     struct probe *ret)
{
	const struct moat_own *own = world_own(w, &r->probe.local);

	*ret = r->probe;
	if (r->probe.direction == MOAT_INGRESS &&
	    (r->group || is_broadcast(own)))
		ret->local = r->probe.family == 4 ? w->iface.first4 :
						    w->iface.first6;
	else if (own && (own->alias.d[0] | own->alias.d[1]))
		ret->local = own->alias;
}

/* A no that neither layer says has the policy's mode, or is audit where the
 * endpoint is known and watched (3.7). */
static void say_no(const struct world *w, const struct reading *r,
		   enum moat_reason reason, struct answer *ret)
{
	struct probe at;
	bool audit = false;

	endpoint(w, r, &at);
	if (r->addresses)
		audit = layer_profile_audits(w->policy, &at.local, at.family);
	ret->reason = reason;
	ret->verdict = audit ? MOAT_WOULD_DROP : MOAT_DROP;
}

static void say_yes(enum moat_reason reason, struct answer *ret)
{
	ret->reason = reason;
	ret->verdict = MOAT_ALLOW;
}

static enum moat_reason own_source(const struct world *w, const struct probe *p)
{
	const struct moat_own *own = world_own(w, &p->remote);

	if (p->direction != MOAT_INGRESS || !own ||
	    (p->proto == IPPROTO_ICMPV6 && p->type == 136))
		return MOAT_REASON_NONE;
	return is_broadcast(own) ? MOAT_REASON_BAD_SOURCE :
				   MOAT_REASON_OWN_SOURCE;
}

static enum moat_reason whose(const struct world *w,
			      const struct oracle_packet *p,
			      const struct reading *r)
{
	const struct moat_own *own = world_own(w, &r->probe.local);

	if (r->group && p->direction == MOAT_INGRESS)
		return MOAT_REASON_NONE;
	/* Nobody sends from a broadcast address. */
	if (own && (p->direction == MOAT_INGRESS || !is_broadcast(own)))
		return MOAT_REASON_NONE;
	return p->direction == MOAT_EGRESS && !p->forwarded ?
		       MOAT_REASON_SPOOFED_SOURCE :
		       MOAT_REASON_FORWARDED;
}

/* RFC 4861 section 7.1, RFC 6980: what a probe can't say. */
static bool nd_came_wrong(const struct reading *r)
{
	return r->hops != 255 || r->fragment_header;
}

/* What passes or not before the policy is asked. False: nothing of it. */
static bool early(const struct world *w, const struct reading *r,
		  struct answer *ret)
{
	enum moat_reason reason;
	size_t number;

	if (early_failsafe(w->config, &r->probe, &number)) {
		say_yes(MOAT_REASON_FAILSAFE, ret);
		snprintf(ret->rule, sizeof(ret->rule), "failsafe/%zu", number);
		return true;
	}
	reason = early_essential(w->config, &r->probe);
	if (reason == MOAT_REASON_NONE)
		return false;
	if (r->probe.type >= 133 && r->probe.type <= 136 &&
	    r->probe.proto == IPPROTO_ICMPV6 && nd_came_wrong(r))
		reason = MOAT_REASON_ND_INVALID;
	if (reason == MOAT_REASON_ND_INVALID || reason == MOAT_REASON_REDIRECT)
		say_no(w, r, reason, ret);
	else
		say_yes(reason, ret);
	return true;
}

/*
 * F34: an error about a failsafe pair passes as the pair does. The quoted
 * packet went the other way, between the same two at this end.
 */
static bool about_failsafe(const struct world *w, const struct reading *r)
{
	struct reading q = { .frame = r->frame,
			     .len = r->end,
			     .l3 = r->l4 + 8 };
	const unsigned char *ip = r->frame + q.l3;
	size_t header, number;
	bool in = r->probe.direction == MOAT_INGRESS;
	struct probe *p = &q.probe;

	if (packet_kind(&r->probe) != PACKET_ERROR ||
	    q.l3 + (r->probe.family == 4 ? 20 : 40) > r->len)
		return false;
	header = r->probe.family == 4 ? (ip[0] & 15) * 4u : 40;
	if (ip[0] >> 4 != r->probe.family || header < 20 ||
	    (r->probe.family == 4 && (ip[6] << 8 | ip[7]) & 0x1fff) ||
	    q.l3 + header + 4 > r->end)
		return false;
	p->direction = in ? MOAT_EGRESS : MOAT_INGRESS;
	p->family = r->probe.family;
	p->proto = ip[r->probe.family == 4 ? 9 : 6];
	p->sport = (uint16_t)(ip[header] << 8 | ip[header + 1]);
	p->dport = (uint16_t)(ip[header + 2] << 8 | ip[header + 3]);
	p->flags_given = true; /* not an opening: both legs count */
	p->flags = MOAT_TCP_FLAG_ACK;
	if (p->family == 4) {
		p->local.b[10] = p->local.b[11] = 255;
		p->remote.b[10] = p->remote.b[11] = 255;
		memcpy((in ? &p->local : &p->remote)->b + 12, ip + 12, 4);
		memcpy((in ? &p->remote : &p->local)->b + 12, ip + 16, 4);
	} else {
		memcpy((in ? &p->local : &p->remote)->b, ip + 8, 16);
		memcpy((in ? &p->remote : &p->local)->b, ip + 24, 16);
	}
	return !memcmp(&p->local, &r->probe.local, 16) &&
	       (in || !memcmp(&p->remote, &r->probe.remote, 16)) &&
	       early_failsafe(w->config, p, &number);
}

static void judge_read(const struct world *w, const struct oracle_packet *p,
		       struct reading *r, struct answer *ret)
{
	enum moat_reason reason;
	struct probe at;

	reason = packet_parse(&r->probe);
	if (reason == MOAT_REASON_NONE)
		reason = own_source(w, &r->probe);
	if (reason != MOAT_REASON_NONE) {
		say_no(w, r, reason, ret);
		return;
	}
	if (early(w, r, ret))
		return;
	if (about_failsafe(w, r)) {
		say_yes(MOAT_REASON_ESSENTIAL_ICMP, ret);
		return;
	}
	reason = whose(w, p, r);
	if (reason == MOAT_REASON_FORWARDED) {
		say_yes(reason, ret);
	} else if (reason != MOAT_REASON_NONE) {
		say_no(w, r, reason, ret);
	} else {
		endpoint(w, r, &at);
		reference_judge(w->policy, w->config, &at, ret);
	}
}

void oracle_judge(const struct world *w, const struct oracle_packet *p,
		  struct answer *ret)
{
	struct reading r = { .frame = p->frame, .len = p->len };
	enum moat_reason reason;

	memset(ret, 0, sizeof(*ret));
	r.probe.direction = p->direction;
	reason = oracle_read(&r);
	if (reason == MOAT_REASON_NON_IP || reason == MOAT_REASON_OTHER_HOST)
		say_yes(reason, ret);
	else if (reason != MOAT_REASON_NONE)
		say_no(w, &r, reason, ret);
	else if (r.later && whose(w, p, &r) == MOAT_REASON_FORWARDED)
		say_yes(MOAT_REASON_FORWARDED, ret);
	else if (r.later)
		say_no(w, &r, MOAT_REASON_FRAGMENT_NO_FIRST, ret);
	else
		judge_read(w, p, &r, ret);
}
