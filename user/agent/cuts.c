// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a push would mean for live flows: each is judged as an opening packet,
 * in the direction in which it was opened, by the image that is to come.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/addr.h"
#include "base/clock.h"
#include "reference/reference.h"

#define SLICE 4096
#define BUDGET_NS 100000000ull /* a push is to be in force in 250 ms */
#define KILL_MAX 10	       /* filters named */

struct job {
	struct image_view view;
	const struct policy *policy;
	struct config config;
	struct cuts *cuts;
	uint64_t now;	  /* jiffies */
	uint64_t stop_ns; /* 0: look at all */
};

/* The opening packet of a flow, as if it belonged to none. */
static struct probe opening_of(const struct flow_record *r)
{
	int direction = r->flow.direction;
	bool ports = proto_has_ports(r->key.proto);
	uint16_t near = ntohs(r->key.lport), far = ntohs(r->key.rport);
	struct probe p = { .direction = direction,
			   .proto = r->key.proto,
			   .local = r->key.local,
			   .remote = r->key.remote,
			   .family = addr_is_v4(&r->key.local) ? 4 : 6 };

	if (ports) {
		p.sport = direction == MOAT_EGRESS ? near : far;
		p.dport = direction == MOAT_EGRESS ? far : near;
	} else if (r->key.opener) {
		p.type = (uint8_t)(far >> 8);
		p.code = (uint8_t)far;
	}
	return p;
}

static void name_filter(struct cuts *c, const struct flow_record *r)
{
	char text[ADDR_TEXT + 16], addr[ADDR_TEXT];
	const json_t *one;
	size_t i;

	snprintf(text, sizeof(text),
		 addr_is_v4(&r->key.remote) ? "%s:%u" : "[%s]:%u",
		 addr_print(&r->key.remote, addr), flow_service_port(r));
	if (json_array_size(c->kill) >= KILL_MAX)
		return;
	json_array_foreach(c->kill, i, one)
		if (strcmp(json_string_value(one), text) == 0)
			return;
	json_array_append_new(c->kill, json_string(text));
}

/* NACLs judge every packet, of both directions, from the switch on. */
static bool nacl_cuts(const struct job *j, const struct probe *p,
		      const struct answer *opening)
{
	struct answer reply;

	if (opening->verdict == MOAT_DROP)
		return opening->reason == MOAT_REASON_NACL_DENY;
	return j->policy->nnacls &&
	       !reference_reply(j->policy, &j->config, p, &reply) &&
	       reply.verdict == MOAT_DROP;
}

static bool judge_flow(const struct flow_record *r, void *arg)
{
	struct answer opening;
	struct job *j = arg;
	struct probe p;

	if (j->stop_ns && clock_boot_ns() > j->stop_ns) {
		j->cuts->complete = false;
		return false;
	}
	if (r->flow.expires <= j->now || (r->flow.marks & MOAT_MARK_PROMOTED) ||
	    (r->flow.word & MOAT_WORD_FAILSAFE))
		return true;
	p = opening_of(r);
	image_judge(&j->view, &p, &opening);
	/* NACLs apply at once; groups as the flow's own group says. */
	if (nacl_cuts(j, &p, &opening) ||
	    (opening.verdict == MOAT_DROP &&
	     (r->flow.word & MOAT_WORD_REEVALUATE))) {
		j->cuts->cut++;
	} else if (opening.verdict == MOAT_DROP) {
		j->cuts->by_state++;
		name_filter(j->cuts, r);
	}
	return true;
}

int agent_count_cuts(struct agent *a, const struct held *h,
		     const struct compiled *c, bool all, struct cuts *ret)
{
	static const enum moat_table tables[] = {
		MOAT_TABLE_FLOWS,
		MOAT_TABLE_UDP,
		MOAT_TABLE_OTHER,
	};
	struct job j = { .cuts = ret,
			 .config = *a->config,
			 .policy = h->policy };
	size_t i;
	int part, r = 0;

	/* The image has it, the judge of replies has to be told. */
	j.config.max_mode_audit |= h->record->audit;
	*ret = (struct cuts){ .complete = true, .kill = json_array() };
	j.view = (struct image_view){ .header = &c->image->header,
				      .slots = &c->slots,
				      .config = &j.config };
	for (part = 0; part < MOAT_PART_COUNT; part++)
		j.view.part[part] = c->image->part[part];
	j.now = datapath_jiffies(a->dp);
	j.stop_ns = all ? 0 : clock_boot_ns() + BUDGET_NS;
	for (i = 0; i < ARRAY_SIZE(tables) && ret->complete && r >= 0; i++) {
		struct flow_slice slice = { .table = tables[i],
					    .max = SLICE,
					    .fn = judge_flow,
					    .arg = &j };

		do {
			r = flows_walk(a->dp, &slice);
		} while (r > 0);
	}
	ret->complete = ret->complete && r >= 0;
	return r < 0 ? r : 0;
}
