// SPDX-License-Identifier: BSD-2-Clause
/* What each reason means and what to do about it. */
#include "cli/reasons.h"

static const char *const text[MOAT_REASON_COUNT] = {
	[MOAT_REASON_NONE] = "no decision was made",
	[MOAT_REASON_ESTABLISHED] = "part of a tracked flow",
	[MOAT_REASON_RELATED] = "ICMP error of a tracked flow",
	[MOAT_REASON_SG_ALLOW] = "a security group rule allows it",
	[MOAT_REASON_NACL_ALLOW] =
		"in no group; its network ACL allows it (unassigned: allow)",
	[MOAT_REASON_UNASSIGNED_ALLOW] =
		"in no group and under no network ACL (unassigned: allow)",
	[MOAT_REASON_FAILSAFE] =
		"the agent's failsafe lets it pass; no policy can close it",
	[MOAT_REASON_ESSENTIAL_ND] = "neighbour discovery always passes",
	[MOAT_REASON_ESSENTIAL_RA] = "router advertisements always pass",
	[MOAT_REASON_ESSENTIAL_DHCP] = "DHCP always passes",
	[MOAT_REASON_ESSENTIAL_DHCPV6] = "DHCPv6 always passes",
	[MOAT_REASON_ESSENTIAL_ICMP] = "ICMP errors needed for path MTU pass",
	[MOAT_REASON_FRAGMENT] = "follows the verdict of its first fragment",
	[MOAT_REASON_NON_IP] = "not IP; moat judges IPv4 and IPv6 alone",
	[MOAT_REASON_FORWARDED] =
		"neither to nor from this host (forwarding: pass)",
	[MOAT_REASON_OTHER_HOST] = "a frame for another host's MAC address",
	[MOAT_REASON_UNTRACKED] =
		"allowed, but its flow could not be stored just now",
	[MOAT_REASON_BEFORE_POLICY] =
		"no policy yet: everything passes (before_first_policy: pass)",
	[MOAT_REASON_VLAN_DEPTH] = "more than two VLAN tags",
	[MOAT_REASON_TRUNCATED] = "shorter than its headers say",
	[MOAT_REASON_BAD_HEADER] = "an IP header that no stack may send",
	[MOAT_REASON_BAD_LENGTH] = "its lengths contradict each other",
	[MOAT_REASON_SOURCE_ROUTE] = "IPv4 source routing",
	[MOAT_REASON_EXT_HEADER] = "IPv6 extension headers that can't be walked",
	[MOAT_REASON_ROUTING_HEADER] = "IPv6 routing header (RFC 5095)",
	[MOAT_REASON_BAD_FRAGMENT] = "a fragment that no stack may send",
	[MOAT_REASON_TINY_FRAGMENT] =
		"a first fragment without the whole transport header",
	[MOAT_REASON_FRAGMENT_NO_FIRST] =
		"a later fragment whose first one was not seen or not allowed",
	[MOAT_REASON_TCP_FLAGS] = "TCP flags that never occur together",
	[MOAT_REASON_TCP_OFFSET] = "a TCP data offset below 5",
	[MOAT_REASON_BAD_SOURCE] =
		"a source that is loopback, multicast, unspecified or mapped",
	[MOAT_REASON_OWN_SOURCE] =
		"came in with one of this host's own addresses as its source",
	[MOAT_REASON_BAD_DESTINATION] = "a loopback destination from outside",
	[MOAT_REASON_ICMP_FAMILY] = "ICMP of the other IP version",
	[MOAT_REASON_ND_INVALID] =
		"neighbour discovery that RFC 4861 says to discard",
	[MOAT_REASON_REDIRECT] = "ICMP redirects never pass",
	[MOAT_REASON_BLOCKED] = "the remote address is blocked",
	[MOAT_REASON_NACL_DENY] =
		"the network ACL denies it: its first "
		"matching rule, or the final deny (*) where none matches",
	[MOAT_REASON_SG_NO_MATCH] =
		"no rule of the address's groups matches; add one that does",
	[MOAT_REASON_RATE_LIMITED] =
		"the matching rule's limit on new connections is used up",
	[MOAT_REASON_NO_FLOW] =
		"only a tracked flow may carry such a packet, and there is none",
	[MOAT_REASON_NOT_RELATED] = "an ICMP error for no flow of this host",
	[MOAT_REASON_TABLE_FULL] =
		"the flow table is full; see tables: in moatd.yaml",
	[MOAT_REASON_UNASSIGNED] =
		"this host's address is in no group: list it in members",
	[MOAT_REASON_SPOOFED_SOURCE] =
		"this host sent it with a source that is not its own",
	[MOAT_REASON_NO_POLICY] = "no policy can be read: all is denied but "
				  "the failsafe and the essentials",
	[MOAT_REASON_REPLY_DENIED] = "the opening passes, but the network ACL "
				     "of the other direction denies its replies",
};

const char *reason_help(enum moat_reason r)
{
	if ((unsigned)r >= MOAT_REASON_COUNT || !text[r])
		return "a reason of a newer agent";
	return text[r];
}
