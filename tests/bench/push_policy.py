#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The policy of P6: push_policy.py RULES CIDRS moat|nft

A tenth of the CIDRs are single addresses, the members of `fleet`; the others
are prefix lists of 90. Ten groups hold this host (10.20.0.1) and share the
rules; each rule names a list or the fleet. The nft form has a set for each
list and a rule for each rule, in the chain of its direction.
"""
import ipaddress
import random
import sys

GROUPS = 10
LIST = 90
LENGTHS = [24] * 7 + [28] * 2 + [32]


def cidr(rng):
    length = rng.choice(LENGTHS)
    # Unicast, and not the hosts' own 10/8.
    a = rng.getrandbits(31) | 0x20000000
    return ipaddress.ip_network((a & ~((1 << 32 - length) - 1), length))


def make(nrules, ncidrs):
    rng = random.Random(6)
    seen = set()
    lists = []
    members = [ipaddress.ip_network("11.%d.%d.%d/32" % (i >> 16 & 255,
               i >> 8 & 255, i & 255)) for i in range(ncidrs // 10)]
    # One less than the limit: a member is to join.
    while len(seen) < ncidrs - len(members) - GROUPS - 1:
        if not seen or len(lists[-1]) == LIST:
            lists.append([])
        c = cidr(rng)
        if c not in seen:
            seen.add(c)
            lists[-1].append(c)
    rules = []
    for i in range(nrules):
        first = 1 + rng.randrange(60000)
        last = first + (1000 if rng.random() < 0.3 else 0)
        peer = None if rng.random() < 0.1 else rng.randrange(len(lists))
        rules.append((i // GROUPS % 2, i % GROUPS, peer,
                      "tcp" if rng.random() < 0.8 else "udp", first, last))
    return lists, members, rules


def moat(lists, members, rules):
    print("version: 1\nname: bench\nmode: enforce\nprefix_lists:")
    for i, l in enumerate(lists):
        print("  list%d: [%s]" % (i, ", ".join(map(str, l))))
    print("security_groups:\n  fleet:\n    members: [%s]\n    egress: []" %
          ", ".join(str(m.network_address) for m in members))
    for g in range(GROUPS):
        print("  group%d:\n    members: [10.20.0.1]" % g)
        for d, key, peer in ((0, "ingress", "from"), (1, "egress", "to")):
            mine = [r for r in rules if r[:2] == (d, g)]
            print("    %s:%s" % (key, "" if mine else " []"))
            for i, (way, group, l, proto, first, last) in enumerate(rules):
                if way == d and group == g:
                    print("      - {name: r%d, %s: [%s], protocol: %s, "
                          "ports: [%d-%d]}" % (
                              i, peer, "fleet" if l is None else
                              "list%d" % l, proto, first, last))


def nft(lists, members, rules):
    print("table inet moat_bench {")
    for name, l in [("list%d" % i, l) for i, l in enumerate(lists)] + [
            ("fleet", members)]:
        # nft refuses ranges that overlap, so those inside another go.
        l = list(ipaddress.collapse_addresses(l))
        print("\tset %s {\n\t\ttype ipv4_addr; flags interval;\n"
              "\t\telements = { %s }\n\t}" % (name, ", ".join(map(str, l))))
    for d, hook, end in ((0, "input", "saddr"), (1, "output", "daddr")):
        print("\tchain %s {\n\t\ttype filter hook %s priority 0; "
              "policy accept;\n\t\tct state established,related accept" %
              (hook, hook))
        for way, _, l, proto, first, last in rules:
            if way == d:
                print("\t\tip %s @%s %s dport %d-%d accept" % (
                    end, "fleet" if l is None else "list%d" % l, proto,
                    first, last))
        print("\t}")
    print("}")


def main():
    parts = make(int(sys.argv[1]), int(sys.argv[2]))
    {"moat": moat, "nft": nft}[sys.argv[3]](*parts)


main()
