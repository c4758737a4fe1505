// SPDX-License-Identifier: BSD-2-Clause
/* From the configuration to the datapath's settings and failsafe. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "compile/memory.h"

void agent_settings(const struct config *c, struct datapath_settings *ret)
{
	struct datapath_settings s = {
		.memory_limit = c->tables.memory,
		.midstream_drop = c->midstream_drop,
		.unassigned_allow = c->unassigned_allow,
		.forwarding_judge = c->forwarding_judge,
		.lease_after = MOAT_LEASE_AFTER,
	};

	host_sizes(host_cpus(), false, s.part_bytes, &s.rule_slots);
	for (int t = 0; t < MOAT_TABLE_COUNT; t++)
		s.table_entries[t] = host_table_entries(c, t);
	memcpy(s.timeout_seconds, c->timeout, sizeof(s.timeout_seconds));
	memcpy(s.essential, c->essential, sizeof(s.essential));
	*ret = s;
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
		/* No room for the usual: the image's arrays start small. */
		host_sizes(host_cpus(), true, s.part_bytes, &s.rule_slots);
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
