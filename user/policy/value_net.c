// SPDX-License-Identifier: BSD-2-Clause
/* Nodes to addresses, protocols, ports, durations and sizes. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "policy/value.h"

/*
 * YAML takes `- fd00::` for a mapping with the key "fd00:". True, with the
 * advice given, if that is what happened.
 */
static bool forgot_quotes(struct diags *d, const struct node *node)
{
	if (node->kind != NODE_MAPPING || node->count != 1)
		return false;

	const struct node *key = node->child;
	const char *text = key->kind == NODE_SCALAR ? key->text : "";
	size_t hex = strspn(text, "0123456789abcdefABCDEF:./");

	if (!key->plain || text[hex] || !strchr(text, ':') ||
	    !node_is_null(key->next))
		return false;
	diag_error(
		d, node_pos(node),
		"quote this value: \"%.60s:\" (a colon means something in YAML)",
		text);
	return true;
}

static const char *read_address_text(struct diags *d, const struct node *node,
				     const char *what)
{
	return forgot_quotes(d, node) ? NULL : read_text(d, node, what);
}

bool read_cidr(struct diags *d, const struct node *node, struct cidr *ret)
{
	const char *text = read_address_text(d, node, "an address or CIDR");
	char token[NODE_TOKEN], network[ADDR_TEXT];
	struct cidr cidr;

	if (!text)
		return false;
	int r = cidr_parse(text, &cidr);
	if (r == -EDOM)
		diag_error(d, node_pos(node),
			   "%s has host bits set; the network is %s",
			   node_token(node, token),
			   cidr_print(&cidr, false, network));
	else if (r)
		diag_error(d, node_pos(node), "%s is no address or CIDR",
			   node_token(node, token));
	else
		*ret = cidr;
	return !r;
}

bool read_address(struct diags *d, const struct node *node, const char *what,
		  struct moat_addr *ret, int *ret_family)
{
	const char *text = read_address_text(d, node, what);
	char token[NODE_TOKEN];

	if (!text)
		return false;
	if (!addr_parse(text, ret, ret_family))
		return true;
	diag_error(d, node_pos(node), "%s is no address",
		   node_token(node, token));
	return false;
}

int read_protocol(struct diags *d, const struct node *node)
{
	const char *text = read_text(d, node, "protocol");
	char token[NODE_TOKEN];

	if (!text)
		return -1;
	int proto = proto_parse(text);
	if (proto >= 0)
		return proto;
	if (!strcmp(text, "any"))
		diag_error(
			d, node_pos(node),
			"`any` includes every protocol and stands alone, without ports or types");
	else
		diag_error(
			d, node_pos(node),
			"%s is no protocol: any, tcp, udp, icmp, icmpv6, sctp, gre, esp, ah or 0-255",
			node_token(node, token));
	return -1;
}

/* One end of a range; says what is wrong with it. */
static bool read_port(struct diags *d, const struct node *node,
		      const char *text, size_t len, uint16_t *ret)
{
	uint64_t n;
	char token[NODE_TOKEN];

	if (parse_decimal(text, len, 65535, &n)) {
		*ret = (uint16_t)n;
		return true;
	}
	if (parse_decimal(text, len, UINT64_MAX, &n))
		diag_error(d, node_pos(node), "port %.*s is above 65535",
			   (int)len, text);
	else
		diag_error(d, node_pos(node),
			   "%s is no port or range: write N or N-M",
			   node_token(node, token));
	return false;
}

bool read_ports(struct diags *d, const struct node *node, uint16_t *ret_first,
		uint16_t *ret_last)
{
	const char *text = read_text(d, node, "a port");
	uint16_t first, last;

	if (!text)
		return false;
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : node->count;
	if (!read_port(d, node, text, len, &first))
		return false;
	last = first;
	if (dash && !read_port(d, node, dash + 1, strlen(dash + 1), &last))
		return false;
	if (first > last) {
		diag_error(d, node_pos(node),
			   "the range %u-%u is reversed; write %u-%u", first,
			   last, last, first);
		return false;
	}
	*ret_first = first;
	*ret_last = last;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* N and a unit, in the unit's base; the range is checked. */
static bool read_quantity(struct diags *d, const struct node *node,
			  const char *what, const struct unit *units,
			  uint64_t *ret)
{
	const char *text = read_text(d, node, what);
	uint64_t n;

	if (!text)
		return false;
	size_t digits = strspn(text, "0123456789");
	for (const struct unit *u = units; u->name; u++) {
		if (strcmp(text + digits, u->name) != 0 ||
		    !parse_decimal(text, digits, UINT64_MAX / u->factor, &n))
			continue;
		*ret = n * u->factor;
		return true;
	}
	return false;
}

/* A quantity as written: its units, an example for errors, its bounds and
 * what follows a bound in errors. */
struct measure {
	const struct unit *units;
	const char *example;
	const uint64_t *range;
	const char *suffix;
};

static bool read_measure(struct diags *d, const struct node *node,
			 const char *what, const struct measure *m,
			 uint64_t *ret)
{
	char token[NODE_TOKEN];
	int errors = d->errors;
	uint64_t n;

	if (!read_quantity(d, node, what, m->units, &n)) {
		if (d->errors == errors && node->kind != NODE_BAD)
			diag_error(d, node_pos(node), "%s must be a %s, not %s",
				   what, m->example, node_token(node, token));
		return false;
	}
	if (n < m->range[0] || n > m->range[1]) {
		diag_error(d, node_pos(node), "%s %s is %s %llu%s", what,
			   node_token(node, token),
			   n < m->range[0] ? "below" : "above",
			   (unsigned long long)m->range[n > m->range[0]],
			   m->suffix);
		return false;
	}
	*ret = n;
	return true;
}

bool read_duration(struct diags *d, const struct node *node, const char *what,
		   const uint64_t range[2], uint64_t *ret)
{
	static const struct unit units[] = {
		{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { 0 },
	};
	const struct measure m = { units, "time such as 90s, 10m, 2h or 5d",
				   range, "s" };

	return read_measure(d, node, what, &m, ret);
}

bool read_size(struct diags *d, const struct node *node, const char *what,
	       const uint64_t range[2], uint64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "KiB", 1u << 10 },
		{ "MiB", 1u << 20 },
		{ "GiB", 1u << 30 },
		{ 0 },
	};
	const struct measure m = { units, "size such as 64KiB, 100MiB or 2GiB",
				   range, " bytes" };

	return read_measure(d, node, what, &m, ret);
}
