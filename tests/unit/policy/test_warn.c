// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every warning that the model alone decides: its exact text and place, and
 * the policy beside it that is not warned of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "support/build.h"
#include "support/warned.h"

/* Egress that reaches names, time and metadata, so that these are quiet. */
#define BASICS \
	"{name: dns-ntp, to: [10.0.0.2], protocol: udp, ports: [53, 123]}, " \
	"{name: metadata, to: [169.254.169.254], service: http}"

struct asked {
	struct reader_options options;
	struct moat_addr hosts[2];
	size_t nhosts;
};

static void run(const struct policy *p, struct diags *diags, const void *arg)
{
	const struct asked *a = arg;

	policy_warn(p, a ? &a->options : NULL, a ? a->hosts : NULL,
		    a ? a->nhosts : 0, diags);
}

static void warned(const char *text, const char *expected)
{
	assert_warned(text, run, NULL, expected);
}

static void no_members(void **state)
{
	warned("security_groups:\n"
	       "  web: {members: [], egress: [" BASICS "]}\n"
	       "  idle: {egress: []}\n",
	       "2:3 group web has no members: its rules apply to nobody\n"
	       "3:3 group idle has no members: its rules apply to nobody\n");
}

static void no_egress(void **state)
{
	warned("security_groups:\n"
	       "  web: {members: [10.1.0.0/24]}\n"
	       "  db: {members: [10.2.0.0/24], egress: [" BASICS "]}\n",
	       "2:3 group web has no egress: everything goes out, as in a new "
	       "AWS group; for nothing write `egress: []`\n");
}

static void wide_members(void **state)
{
	warned("prefix_lists: {wide: [10.8.0.0/16, \"fd00::/60\"]}\n"
	       "security_groups:\n"
	       "  a: {members: [10.1.0.0/23], egress: [" BASICS "]}\n"
	       "  b: {members: [10.2.0.0/24, \"fd00:2::/64\"], egress: [" BASICS
	       "]}\n"
	       "  c: {members: [10.3.0.0/24, \"fd00:3::/63\"], egress: [" BASICS
	       "]}\n"
	       "  d: {members: wide, egress: [" BASICS "]}\n",
	       "3:3 members of group a: 10.1.0.0/23 is wider than /24 and "
	       "holds the first addresses of subnets, which are routers' and "
	       "resolvers'\n"
	       "5:3 members of group c: fd00:3::/63 is wider than /64 and "
	       "holds the first addresses of subnets, which are routers' and "
	       "resolvers'\n"
	       "6:3 members of group d: 10.8.0.0/16 (and 1 more) is wider "
	       "than /24 and holds the first addresses of subnets, which are "
	       "routers' and resolvers'\n");
}

static void admin_ports(void **state)
{
	warned("prefix_lists: {all: [0.0.0.0/1, 128.0.0.0/1]}\n"
	       "security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    egress: [" BASICS "]\n"
	       "    ingress:\n"
	       "      - {name: ssh, from: [any], service: ssh}\n"
	       "      - {name: web, from: [any], service: https}\n"
	       "      - {name: office, from: [10.0.0.0/8], service: ssh}\n"
	       "      - {name: v4, from: [0.0.0.0/0], service: kubelet}\n"
	       "      - {name: v6, from: [\"::/0\"], service: ssh}\n"
	       "      - {name: halves, from: [all], service: ssh}\n"
	       "      - {name: etcd, from: [any], service: etcd}\n"
	       "      - {name: low, from: [any], protocol: tcp, "
	       "ports: [1-5000]}\n"
	       "      - {name: udp, from: [any], protocol: udp, ports: [22]}\n"
	       "      - {name: open, from: [any]}\n",
	       "7:9 rule a/ssh opens ssh (tcp 22) to 0.0.0.0/0 and ::/0: name "
	       "who administers\n"
	       "10:9 rule a/v4 opens kubelet (tcp 10250) to 0.0.0.0/0: name "
	       "who administers\n"
	       "11:9 rule a/v6 opens ssh (tcp 22) to ::/0: name who "
	       "administers\n"
	       "12:9 rule a/halves opens ssh (tcp 22) to 0.0.0.0/0: name who "
	       "administers\n"
	       "13:9 rule a/etcd opens etcd (tcp 2379) and 1 more "
	       "administration port to 0.0.0.0/0 and ::/0: name who "
	       "administers\n"
	       "14:9 rule a/low opens ssh (tcp 22) and 6 more administration "
	       "ports to 0.0.0.0/0 and ::/0: name who administers\n"
	       "16:9 rule a/open opens ssh (tcp 22) and 13 more "
	       "administration ports to 0.0.0.0/0 and ::/0: name who "
	       "administers\n");
}

