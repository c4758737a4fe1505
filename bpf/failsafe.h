/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Address and port pairs that no policy can close, both legs (design 3.5). */
#ifndef MOAT_FAILSAFE_H
#define MOAT_FAILSAFE_H

#include "maps.h"
#include "parse_l4.h"
#include "pkt.h"

/* What an entry is compared with, in one scalar beside the remote address: a
 * packet, or the pair inside an ICMP error as the packet it was. */
#define FAILSAFE_PROBE(lport, rport, proto, dir, opening) \
	((__u64)(lport) | (__u64)(rport) << 16 | (__u64)(proto) << 32 | \
	 (__u64)(dir) << 40 | ((opening) ? 1ull << 41 : 0)) /* 42: IPv4 */

/*
 * Ingress entries name our port, egress entries theirs, in both legs. The leg
 * back is never a TCP SYN: that would open another connection. Without a
 * branch, else the verifier walks every combination: 0 if all agrees, and
 * over is 1 for prefixes of 64 bits and more.
 */
static __always_inline __u64
failsafe_differs(const struct moat_failsafe_entry *e, __u64 upper, __u64 lower,
		 __u64 probe)
{
	__u64 dir = e->direction & 1, n = e->length, differs, over, bits;
	__u64 port = probe >> (dir * 16) & 0xffff;

	over = 0 - ((63 - n) >> 63);
	bits = ~(~0ull >> (n & 63));
	differs = (probe >> 32 & 0xff) ^ e->proto;
	differs |= (port - e->first) >> 63 | ((__u64)e->last - port) >> 63;
	differs |= ((probe >> 40) ^ dir) & probe >> 41 & 1;
	/* IPv4 lies in mapped space: a short prefix there is IPv6's alone. */
	differs |= (n - 96) >> 63 & probe >> 42 & 1;
	differs |= (upper ^ bpf_be64_to_cpu(e->peer.d[0])) & (bits | over);
	differs |= (lower ^ bpf_be64_to_cpu(e->peer.d[1])) &
		   ((bits & over) | (0 - (n >> 7)));
	barrier_var(differs);
	return differs;
}

#define FAILSAFE_NUMBER(found) (((found)&0xff) - 1)
#define FAILSAFE_DIR(found) ((found) >> 8 & 1)

/* Of the entry that matches number plus one and, above, direction; or 0. */
VERIFIED_ONCE __u32 search_failsafe(__u64 upper, __u64 lower, __u64 probe)
{
	__u32 zero = 0, count;
	struct moat_failsafe *list = bpf_map_lookup_elem(&failsafe, &zero);

	if (!list)
		return 0;
	count = list->count;
	for (__u32 i = 0; i < MOAT_FAILSAFE_MAX; i++) {
		if (i >= count)
			break;
		if (!failsafe_differs(&list->entry[i], upper, lower, probe))
			return (list->entry[i].number + 1) |
			       (list->entry[i].direction & 1) << 8;
	}
	return 0;
}

/* dir: of the packet that had this key; opening: it is a TCP SYN. */
static __always_inline __u32 failsafe_find(const struct moat_flow_key *key,
					   __u32 dir, bool opening)
{
	__u64 mapped = (__u64)addr_is_mapped(&key->remote) << 42;

	if (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP &&
	    key->proto != IPPROTO_SCTP)
		return 0;
	return search_failsafe(bpf_be64_to_cpu(key->remote.d[0]),
			       bpf_be64_to_cpu(key->remote.d[1]),
			       FAILSAFE_PROBE(bpf_ntohs(key->lport),
					      bpf_ntohs(key->rport), key->proto,
					      dir, opening) |
				       mapped);
}

static __noinline enum moat_reason check_failsafe(struct pkt *p)
{
	__u32 found = failsafe_find(&p->key, p->dir, p->flags & PKT_OPENING);

	if (!found)
		return MOAT_REASON_NONE;
	p->failsafe = FAILSAFE_NUMBER(found);
	p->leg_back = FAILSAFE_DIR(found) != p->dir;
	return MOAT_REASON_FAILSAFE;
}

#endif
