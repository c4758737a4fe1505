// SPDX-License-Identifier: BSD-2-Clause
/* never: which service two rows let by, and how that is told. */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>

#include "compile/never_private.h"
#include "compile/packet.h"
#include "moat/image.h"

/* Where in a row a service stands; UNJUDGED has one entry. */
static __u32 entry_of(const struct prover *v, __u32 row, __u32 service)
{
	const __u32 *starts;
	__u32 low = 0, end;

	if (row == UNJUDGED)
		return 0;
	starts = row_starts(&v->rows, row);
	end = v->rows.row[row].count;
	while (end - low > 1) {
		__u32 mid = (low + end) / 2;

		if (starts[mid] <= service)
			low = mid;
		else
			end = mid;
	}
	return low;
}

static bool allows(const struct prover *v, __u32 row, __u32 service,
		   __u32 profile)
{
	__u32 cell;

	if (row == UNJUDGED)
		return true;
	cell = row_cells(&v->rows, row)[entry_of(v, row, service)];
	if (cell & MOAT_CELL_DENY)
		return false;
	return !v->profiles.item[profile].ngroups ||
	       MOAT_CELL_SG(cell) != MOAT_CELL_NONE;
}

static __u32 next_start(const struct prover *v, __u32 row, __u32 service)
{
	__u32 entry = entry_of(v, row, service) + 1;

	if (row == UNJUDGED || entry >= v->rows.row[row].count)
		return MOAT_SERVICE_END;
	return row_starts(&v->rows, row)[entry];
}

/*
 * The first service from here on that can open a flow in this family: no ICMP
 * of the other, no replies, errors or redirects.
 */
static __u32 next_opening(__u32 service, int family)
{
	struct probe p = { .family = family == FAMILY4 ? 4 : 6 };

	for (;;) {
		p.proto = (int)(service >> 16);
		p.type = (uint8_t)(service >> 8);
		if (p.proto <= 255 && !packet_possible(p.family, p.proto))
			service = MOAT_SERVICE(p.proto + 1, 0);
		else if (packet_shape_of(&p) != SHAPE_OPENING)
			service = (service & ~0xffu) + 0x100;
		else
			return service;
	}
}

bool never_service(const struct prover *v, const struct violation *pair,
		   __u32 *ret)
{
	int family = v->space->classes[pair->from].family;
	__u32 from = v->profiles.of[pair->from], to = v->profiles.of[pair->to];

	for (size_t i = 0; i < v->services.count; i++) {
		__u32 s = v->services.item[i].first, a, b;

		for (;;) {
			s = next_opening(s, family);
			if (s > v->services.item[i].last)
				break;
			if (allows(v, pair->egress, s, from) &&
			    allows(v, pair->ingress, s, to)) {
				*ret = s;
				return true;
			}
			a = next_start(v, pair->egress, s);
			b = next_start(v, pair->ingress, s);
			s = a < b ? a : b;
			if (s >= MOAT_SERVICE_END)
				break;
		}
	}
	return false;
}

/* An address of the class, not the one at without. */
static struct moat_addr example(const struct space *s, __u32 class,
				const struct moat_addr *without)
{
	const struct addr_class *c = &s->classes[class];
	const struct segment *seg = s->segments[c->family];
	struct moat_addr a = c->first;

	if (!without || !addr_equal(&a, without))
		return a;
	for (int i = 15; i >= 0 && !++a.b[i]; i--)
		;
	if (space_class_of(s, &a) == class)
		return a;
	/* Its first piece is one address: take the next piece. */
	for (size_t i = 0, met = 0; i < s->nsegments[c->family]; i++)
		if (seg[i].class == class && met++)
			return segment_address(&seg[i], c->family);
	return a;
}

static char *print_service(__u32 service, char buf[64])
{
	int proto = (int)(service >> 16);
	char number[8];
	const char *name = proto_print(proto, number);

	if (proto_has_ports(proto))
		snprintf(buf, 64, "%s/%u", name, service & 0xffff);
	else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		snprintf(buf, 64, "%s type %u code %u", name,
			 service >> 8 & 0xff, service & 0xff);
	else if (name != number)
		snprintf(buf, 64, "%s", name);
	else
		snprintf(buf, 64, "protocol %d", proto);
	return buf;
}

/* Who lets it pass at one end. */
static char *print_rule(const struct prover *v, __u32 row, __u32 service,
			char buf[RULE_TEXT])
{
	__u32 cell, rule;

	if (row == UNJUDGED) {
		snprintf(buf, RULE_TEXT,
			 "in no group and under no network ACL");
		return buf;
	}
	cell = row_cells(&v->rows, row)[entry_of(v, row, service)];
	rule = MOAT_CELL_SG(cell);
	if (rule == MOAT_CELL_NONE)
		rule = MOAT_CELL_NACL(cell);
	else if (cell & MOAT_CELL_LIMITED)
		rule = v->rows.chain[v->rows.chain_at[rule] + 1];
	return plan_rule_text(&v->plan->rules[rule], buf);
}

void never_say(const struct prover *v, const struct policy_never *n,
	       const struct violation *bad, struct diags *diags)
{
	struct moat_addr from = example(v->space, bad->from, NULL);
	struct moat_addr to = example(v->space, bad->to, &from);
	char a[ADDR_TEXT], b[ADDR_TEXT], service[64];
	char out[RULE_TEXT], in[RULE_TEXT];

	diag_error(
		diags, n->pos,
		"never is broken%s%s%s: %s may open %s to %s (sender: %s; receiver: %s)",
		n->description ? " (" : "",
		n->description ? n->description : "", n->description ? ")" : "",
		addr_print(&from, a), print_service(bad->service, service),
		addr_print(&to, b),
		print_rule(v, bad->egress, bad->service, out),
		print_rule(v, bad->ingress, bad->service, in));
}