static void icmp_families(void **state)
{
	warned("prefix_lists: {six: [\"fd00:6::/64\"], both: [10.9.0.0/24, "
	       "\"fd00:9::/64\"]}\n"
	       "security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24, \"fd00:1::/64\"]\n"
	       "    egress: [" BASICS "]\n"
	       "    ingress:\n"
	       "      - {name: v4, from: [10.2.0.0/24, \"fd00:2::/64\", six], "
	       "protocol: icmp}\n"
	       "      - {name: v6, from: [10.2.0.0/24, both, any], "
	       "protocol: icmpv6, icmp: echo-request}\n"
	       "      - {name: ok, from: [\"fd00:2::/64\", 10.2.0.0/24], "
	       "service: ping}\n"
	       "network_acls:\n"
	       "  n:\n"
	       "    applies_to: [\"fd00:77::/64\"]\n"
	       "    ingress:\n"
	       "      - {rule: 10, action: deny, from: six, protocol: icmp}\n",
	       "7:40 rule a/v4: icmp is IPv4's and fd00:2::/64 holds no IPv4 "
	       "address: it never matches; write icmpv6\n"
	       "7:55 rule a/v4: icmp is IPv4's and six holds no IPv4 address: "
	       "it never matches; write icmpv6\n"
	       "8:27 rule a/v6: icmpv6 is IPv6's and 10.2.0.0/24 holds no "
	       "IPv6 address: it never matches; write icmp\n"
	       "14:40 rule n/10: icmp is IPv4's and six holds no IPv4 "
	       "address: it never matches; write icmpv6\n");
}

static void extension_headers(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24, \"fd00:1::/64\"]\n"
	       "    egress: [" BASICS "]\n"
	       "    ingress:\n"
	       "      - {name: ah, from: [any], protocol: ah}\n"
	       "      - {name: v4, from: [10.2.0.0/24], protocol: ah}\n"
	       "      - {name: esp, from: [any], protocol: esp}\n"
	       "      - {name: frag, from: [\"fd00:2::/64\"], protocol: 44}\n",
	       "6:9 rule a/ah: protocol ah never matches in IPv6, where it is "
	       "an extension header and is walked\n"
	       "9:9 rule a/frag: protocol 44 never matches in IPv6, where it "
	       "is an extension header and is walked\n");
}

static void one_sided_self(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    ingress:\n"
	       "      - {name: in, from: [self], protocol: tcp, "
	       "ports: [29500]}\n"
	       "      - {name: both, from: [self], service: ping}\n"
	       "    egress:\n"
	       "      - {name: out, to: [a], protocol: udp, ports: [7000]}\n"
	       "      - {name: both, to: [self], service: ping}\n"
	       "      - {name: most, to: [self], protocol: tcp, "
	       "ports: [100-199]}\n"
	       "      - {name: dns-ntp, to: [10.0.0.2], protocol: udp, ports: [53, 123]}\n"
	       "      - {name: metadata, to: [169.254.169.254], service: http}\n"
	       "  b:\n"
	       "    members: [10.1.0.0/25]\n"
	       "    ingress:\n"
	       "      - {name: low, from: [a], protocol: tcp, "
	       "ports: [100-149]}\n"
	       "    egress: []\n",
	       "5:9 rule a/in lets members receive tcp 29500 from members, but "
	       "no egress rule lets members send it\n"
	       "8:9 rule a/out lets members send udp 7000 to members, but no "
	       "ingress rule lets members receive it\n"
	       "10:9 rule a/most lets members send tcp 100-199 to members, but "
	       "no ingress rule lets members receive it\n");
}

