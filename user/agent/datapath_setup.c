// SPDX-License-Identifier: BSD-2-Clause
/* From the configuration to the datapath's settings and failsafe. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"

/* Rule counters are per CPU: on a host with hundreds of them room for every
 * rule of the largest policy would be room for none on most. */
#define RULE_BYTES (4u << 20)
#define RULES_LEAST 1024
#define RULES_MOST 16384

static __u32 rule_slots(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	__u32 n = RULES_MOST;

	while (n > RULES_LEAST &&
	       n * sizeof(struct moat_rule_count) * (cpus > 0 ? cpus : 1) >
		       RULE_BYTES)
		n /= 2;
	return n;
}

/*
 * Room for a policy of 10,000 rules and 100,000 CIDRs from the start: to move
 * to larger arrays is a second load of the programs, most of a second in
 * which a push waits. 38 MiB, in the plan that status prints.
 */
void agent_settings(const struct config *c, struct datapath_settings *ret)
{
	static const __u32 part_bytes[MOAT_PART_COUNT] = {
		[MOAT_PART_ADDR4] = 4u << 20,
		[MOAT_PART_ADDR6] = 1u << 20,
		[MOAT_PART_CLASSES] = 512u << 10,
		[MOAT_PART_ROWS] = 4u << 20,
	};
	struct datapath_settings s = {
		.memory_limit = c->tables.memory,
		.midstream_drop = c->midstream_drop,
		.unassigned_allow = c->unassigned_allow,
		.forwarding_judge = c->forwarding_judge,
		.rule_slots = rule_slots(),
		.lease_after = MOAT_LEASE_AFTER,
	};
	__u32 *n = s.table_entries;

	memcpy(s.part_bytes, part_bytes, sizeof(part_bytes));
	n[MOAT_TABLE_FLOWS] = c->tables.flows;
	n[MOAT_TABLE_UDP] = c->tables.udp;
	n[MOAT_TABLE_OTHER] = c->tables.other;
	n[MOAT_TABLE_EMBRYONIC_OUT] = c->tables.embryonic;
	n[MOAT_TABLE_EMBRYONIC_IN] = c->tables.embryonic;
	n[MOAT_TABLE_CLOSING] = c->tables.closing;
	n[MOAT_TABLE_DENIED] = c->tables.denied;
	n[MOAT_TABLE_FRAGMENTS] = c->tables.fragments;
	memcpy(s.timeout_seconds, c->timeout, sizeof(s.timeout_seconds));
	memcpy(s.essential, c->essential, sizeof(s.essential));
	*ret = s;
}

/* Where tables.memory has no room for that, the arrays start small. */
static void settings_least(struct datapath_settings *s)
{
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		s->part_bytes[i] = MOAT_PART_MIN;
	s->rule_slots = RULES_LEAST;
}

int agent_open_datapath(struct agent *a)
{
	struct datapath_settings s;
	const char *why = "";
	int r;

	agent_settings(a->config, &s);
	s.pin_dir = a->config->bpffs;
	s.kept = a->keep.given;
	s.nkept = a->keep.ngiven;
	r = datapath_open(&s, &a->dp, &why);
	if (r == -ENOSPC) {
		settings_least(&s);
		r = datapath_open(&s, &a->dp, &why);
	}
	if (r)
		return log_error(r, "datapath: %s", why);
	return 0;
}

/* One entry for each peer and range of ports of a configured rule. */
static int add_rule(struct moat_failsafe *f, const struct failsafe_rule *rule,
		    size_t number)
{
	struct moat_failsafe_entry *e;
	size_t peer, port;

	for (peer = 0; peer < rule->npeers; peer++) {
		for (port = 0; port < rule->nports; port++) {
			if (f->count == MOAT_FAILSAFE_MAX)
				return -E2BIG;
			e = &f->entry[f->count++];
			e->peer = rule->peers[peer].addr;
			e->length = (__u8)addr_mapped_length(
				&rule->peers[peer]);
			e->direction = (__u8)rule->direction;
			e->proto = (__u8)rule->proto;
			e->number = (__u8)number;
			e->first = rule->ports[port].first;
			e->last = rule->ports[port].last;
		}
	}
	return 0;
}

int agent_set_failsafe(struct agent *a)
{
	struct moat_failsafe f = {};
	size_t i;
	int r = 0;

	for (i = 0; i < a->config->nfailsafe && !r; i++)
		r = add_rule(&f, &a->config->failsafe[i], i);
	if (r)
		return log_error(r,
				 "failsafe: more than %d pairs of peer and "
				 "ports",
				 MOAT_FAILSAFE_MAX);
	r = datapath_set_failsafe(a->dp, &f);
	return r ? log_error(r, "failsafe: %s", strerror(-r)) : 0;
}

size_t agent_failsafe_peers(const struct config *c)
{
	size_t i, n = 0;

	for (i = 0; i < c->nfailsafe; i++)
		n += c->failsafe[i].npeers;
	return n;
}
