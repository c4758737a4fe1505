// SPDX-License-Identifier: BSD-2-Clause
/* Reference and image engine side by side: see engines.h. */
#include "engines.h"

#include <stdio.h>
#include <string.h>

#include "reference/reference.h"

const char *const engine_names[ENGINE_COUNT] = { "reference", "image" };

static void complain(const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++)
		fprintf(stderr, "compiler: %s\n", diags->items[i].text);
}

bool engines_open(struct engines *e, const struct policy *p,
		  const struct config *c, const struct moat_addr *hosts,
		  size_t nhosts)
{
	struct compile_stats stats;
	struct compile_input in = {
		.policy = p, .config = c, .hosts = hosts, .nhosts = nhosts
	};
	struct diags diags = { 0 };

	memset(e, 0, sizeof(*e));
	e->policy = p;
	e->config = c;
	in.slots = &e->slots;
	e->image = image_compile(&in, &stats, &diags);
	if (!e->image) {
		complain(&diags);
		diags_free(&diags);
		slots_free(&e->slots);
		return false;
	}
	diags_free(&diags);
	e->view.header = &e->image->header;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		e->view.part[i] = e->image->part[i];
	e->view.slots = &e->slots;
	e->view.config = c;
	return true;
}

void engines_close(struct engines *e)
{
	image_free(e->image);
	slots_free(&e->slots);
	memset(e, 0, sizeof(*e));
}

void engines_judge(const struct engines *e, enum engine which,
		   const struct probe *probe, struct answer *ret)
{
	if (which == ENGINE_REFERENCE)
		reference_judge(e->policy, e->config, probe, ret);
	else
		image_judge(&e->view, probe, ret);
}

bool answers_equal(const struct answer *a, const struct answer *b)
{
	return a->verdict == b->verdict && a->reason == b->reason &&
	       !strcmp(a->rule, b->rule);
}

char *probe_print(const struct probe *probe, char *buf, size_t len)
{
	char local[ADDR_TEXT], remote[ADDR_TEXT], proto[8];
	int n = snprintf(buf, len, "%s v%d local %s remote %s %s",
			 probe->direction == MOAT_INGRESS ? "ingress" :
							    "egress",
			 probe->family, addr_print(&probe->local, local),
			 addr_print(&probe->remote, remote),
			 proto_print(probe->proto, proto));

	if (n < 0 || (size_t)n >= len)
		return buf;
	if (proto_has_ports(probe->proto))
		n += snprintf(buf + n, len - (size_t)n, " %u>%u", probe->sport,
			      probe->dport);
	else
		n += snprintf(buf + n, len - (size_t)n, " %u/%u", probe->type,
			      probe->code);
	if (probe->flags_given && (size_t)n < len)
		snprintf(buf + n, len - (size_t)n, " flags %02x", probe->flags);
	return buf;
}

char *answer_print(const struct answer *a, char *buf, size_t len)
{
	snprintf(buf, len, "%s %s %s", verdict_name(a->verdict),
		 reason_name(a->reason), a->rule);
	return buf;
}
