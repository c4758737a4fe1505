// SPDX-License-Identifier: BSD-2-Clause
/* Replies as packets: see replies.h. */
#include "replies.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <string.h>

bool reply_make(const struct probe *opening, struct probe *ret)
{
	*ret = *opening;
	ret->direction = !opening->direction;
	ret->sport = opening->dport;
	ret->dport = opening->sport;
	if (opening->proto == IPPROTO_TCP) {
		unsigned flags = opening->flags_given ? opening->flags :
							MOAT_TCP_FLAG_SYN;

		flags &= MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK |
			 MOAT_TCP_FLAG_FIN | MOAT_TCP_FLAG_RST;
		ret->flags_given = true;
		ret->flags = (uint8_t)(flags | MOAT_TCP_FLAG_ACK);
		return flags == MOAT_TCP_FLAG_SYN || flags == MOAT_TCP_FLAG_ACK;
	} else if (opening->proto == IPPROTO_ICMPV6) {
		ret->type = 129;
		return opening->type == 128;
	} else if (opening->proto == IPPROTO_ICMP) {
		ret->type = opening->type == 8 ? 0 : opening->type + 1;
		return opening->type == 8 || opening->type == 13 ||
		       opening->type == 15 || opening->type == 17;
	}
	return true;
}

bool reply_settled_early(const struct engines *e, const struct probe *probe)
{
	struct answer a;
	const char *layer;

	engines_judge(e, ENGINE_REFERENCE, probe, &a);
	layer = reason_layer(a.reason);
	return !strcmp(layer, "parse") || !strcmp(layer, "failsafe") ||
	       !strcmp(layer, "essential");
}
