// SPDX-License-Identifier: BSD-2-Clause
/* Warnings: the entry, and those that one group or rule alone calls for. */
#include "policy/warn.h"

#include <stdio.h>

#include "base/cleanup.h"

#define EPHEMERAL_FIRST 32768 /* Linux: net.ipv4.ip_local_port_range */
#define EPHEMERAL_LAST 60999

/* Ports that give a machine away, and their usual names. */
static const struct {
	uint16_t port;
	const char *name;
} admin_ports[] = {
	{ 22, "ssh" },	    { 23, "telnet" },	  { 2375, "docker" },
	{ 2376, "docker" }, { 2379, "etcd" },	  { 2380, "etcd" },
	{ 3389, "rdp" },    { 5900, "vnc" },	  { 5985, "winrm" },
	{ 5986, "winrm" },  { 6379, "redis" },	  { 6443, "kube-api" },
	{ 8265, "ray" },    { 10250, "kubelet" },
};

/* The families that a rule's peers hold as a whole, as text; NULL: none. */
static const char *open_to(struct facts *f, struct rule_facts *r)
{
	const struct ranges *all = r->any ? NULL : facts_peers(f, r);
	bool v4 = r->any, v6 = r->any;

	if (all) {
		v4 = ranges_hold(all, RANGES_V4_FIRST, RANGES_V4_LAST);
		v6 = ranges_hold(all, RANGES_V4_LAST + 1, RANGES_MAX);
	}
	if (v4 && v6)
		return "0.0.0.0/0 and ::/0";
	return v4 ? "0.0.0.0/0" : v6 ? "::/0" : NULL;
}

static void warn_admin(struct warner *w, const char *group,
		       struct rule_facts *r)
{
	const char *everybody = open_to(w->f, r);
	size_t first = 0, n = 0;
	char name[FACTS_TEXT], more[64] = "";

	if (!everybody)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(admin_ports); i++) {
		unsigned int port = admin_ports[i].port;

		if (!spans_hold(r, span_ports(PROTO_TCP, port, port)))
			continue;
		if (n++ == 0)
			first = i;
	}
	if (!n)
		return;
	if (n > 1)
		snprintf(more, sizeof(more),
			 " and %zu more administration port%s", n - 1,
			 n == 2 ? "" : "s");
	diag_warning(w->diags, r->rule->pos,
		     "rule %s opens %s (tcp %u)%s to %s: name who administers",
		     rule_print(group, r->rule, name), admin_ports[first].name,
		     admin_ports[first].port, more, everybody);
}

/*
 * Clouds give the first addresses of each subnet to the router and the
 * resolver (AWS: the first four). A CIDR wider than the usual subnet holds
 * several, and they become members.
 */
static void warn_wide(struct warner *w, const struct group *g)
{
	const struct addr_set *set = &w->f->policy->sets[g->set];
	const struct cidr *wide = NULL;
	size_t n = 0;
	char text[ADDR_TEXT], more[40] = "";

	for (size_t i = 0; i < set->ncidrs; i++) {
		const struct cidr *c = &set->cidrs[i];

		if (c->length >= (c->family == 4 ? 24 : 64))
			continue;
		if (n++ == 0)
			wide = c;
	}
	if (!n)
		return;
	if (n > 1)
		snprintf(more, sizeof(more), " (and %zu more)", n - 1);
	diag_warning(w->diags, set->pos,
		     "members of group %s: %s%s is wider than /%d and holds "
		     "the first addresses of subnets, which are routers' and "
		     "resolvers'",
		     g->name, cidr_print(wide, true, text), more,
		     wide->family == 4 ? 24 : 64);
}

/* Members, egress, administrative ports. */
static void warn_groups(struct warner *w)
{
	const struct policy *p = w->f->policy;

	for (size_t i = 0; i < p->ngroups; i++) {
		const struct group *g = &p->groups[i];
		struct list_facts *in = &w->f->groups[i][MOAT_INGRESS];

		if (!p->sets[g->set].ncidrs && !p->sets[g->set].any)
			diag_warning(w->diags, g->pos,
				     "group %s has no members: its rules "
				     "apply to nobody",
				     g->name);
		if (group_opens(g, MOAT_EGRESS))
			diag_warning(w->diags, g->pos,
				     "group %s has no egress: everything goes "
				     "out, as in a new AWS group; for nothing "
				     "write `egress: []`",
				     g->name);
		warn_wide(w, g);
		for (size_t k = 0; k < in->count; k++)
			warn_admin(w, g->name, &in->rules[k]);
	}
}

void policy_warn(const struct policy *p, const struct reader_options *options,
		 const struct moat_addr *hosts, size_t nhosts,
		 struct diags *diags)
{
	struct facts f;
	struct warner w = { .f = &f,
			    .diags = diags,
			    .hosts = hosts,
			    .nhosts = nhosts,
			    .ephemeral = { EPHEMERAL_FIRST, EPHEMERAL_LAST } };

	if (options && options->ephemeral_first) {
		w.ephemeral.first = (uint32_t)options->ephemeral_first;
		w.ephemeral.last = (uint32_t)options->ephemeral_last;
	}
	if (facts_init(&f, p)) {
		diag_error(diags, (struct pos){ .file = -1 },
			   "no memory to look for warnings");
	} else {
		warn_groups(&w);
		warn_families(&w);
		warn_self(&w);
		warn_nacls(&w);
		warn_carriers(&w);
		facts_finish(&f, diags);
	}
	facts_free(&f);
}
