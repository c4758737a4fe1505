// SPDX-License-Identifier: BSD-2-Clause
/* Warnings of one-sided NACLs: exact text, place, and what is quiet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "support/build.h"
#include "support/warned.h"

static void run(const struct policy *p, struct diags *diags, const void *arg)
{
	policy_warn(p, NULL, NULL, 0, diags);
}

/* The rules of NACL n for 10.1.0.0/24, flow style, one direction a line. */
static void warned(const char *ingress, const char *egress,
		   const char *expected)
{
	_cleanup_(buf_free) struct buf text = { 0 };

	buf_printf(&text,
		   "network_acls:\n"
		   "  n:\n"
		   "    applies_to: [10.1.0.0/24]\n"
		   "    ingress: [%s]\n"
		   "    egress: [%s]\n",
		   ingress, egress);
	assert_warned(buf_text(&text), run, NULL, expected);
}

static void no_way_back(void **state)
{
	warned("{rule: 1, action: allow, protocol: tcp, ports: [22]}", "",
	       "4:15 rule n/1 lets tcp 22 in from any, but no egress rule lets "
	       "the replies (tcp 1024-65535) out to the same peers\n");
	warned("",
	       "{rule: 7, action: allow, to: [10.0.0.2], "
	       "protocol: [tcp, udp], ports: [53]}",
	       "5:14 rule n/7 lets tcp 53 out to 10.0.0.2, but no ingress rule "
	       "lets the replies (tcp 1024-65535) in from the same peers\n"
	       "5:14 rule n/7 lets udp 53 out to 10.0.0.2, but no ingress rule "
	       "lets the replies (udp 1024-65535) in from the same peers\n");
}

static void way_back(void **state)
{
	const char *in = "{rule: 1, action: allow, protocol: tcp, "
			 "ports: [22, 8443]}";

	warned(in, "{rule: 1, action: allow}", "");
	warned(in,
	       "{rule: 1, action: allow, protocol: tcp, "
	       "ports: [1024-65535]}",
	       "");
	warned(in,
	       "{rule: 1, action: allow, protocol: tcp, "
	       "ports: [32768-60999]}",
	       "");
	/* Denied before: they are denied the way there as well, or should be. */
	warned(in,
	       "{rule: 1, action: deny, to: [192.0.2.0/24]}, "
	       "{rule: 2, action: allow}",
	       "");
	/* Two rules for the two halves of the peers. */
	warned("{rule: 1, action: allow, from: [any], protocol: tcp, "
	       "ports: [22]}",
	       "{rule: 1, action: allow, to: [0.0.0.0/0]}, "
	       "{rule: 2, action: allow, to: [\"::/0\"]}",
	       "");
}

static void not_enough(void **state)
{
	const char *in = "{rule: 1, action: allow, from: [10.2.0.0/24, "
			 "10.3.0.0/24], protocol: tcp, ports: [22]}";

	/* One of the peers, a part of the range, another protocol, a deny. */
	warned(in, "{rule: 1, action: allow, to: [10.2.0.0/24]}",
	       "4:15 rule n/1 lets tcp 22 in from 10.3.0.0/24, but no egress "
	       "rule lets the replies (tcp 1024-65535) out to the same "
	       "peers\n");
	warned(in,
	       "{rule: 1, action: allow, protocol: tcp, "
	       "ports: [40000-65535]}",
	       "4:15 rule n/1 lets tcp 22 in from 10.2.0.0/24, but no egress "
	       "rule lets the replies (tcp 1024-65535) out to the same "
	       "peers\n");
	warned(in, "{rule: 1, action: allow, protocol: udp}",
	       "4:15 rule n/1 lets tcp 22 in from 10.2.0.0/24, but no egress "
	       "rule lets the replies (tcp 1024-65535) out to the same "
	       "peers\n");
	warned(in, "{rule: 1, action: deny}",
	       "4:15 rule n/1 lets tcp 22 in from 10.2.0.0/24, but no egress "
	       "rule lets the replies (tcp 1024-65535) out to the same "
	       "peers\n");
}

/* A rule for replies needs no reply; nor does one for all protocols. */
static void replies_themselves(void **state)
{
	warned("{rule: 1, action: allow, protocol: [tcp, udp], "
	       "ports: [1024-65535]}",
	       "", "");
	warned("{rule: 1, action: allow}", "", "");
	warned("{rule: 1, action: deny, protocol: tcp, ports: [22]}", "", "");
}

/* NTP servers answer from 123 to 123. */
static void same_port_both_ways(void **state)
{
	const char *out = "{rule: 1, action: allow, to: [10.0.0.2], "
			  "protocol: udp, ports: [123]}";

	warned("{rule: 1, action: allow, from: [10.0.0.2], protocol: udp, "
	       "ports: [123]}",
	       out, "");
	warned("{rule: 1, action: allow, from: [10.0.0.2], protocol: tcp, "
	       "ports: [123]}",
	       out,
	       "4:15 rule n/1 lets tcp 123 in from 10.0.0.2, but no egress "
	       "rule lets the replies (tcp 1024-65535) out to the same peers\n"
	       "5:14 rule n/1 lets udp 123 out to 10.0.0.2, but no ingress "
	       "rule lets the replies (udp 1024-65535) in from the same "
	       "peers\n");
}

