// SPDX-License-Identifier: BSD-2-Clause
/* Packets of explain through the programs themselves. */
#include "agent/explainer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wire.h"
#include "base/clock.h"
#include "kern/run.h"

#define LOOPBACK 1 /* the device that TEST_RUN lends */
#define TABLE_ENTRIES 64

struct explainer {
	struct datapath *dp;
	uint64_t used_ns;
	/* Whose image it has; a change of members keeps live. */
	uint32_t generation;
	const struct live *live;
};

void agent_end_explain(struct agent *a)
{
	if (a->explainer)
		datapath_close(a->explainer->dp);
	free(a->explainer);
	a->explainer = NULL;
}

void agent_rest_explain(struct agent *a)
{
	const struct explainer *e = a->explainer;

	if (e &&
	    clock_boot_ns() - e->used_ns > EXPLAINER_SECONDS * 1000000000ull)
		agent_end_explain(a);
}

/* ---- setting up ---- */

static int fill_failsafe(struct agent *a, struct datapath *dp)
{
	struct agent other = { .config = a->config, .dp = dp };

	return agent_set_failsafe(&other);
}

/* As large as this image: what is kept is memory of this host. */
static json_t *open_for(struct agent *a, const struct moat_image *header)
{
	struct explainer *e = calloc(1, sizeof(*e));
	struct datapath_settings s;
	const char *why = "";
	int i, r;

	if (!e)
		return ctl_error(CTL_REFUSED, "explain: %s", strerror(ENOMEM));
	a->explainer = e;
	agent_settings(a->config, &s);
	for (i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = TABLE_ENTRIES;
	memcpy(s.part_bytes, header->used, sizeof(s.part_bytes));
	s.rule_slots = header->nslots;
	s.trace = true;
	s.one_by_one = true;
	r = datapath_open(&s, &e->dp, &why);
	if (r) {
		agent_end_explain(a);
		return ctl_error(CTL_REFUSED, "explain: %s", why);
	}
	r = fill_failsafe(a, e->dp);
	if (!r)
		return NULL;
	agent_end_explain(a);
	return ctl_error(CTL_REFUSED, "explain: %s", strerror(-r));
}

/* The switch writes into the header, and the image may be another's. */
static int fill(struct agent *a, const struct image *image, uint32_t generation)
{
	struct explainer *e = a->explainer;
	struct image copy = *image;
	uint32_t number;
	int r;

	if (generation && e->generation == generation && e->live == a->live)
		return 0;
	e->generation = 0;
	r = store_push(e->dp, &copy, 0, &number);
	if (!r) {
		e->generation = generation;
		e->live = a->live;
	}
	return r;
}

json_t *explainer_take(struct agent *a, const struct image *image,
		       uint32_t generation)
{
	const struct moat_image *h = &image->header;
	json_t *error = NULL;
	int r;

	if (a->explainer &&
	    (!a->explainer->used_ns ||
	     !datapath_fits(a->explainer->dp, h->used, h->nslots)))
		agent_end_explain(a);
	if (!a->explainer)
		error = open_for(a, h);
	if (!a->explainer)
		return error;
	a->explainer->used_ns = clock_boot_ns();
	r = fill(a, image, generation);
	if (!r)
		return NULL;
	agent_end_explain(a);
	return ctl_error(CTL_REFUSED, "explain: %s", strerror(-r));
}

/* ---- judging ---- */

/* local is taken as the only address of this host (F43). */
static int set_local(struct datapath *dp, const struct probe *p)
{
	struct own_entry own = { p->local, { .ifindex = LOOPBACK } };
	struct moat_iface iface = {
		.ifindex = LOOPBACK,
		.flags = MOAT_IFACE_ETHER | MOAT_IFACE_SELECTED,
	};
	int r;

	if (p->family == 4)
		iface.first4 = p->local;
	else
		iface.first6 = p->local;
	r = datapath_set_own(dp, &own, 1);
	return r ? r : datapath_set_ifaces(dp, &iface, 1);
}

static int run(struct datapath *dp, const struct probe *p,
	       struct run_result *ret)
{
	unsigned char frame[WIRE_MAX];
	struct run_packet packet = {
		.hook = p->direction == MOAT_INGRESS ? ATTACH_TC_INGRESS :
						       ATTACH_TC_EGRESS,
		.frame = frame,
		.ifindex = LOOPBACK,
	};
	int r = set_local(dp, p);

	/* Many packets take longer than an agent is taken to live. */
	datapath_heartbeat(dp);
	packet.len = wire_build(p, frame);
	if (!r)
		r = run_packet(dp, &packet, ret);
	/* The next packet meets no flow of this one. */
	return r ? r : flows_clear(dp);
}

int explainer_judge(struct agent *a, const struct probe *p,
		    const struct slots *slots, struct answer *ret)
{
	struct explainer *e = a->explainer;
	struct run_result result;
	int r = run(e->dp, p, &result);

	if (r) {
		/* What it left behind is not for the next request. */
		e->used_ns = 0;
		return r;
	}
	*ret = (struct answer){
		.verdict = (enum moat_verdict)result.trace.verdict,
		.reason = (enum moat_reason)result.trace.reason
	};
	if (ret->reason == MOAT_REASON_FAILSAFE)
		snprintf(ret->rule, sizeof(ret->rule), "failsafe/%u",
			 result.trace.failsafe);
	else
		slot_name(slots, result.trace.slot, ret->rule,
			  sizeof(ret->rule));
	return 0;
}
