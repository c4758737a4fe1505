// SPDX-License-Identifier: BSD-2-Clause
/* See world.h. */
#include "fuzz/world.h"

#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "fuzz/fuzz.h"
#include "policy/reader.h"
#include "support/build.h"

#define LOOPBACK 1 /* the device that BPF_PROG_TEST_RUN lends */

static const char config_text[] =
	"version: 1\n"
	"failsafe:\n"
	"  - {name: ssh, direction: ingress, protocol: tcp, ports: [22],"
	" peers: [10.8.0.0/16, \"2001:db8:8::/48\"]}\n"
	"  - {name: time, direction: egress, protocol: udp, ports: [123],"
	" peers: [10.8.0.9/32]}\n";

static const char policy_text[] =
	"version: 1\n"
	"name: world\n"
	"mode: enforce\n"
	"security_groups:\n"
	"  web:\n"
	"    members: [10.0.0.1/32, 10.0.0.4/32, \"2001:db8::1/128\"]\n"
	"    ingress:\n"
	"      - {name: http, from: any, protocol: tcp, ports: [80, 443]}\n"
	"      - {name: dns, from: [10.9.0.0/16, \"2001:db8:9::/48\"],"
	" protocol: udp, ports: [53, 5000-5100]}\n"
	"      - {name: ping, from: any, service: ping}\n"
	"      - {name: sctp, from: any, protocol: sctp, ports: [36412]}\n"
	"      - {name: gre, from: [10.9.0.0/16], protocol: 47}\n"
	"    egress:\n"
	"      - {name: https, to: any, protocol: tcp, ports: [443]}\n"
	"      - {name: dns, to: any, protocol: udp, ports: [53]}\n"
	"      - {name: ping, to: any, service: ping}\n"
	"  watched:\n"
	"    mode: audit\n"
	"    members: [10.0.0.2/32, \"2001:db8::2/128\"]\n"
	"    ingress:\n"
	"      - {name: web, from: any, protocol: tcp, ports: [8080]}\n"
	"network_acls:\n"
	"  front:\n"
	"    applies_to: [10.0.0.4/32]\n"
	"    ingress:\n"
	"      - {rule: 10, action: deny, from: [10.66.0.0/16]}\n"
	"      - {rule: 20, action: allow, from: any}\n"
	"    egress:\n"
	"      - {rule: 10, action: deny, to: [10.67.0.0/16]}\n"
	"      - {rule: 20, action: allow, to: any}\n";

static void add_own(struct world *w, const char *addr, const char *alias,
		    __u32 flags)
{
	struct own_entry *e = &w->own[w->nown++];

	must(w->nown <= ARRAY_SIZE(w->own));
	e->addr = build_addr(addr);
	e->own.ifindex = LOOPBACK;
	e->own.flags = flags;
	if (alias)
		e->own.alias = build_addr(alias);
}

static void add_failsafe(struct world *w)
{
	struct moat_failsafe *f = &w->failsafe;

	for (size_t i = 0; i < w->config->nfailsafe; i++) {
		const struct failsafe_rule *r = &w->config->failsafe[i];

		for (size_t n = 0; n < r->npeers; n++)
			f->entry[f->count++] = (struct moat_failsafe_entry){
				.peer = r->peers[n].addr,
				.length = (__u8)addr_mapped_length(
					&r->peers[n]),
				.direction = (__u8)r->direction,
				.proto = (__u8)r->proto,
				.number = (__u8)i,
				.first = r->ports[0].first,
				.last = r->ports[0].last,
			};
	}
}

static void add_host(struct world *w)
{
	add_own(w, "10.0.0.1", NULL, 0);
	add_own(w, "10.0.0.2", NULL, 0);
	add_own(w, "10.0.0.3", NULL, 0);
	add_own(w, "10.0.0.4", NULL, 0);
	add_own(w, "10.0.0.255", NULL, MOAT_OWN_BROADCAST);
	add_own(w, "2001:db8::1", NULL, 0);
	add_own(w, "2001:db8::2", NULL, 0);
	add_own(w, "fe80::1", "2001:db8::2", 0);
	w->iface.ifindex = LOOPBACK;
	w->iface.flags = MOAT_IFACE_ETHER | MOAT_IFACE_SELECTED;
	w->iface.first4 = build_addr("10.0.0.2");
	w->iface.first6 = build_addr("2001:db8::1");
}

void world_open(struct world *ret)
{
	const struct document doc = { "world", policy_text,
				      strlen(policy_text) };
	const struct reader_options options = { 0 };
	struct diags diags = { 0 };
	struct moat_addr hosts[ARRAY_SIZE(ret->own)];

	memset(ret, 0, sizeof(*ret));
	ret->config = config_read("config", config_text, strlen(config_text),
				  &diags);
	ret->policy = policy_read(&doc, 1, &options, &diags);
	for (size_t i = 0; i < diags.count; i++)
		fprintf(stderr, "world: %s\n", diags.items[i].text);
	must(ret->config && ret->policy);
	diags_free(&diags);
	add_failsafe(ret);
	add_host(ret);
	for (size_t i = 0; i < ret->nown; i++)
		hosts[i] = ret->own[i].addr;
	must(engines_open(&ret->engines, ret->policy, ret->config, hosts,
			  ret->nown));
}

const struct moat_own *world_own(const struct world *w,
				 const struct moat_addr *a)
{
	for (size_t i = 0; i < w->nown; i++)
		if (!memcmp(&w->own[i].addr, a, sizeof(*a)))
			return &w->own[i].own;
	return NULL;
}
