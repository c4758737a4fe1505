// SPDX-License-Identifier: BSD-2-Clause
/* The command doctor: what stands in the way, and what to do about it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/rdma.h"

struct doctor {
	struct agent *agent;
	json_t *checks;
	bool bad;
};

static void add(struct doctor *d, const char *name, const char *level,
		const char *text, const char *fix)
{
	d->bad = d->bad || strcmp(level, "bad") == 0;
	json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s, s:s}",
						   "name", name, "level", level,
						   "text", text, "fix", fix));
}

static void kernel(struct doctor *d)
{
	const struct kernel_facts *f = datapath_facts();
	char text[200];

	snprintf(text, sizeof(text), "%s, tc by %s, XDP %s", f->release,
		 f->tcx ? "tcx links" : "clsact filters",
		 f->xdp_frags ? "with frags" : "without frags");
	add(d, "kernel", "ok", text, "");
	if (!f->tcx)
		add(d, "kernel lacks", "note",
		    "tcx (Linux 6.6): clsact filters "
		    "carry the programs, with the same verdicts",
		    "");
	if (!f->xdp_frags)
		add(d, "kernel lacks", "note",
		    "XDP frags (Linux 5.18): where frames are "
		    "larger than a page, tc judges alone",
		    "");
	if (f->memlock_limited)
		add(d, "memlock", "bad",
		    "RLIMIT_MEMLOCK is finite and this "
		    "kernel (before 5.11) counts maps against it",
		    "LimitMEMLOCK=infinity in moatd.service");
}

static void degraded(struct doctor *d)
{
	json_t *list = agent_degraded(d->agent);
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		add(d, "enforcement", "bad", json_string_value(one),
		    "moat status shows each interface and why");
	if (!json_array_size(list))
		add(d, "enforcement", "ok",
		    "every selected interface carries "
		    "our programs, first on their hooks",
		    "");
	json_decref(list);
}

/* Whose program it is that won't let ours be first. */
static void order(struct doctor *d)
{
	const struct agent *a = d->agent;
	const struct iface *i;
	char text[300], fix[200], who[AHEAD_TEXT];
	int hook;

	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++) {
		for (hook = 0; hook < ATTACH_XDP; hook++) {
			const struct ahead *s = &i->ahead[hook];

			if (!i->selection.taken || !ahead_contested(s))
				continue;
			snprintf(text, sizeof(text),
				 "%s: %s insists on being first on %s",
				 i->link.name, ahead_who(s, who),
				 hook ? "egress" : "ingress");
			snprintf(
				fix, sizeof(fix),
				strncmp(s->name, "moat_tc_", 8) ?
					"bpftool prog show id %u says whose it "
					"is: stop it, or have it attach behind "
					"ours" :
					"program %u is another moatd's: stop "
					"one of the two, then moatd "
					"--detach-all with its configuration",
				s->prog_id);
			add(d, "order", "bad", text, fix);
		}
	}
}

static void policy(struct doctor *d)
{
	const struct agent *a = d->agent;
	size_t i, unassigned = 0;
	char text[200];

	for (i = 0; i < a->nlocals; i++)
		unassigned += local_needs_group(&a->locals[i]);
	snprintf(text, sizeof(text), "%zu local addresses are in no group",
		 unassigned);
	if (a->current && unassigned)
		add(d, "addresses", "note", text, "moat status lists them");
	if (a->policy_file_differs)
		add(d, "policy file", "note",
		    "the configured file is not the "
		    "policy in force",
		    "moat push it, or systemctl reload "
		    "moatd");
	if (a->config->max_mode_audit)
		add(d, "max_mode", "note",
		    "max_mode: audit: nothing is "
		    "dropped on this host",
		    "take it out of moatd.yaml when "
		    "the counters look right");
	if (!agent_failsafe_peers(a->config))
		add(d, "failsafe", "note",
		    "no failsafe is configured: a bad "
		    "policy can lock you out",
		    "failsafe: in moatd.yaml");
}

static void not_seen(struct doctor *d)
{
	struct rdma_device devices[64];
	size_t i, n = rdma_devices(devices, ARRAY_SIZE(devices));
	char text[200];

	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text),
			 "%s: RDMA traffic passes none of "
			 "our hooks",
			 devices[i].name);
		add(d, "rdma", "note", text, "limit it in the fabric");
	}
}

static const char *driver_risk(const struct iface *i)
{
	if (strcmp(i->link.kind, "veth") == 0)
		return "turns off TSO of the peer";
	return i->link.carrier ? "may reset queues and flap the link" :
				 "there is no carrier, so nothing to lose";
}

static void xdp(struct doctor *d)
{
	const struct agent *a = d->agent;
	bool held = a->config->xdp != XDP_MODE_NONE && boots_held(&a->boots);
	const struct iface *i;
	char text[300];

	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++) {
		if (!i->selection.taken || !i->ether)
			continue;
		if (i->hook[ATTACH_XDP].ours)
			snprintf(text, sizeof(text), "%s: XDP is attached",
				 i->link.name);
		else
			snprintf(text, sizeof(text),
				 "%s: no XDP (%s); a "
				 "native attach %s",
				 i->link.name, i->xdp_why, driver_risk(i));
		add(d, "xdp", held ? "note" : "ok", text,
		    held ? "mend the cause, then moatd --retry-xdp" : "");
	}
}

static void sockets(struct doctor *d)
{
	const struct agent *a = d->agent;
	char text[200];

	if (ctl_server_group_known(a->ctl))
		return;
	snprintf(text, sizeof(text),
		 "group %s does not exist, the sockets "
		 "belong to root alone",
		 a->config->control_group);
	add(d, "control socket", "note", text, "groupadd -r moat");
}

json_t *agent_doctor(struct agent *a)
{
	struct doctor d = { .agent = a, .checks = json_array() };
	json_t *reply = ctl_ok();

	kernel(&d);
	degraded(&d);
	order(&d);
	policy(&d);
	not_seen(&d);
	xdp(&d);
	sockets(&d);
	json_object_set_new(reply, "checks", d.checks);
	if (d.bad)
		json_object_set_new(reply, "code", json_integer(CTL_NO));
	return reply;
}