/* The other side may be any group's, a wider peer's, or in parts. */
static void two_sided_self(void **state)
{
	warned("prefix_lists: {site: [10.0.0.0/8]}\n"
	       "security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    ingress:\n"
	       "      - {name: one, from: [self], protocol: tcp, "
	       "ports: [100-199]}\n"
	       "      - {name: two, from: [self], protocol: tcp, "
	       "ports: [300]}\n"
	       "      - {name: three, from: [self], protocol: tcp, "
	       "ports: [400]}\n"
	       "    egress:\n"
	       "      - {name: lower, to: [site], protocol: tcp, "
	       "ports: [90-150]}\n"
	       "      - {name: upper, to: [self], protocol: tcp, "
	       "ports: [140-199]}\n"
	       "      - {name: half, to: [10.1.0.0/25], protocol: tcp, "
	       "ports: [400]}\n"
	       "      - {name: rest, to: [10.1.0.128/25], protocol: tcp, "
	       "ports: [400]}\n"
	       "  b:\n"
	       "    members: [10.1.0.0/24, 10.2.0.0/24]\n"
	       "    egress: [{name: three, to: [a], protocol: tcp, "
	       "ports: [300]}, " BASICS "]\n"
	       "  c:\n"
	       "    members: [10.3.0.0/24]\n"
	       "    ingress: [{name: x, from: [self], protocol: tcp, "
	       "ports: [100]}]\n",
	       "17:3 group c has no egress: everything goes out, as in a new "
	       "AWS group; for nothing write `egress: []`\n");
}

static void one_sided_on_some(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24, 10.2.0.0/24]\n"
	       "    ingress: [{name: in, from: [self], service: nfs}]\n"
	       "    egress: [" BASICS "]\n"
	       "  b:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    egress: [{name: out, to: [a], service: nfs}]\n",
	       "4:15 rule a/in lets members receive tcp 2049 from members, but "
	       "no egress rule lets members send it on 256 addresses "
	       "(10.2.0.0/24)\n");
}

static void lustre_way_back(void **state)
{
	warned("prefix_lists: {storage: [10.40.0.0/24]}\n"
	       "security_groups:\n"
	       "  good:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    ingress: [{name: l, from: [storage], service: lustre}]\n"
	       "    egress: [{name: l, to: [storage], service: lustre}, " BASICS
	       "]\n"
	       "  client:\n"
	       "    members: [10.2.0.0/24]\n"
	       "    ingress: [{name: l, from: [10.40.0.0/25], "
	       "service: lustre}]\n"
	       "    egress: [{name: l, to: [storage, 10.41.0.0/24], "
	       "service: lustre}, " BASICS "]\n"
	       "  server:\n"
	       "    members: [storage]\n"
	       "    ingress: [{name: l, from: [good], protocol: tcp, "
	       "ports: [988]}]\n"
	       "    egress: [" BASICS "]\n"
	       "  wide:\n"
	       "    members: [10.5.0.0/24]\n"
	       "    egress: [{name: low, to: [storage], protocol: tcp, "
	       "ports: [1-2000]}, " BASICS "]\n",
	       "10:14 rule client/l: Lustre servers connect back, but no "
	       "ingress rule lets tcp 988 in from 10.41.0.0/24\n"
	       "10:14 rule client/l: Lustre servers connect back, but no "
	       "ingress rule lets tcp 988 in from storage\n"
	       "13:15 rule server/l: Lustre servers connect back, but no "
	       "egress rule lets tcp 988 out to good\n");
}

#define SELF_BOTH(name, rest) \
	"  " name ":\n" \
	"    members: [10.1.0.0/24]\n" \
	"    ingress: [{name: in, from: [self], " rest "}]\n" \
	"    egress: [{name: out, to: [" name "], " rest "}, " BASICS "]\n"