static void other_protocols(void **state)
{
	warned("{rule: 1, action: allow, from: [10.0.0.9], protocol: gre}", "",
	       "4:15 rule n/1 lets gre in from 10.0.0.9, but no egress rule "
	       "lets the replies (gre) out to the same peers\n");
	warned("{rule: 1, action: allow, from: [10.0.0.9], service: ping}",
	       "{rule: 1, action: allow, protocol: icmpv6}",
	       "4:15 rule n/1 lets icmp type 8 in from 10.0.0.9, but no egress "
	       "rule lets the replies (icmp type 0) out to the same peers\n"
	       "5:14 rule n/1 lets icmpv6 out to any, but no ingress rule lets "
	       "the replies (icmpv6 type 129) in from the same peers\n");
	warned("{rule: 1, action: allow, protocol: [icmp, icmpv6]}",
	       "{rule: 1, action: allow, protocol: [icmp, icmpv6]}", "");
	warned("{rule: 1, action: allow, protocol: icmp, "
	       "icmp: [net-unreachable, time-exceeded]}",
	       "", "");
}

/* A NACL around a group with one rule of NFS or Lustre each way. */
static void low(const char *group, const char *ingress, const char *egress,
		const char *expected)
{
	_cleanup_(buf_free) struct buf text = { 0 };

	buf_printf(
		&text,
		"prefix_lists: {storage: [10.40.0.0/24, \"fd00:40::/64\"], "
		"hosts: [10.1.0.0/24]}\n"
		"security_groups:\n"
		"  g:\n"
		"    members: [hosts]\n"
		"    %s\n"
		"  out: {members: [hosts], egress: [{name: all, to: [any]}]}\n"
		"network_acls:\n"
		"  n:\n"
		"    applies_to: [hosts]\n"
		"    ingress: [%s]\n"
		"    egress: [%s]\n",
		group, ingress, egress);
	assert_warned(buf_text(&text), run, NULL, expected);
}

static void clients_use_low_ports(void **state)
{
	const char *nfs = "egress: [{name: nfs, to: [storage], service: nfs}]";
	const char *lustre = "egress: [{name: l, to: [storage], "
			     "service: lustre}]";
	const char *high = "{rule: 1, action: allow, protocol: [tcp, udp], "
			   "ports: [1024-65535]}";
	const char *all = "{rule: 1, action: allow}";

	low(nfs, high, all,
	    "8:3 network ACL n: g/nfs mounts from source ports below 1024, but "
	    "no ingress rule lets the replies (tcp 665-1023) in from "
	    "storage\n");
	low(nfs, all, all, "");
	low(nfs,
	    "{rule: 1, action: allow, protocol: [tcp, udp], "
	    "ports: [600-65535]}",
	    all, "");
	/* Only one family's replies come in. */
	low(nfs,
	    "{rule: 1, action: allow, protocol: [tcp, udp], "
	    "ports: [1024-65535]}, {rule: 2, action: allow, "
	    "from: [10.0.0.0/8]}",
	    all,
	    "8:3 network ACL n: g/nfs mounts from source ports below 1024, but "
	    "no ingress rule lets the replies (tcp 665-1023) in from "
	    "storage\n");
	/* The NACL does not let NFS out at all: nothing of that works. */
	low(nfs, high,
	    "{rule: 1, action: deny, protocol: tcp, "
	    "ports: [2049]}, {rule: 2, action: allow, protocol: udp}, "
	    "{rule: 3, action: allow, to: [169.254.169.254]}",
	    "");
	low(lustre,
	    "{rule: 1, action: allow, protocol: [tcp, udp], "
	    "ports: [988, 1018-65535]}",
	    all,
	    "5:14 rule g/l: Lustre servers connect back, but no ingress rule "
	    "lets tcp 988 in from storage\n");
	low(lustre, high, all,
	    "5:14 rule g/l: Lustre servers connect back, but no ingress rule "
	    "lets tcp 988 in from storage\n"
	    "8:3 network ACL n: g/l mounts from source ports below 1024, but "
	    "no ingress rule lets the replies (tcp 1018-1023) in from "
	    "storage\n");
}

static void servers_answer_low_ports(void **state)
{
	low("ingress: [{name: nfs, from: [10.9.0.0/24], service: nfs}]\n"
	    "    egress: []",
	    "{rule: 1, action: allow}",
	    "{rule: 1, action: allow, protocol: [tcp, udp], "
	    "ports: [80, 123, 1024-65535]}, "
	    "{rule: 2, action: allow, protocol: udp, ports: [53]}",
	    "9:3 network ACL n: clients of g/nfs have source ports below 1024, "
	    "but no egress rule lets the replies (tcp 665-1023) out to "
	    "10.9.0.0/24\n");
	low("ingress: [{name: nfs, from: [10.9.0.0/24], service: nfs}]\n"
	    "    egress: []",
	    "{rule: 1, action: allow}", "{rule: 1, action: allow}", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_way_back),
		cmocka_unit_test(way_back),
		cmocka_unit_test(not_enough),
		cmocka_unit_test(replies_themselves),
		cmocka_unit_test(same_port_both_ways),
		cmocka_unit_test(other_protocols),
		cmocka_unit_test(clients_use_low_ports),
		cmocka_unit_test(servers_answer_low_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
