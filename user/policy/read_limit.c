// SPDX-License-Identifier: BSD-2-Clause
/* limit: how many new connections a rule lets in. */
#include <string.h>

#include "policy/read.h"

#define RATE_MAX 1000000 /* new connections a second */
#define BURST_MAX 1000000

static const struct unit {
	const char *name;
	uint64_t seconds;
} units[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 } };

/*
 * "50/second" to connections per 1000 seconds, which is what a bucket's
 * clock counts in; rounded down, so that no rate is ever exceeded. N itself
 * is the burst where none is given.
 */
static bool parse_rate(const char *text, uint64_t *ret_rate, uint64_t *ret_n)
{
	size_t digits = strspn(text, "0123456789");

	if (text[digits] != '/')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text + digits + 1, units[i].name) != 0 ||
		    !parse_decimal(text, digits, UINT64_MAX / 1000, ret_n))
			continue;
		*ret_rate = *ret_n * 1000 / units[i].seconds;
		return true;
	}
	return false;
}

static bool read_rate(struct reader *r, const struct node *node,
		      struct rate_limit *ret)
{
	const char *text = read_text(r->diags, node, "new_connections");
	char token[NODE_TOKEN];
	uint64_t rate, n;

	if (!text)
		return false;
	if (!parse_rate(text, &rate, &n)) {
		diag_error(
			r->diags, node_pos(node),
			"new_connections must be N/second, N/minute or N/hour, not %s",
			node_token(node, token));
		return false;
	}
	if (!rate || rate > RATE_MAX * 1000ull) {
		diag_error(r->diags, node_pos(node),
			   rate ? "the rate %s is above %d/second" :
				  "the rate %s is below 4/hour",
			   node_token(node, token), RATE_MAX);
		return false;
	}
	ret->rate = rate;
	ret->burst = (uint32_t)(n < BURST_MAX ? n : BURST_MAX);
	return true;
}

void read_limit(struct reader *r, const struct node *node,
		struct rate_limit *ret)
{
	static const struct key_def keys[] = {
		{ "new_connections", true, NULL },
		{ "burst", false, NULL },
		{ "per", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("limit", keys);
	static const char *const per[] = { "source", "rule", NULL };
	static const uint64_t range[2] = { 1, BURST_MAX };
	struct rate_limit limit = { .present = true, .per_source = true };
	struct field f[ARRAY_SIZE(keys)];
	uint64_t burst;

	if (!read_object(r->diags, node, &def, f) || !f[0].value)
		return;
	bool ok = read_rate(r, f[0].value, &limit);
	if (f[1].value &&
	    read_number(r->diags, f[1].value, "burst", range, &burst))
		limit.burst = (uint32_t)burst;
	if (f[2].value)
		limit.per_source = read_choice(r->diags, f[2].value, "per",
					       per) == 0;
	if (ok)
		*ret = limit;
}