static void ephemeral_part(void **state)
{
	warned("security_groups:\n" SELF_BOTH(
		       "a", "protocol: tcp, ports: [29500, 40000-50000]"),
	       "4:15 rule a/in: tcp 40000-50000 between members is a part of "
	       "the ephemeral range 32768-60999, anywhere in which NCCL and "
	       "Gloo listen: hold all of it\n"
	       "5:14 rule a/out: tcp 40000-50000 between members is a part of "
	       "the ephemeral range 32768-60999, anywhere in which NCCL and "
	       "Gloo listen: hold all of it\n");
	warned("security_groups:\n" SELF_BOTH("a",
					      "protocol: udp, ports: [60999]"),
	       "4:15 rule a/in: udp 60999 between members is a part of the "
	       "ephemeral range 32768-60999, anywhere in which NCCL and Gloo "
	       "listen: hold all of it\n"
	       "5:14 rule a/out: udp 60999 between members is a part of the "
	       "ephemeral range 32768-60999, anywhere in which NCCL and Gloo "
	       "listen: hold all of it\n");
	warned("security_groups:\n" SELF_BOTH(
		       "a", "protocol: tcp, ports: [32768-60999]"),
	       "");
	warned("security_groups:\n" SELF_BOTH(
		       "a", "protocol: tcp, ports: [32768-45000, "
			    "45001-60999]"),
	       "");
	warned("security_groups:\n" SELF_BOTH(
		       "a", "protocol: tcp, ports: [29500, 61000]"),
	       "");
	warned("security_groups:\n" SELF_BOTH("a", "protocol: any"), "");
}

/* --ephemeral A-B, or the host's own with --live. */
static void ephemeral_option(void **state)
{
	struct asked a = { .options = { .ephemeral_first = 20000,
					.ephemeral_last = 30000 } };

	assert_warned("security_groups:\n" SELF_BOTH(
			      "a", "protocol: tcp, ports: [32768-60999]"),
		      run, &a, "");
	assert_warned("security_groups:\n" SELF_BOTH(
			      "a", "protocol: tcp, ports: [30000-60999]"),
		      run, &a,
		      "4:15 rule a/in: tcp 30000-60999 between members is a "
		      "part of the ephemeral range 20000-30000, anywhere in "
		      "which NCCL and Gloo listen: hold all of it\n"
		      "5:14 rule a/out: tcp 30000-60999 between members is a "
		      "part of the ephemeral range 20000-30000, anywhere in "
		      "which NCCL and Gloo listen: hold all of it\n");
}

#define HOSTS \
	"  a:\n" \
	"    members: [10.1.0.0/24]\n" \
	"    egress: [" BASICS "]\n"

static void reach(void **state)
{
	warned("security_groups:\n"
	       "  none: {members: [10.1.0.0/24], egress: []}\n"
	       "  dns: {members: [10.2.0.0/24], egress: [{name: d, "
	       "to: [10.0.0.2], service: dns}]}\n"
	       "  v6: {members: [\"fd00:3::/64\"], egress: [{name: d, "
	       "to: [\"fd00::2\"], protocol: udp, ports: [53, 123]}]}\n"
	       "  a: {members: [10.4.0.0/24], egress: [{name: d, "
	       "to: [10.0.0.2], protocol: udp, ports: [53]}]}\n"
	       "  b: {members: [10.4.0.0/24], egress: [{name: n, "
	       "to: [10.0.0.2], service: ntp}, {name: m, "
	       "to: [169.254.0.0/16], protocol: tcp}]}\n"
	       "  udp: {members: [10.5.0.0/24], egress: [{name: n, to: [any], "
	       "protocol: udp}]}\n",
	       "2:3 egress of none, 256 addresses (10.1.0.0/24), reaches no "
	       "169.254.169.254: no instance metadata\n"
	       "2:3 egress of none, 256 addresses (10.1.0.0/24), reaches no "
	       "port 123: clocks drift\n"
	       "2:3 egress of none, 256 addresses (10.1.0.0/24), reaches no "
	       "port 53: names don't resolve\n"
	       "3:3 egress of dns, 256 addresses (10.2.0.0/24), reaches no "
	       "169.254.169.254: no instance metadata\n"
	       "3:3 egress of dns, 256 addresses (10.2.0.0/24), reaches no "
	       "port 123: clocks drift\n"
	       "7:3 egress of udp, 256 addresses (10.5.0.0/24), reaches no "
	       "169.254.169.254: no instance metadata\n");
}

/* The NACL has to let it out as well, to the same addresses. */
static void reach_through_nacl(void **state)
{
	warned("security_groups:\n" HOSTS "  b:\n"
	       "    members: [10.1.0.128/25]\n"
	       "    egress: []\n"
	       "network_acls:\n"
	       "  n:\n"
	       "    applies_to: [10.1.0.0/25]\n"
	       "    ingress: [{rule: 1, action: allow}]\n"
	       "    egress:\n"
	       "      - {rule: 1, action: deny, to: [169.254.169.254]}\n"
	       "      - {rule: 2, action: allow, to: [10.0.0.3], protocol: udp, "
	       "ports: [53, 123]}\n"
	       "  m:\n"
	       "    applies_to: [10.1.0.192/26]\n"
	       "    ingress: [{rule: 1, action: allow}]\n"
	       "    egress: [{rule: 1, action: allow, protocol: udp}]\n",
	       "2:3 egress of a and b, 64 addresses (10.1.0.192/26), reaches no "
	       "169.254.169.254: no instance metadata\n"
	       "2:3 egress of a, 128 addresses (10.1.0.0/25), reaches no "
	       "169.254.169.254: no instance metadata\n"
	       "2:3 egress of a, 128 addresses (10.1.0.0/25), reaches no port "
	       "123: clocks drift\n"
	       "2:3 egress of a, 128 addresses (10.1.0.0/25), reaches no port "
	       "53: names don't resolve\n");
}

static void hosts_asked_for(void **state)
{
	struct asked a = { .nhosts = 2 };

	a.hosts[0] = build_addr("10.2.0.7");
	a.hosts[1] = build_addr("fd00::7");
	assert_warned("security_groups:\n"
		      "  none: {members: [10.1.0.0/24], egress: []}\n"
		      "  dns: {members: [10.2.0.0/24], egress: [{name: d, "
		      "to: [10.0.0.2], protocol: any}]}\n",
		      run, &a,
		      "-3:0 address fd00::7 is in no group: its packets are "
		      "dropped as unassigned\n"
		      "3:3 egress of dns, 256 addresses (10.2.0.0/24), reaches "
		      "no 169.254.169.254: no instance metadata\n");
}

static void audit_suspends(void **state)
{
	warned("security_groups:\n" HOSTS "  trial:\n"
	       "    members: [10.1.0.16/28, 10.9.0.0/24]\n"
	       "    mode: audit\n"
	       "    egress: [" BASICS "]\n"
	       "  alone:\n"
	       "    members: [10.10.0.0/24]\n"
	       "    mode: audit\n"
	       "    egress: [" BASICS "]\n",
	       "5:3 group trial is in audit: on 16 addresses (10.1.0.16/28) it "
	       "suspends the enforcement of a\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_members),
		cmocka_unit_test(no_egress),
		cmocka_unit_test(wide_members),
		cmocka_unit_test(admin_ports),
		cmocka_unit_test(icmp_families),
		cmocka_unit_test(extension_headers),
		cmocka_unit_test(one_sided_self),
		cmocka_unit_test(two_sided_self),
		cmocka_unit_test(one_sided_on_some),
		cmocka_unit_test(lustre_way_back),
		cmocka_unit_test(ephemeral_part),
		cmocka_unit_test(ephemeral_option),
		cmocka_unit_test(reach),
		cmocka_unit_test(reach_through_nacl),
		cmocka_unit_test(hosts_asked_for),
		cmocka_unit_test(audit_suspends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
