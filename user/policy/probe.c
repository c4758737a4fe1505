// SPDX-License-Identifier: BSD-2-Clause
/* Names of reasons and verdicts, and the lines of explain --batch. */
#include "policy/probe.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"

static const char *const layers[MOAT_LAYER_COUNT] = {
#define X(symbol, name) [MOAT_LAYER_##symbol] = name,
	MOAT_LAYERS(X)
#undef X
};

static const struct {
	const char *name;
	enum moat_layer layer;
} reasons[MOAT_REASON_COUNT] = {
#define X(symbol, printed, in, kind) \
	[MOAT_REASON_##symbol] = { printed, MOAT_LAYER_##in },
	MOAT_REASONS(X)
#undef X
};

const char *reason_name(enum moat_reason r)
{
	return (unsigned int)r < MOAT_REASON_COUNT ? reasons[r].name : "?";
}

const char *reason_layer(enum moat_reason r)
{
	return (unsigned int)r < MOAT_REASON_COUNT ? layers[reasons[r].layer] :
						     "?";
}

const char *verdict_name(enum moat_verdict v)
{
	static const char *const names[] = MOAT_VERDICT_NAMES;

	return (unsigned int)v < MOAT_VERDICT_COUNT ? names[v] : "?";
}

int reason_from_name(const char *name)
{
	for (int r = 0; r < MOAT_REASON_COUNT; r++)
		if (!strcmp(name, reasons[r].name))
			return r;
	return -EINVAL;
}

/* Where a line's error goes. */
struct complaint {
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static int
complain(const struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, c->len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int read_direction(const json_t *v, struct probe *p,
			  const struct complaint *c)
{
	const char *text = json_string_value(v);

	if (text && !strcmp(text, "ingress"))
		p->direction = MOAT_INGRESS;
	else if (text && !strcmp(text, "egress"))
		p->direction = MOAT_EGRESS;
	else
		return complain(c, "dir must be \"ingress\" or \"egress\"");
	return 0;
}

static int read_address(const json_t *v, struct moat_addr *ret, struct probe *p,
			const struct complaint *c)
{
	const char *text = json_string_value(v);
	int family;

	if (!text || addr_parse(text, ret, &family))
		return complain(c, "%s is no address",
				text ? text : "a value that is not text");
	if (p->family && p->family != family)
		return complain(c, "local and remote are of two families");
	p->family = family;
	return 0;
}

static int read_number(const json_t *v, const char *key, int max,
		       const struct complaint *c)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    json_integer_value(v) > max)
		return complain(c, "%s must be a number from 0 to %d", key,
				max);
	return (int)json_integer_value(v);
}

static int read_proto(const json_t *v, struct probe *p,
		      const struct complaint *c)
{
	int proto = json_is_string(v) ? proto_parse(json_string_value(v)) :
					read_number(v, "proto", 255, c);

	if (proto < 0)
		return complain(
			c, "proto must be a name or a number from 0 to 255");
	p->proto = proto;
	return 0;
}

/* Letters as in tcpdump: S, SA, R; "." is A there and here. */
static int read_flags(const json_t *v, struct probe *p,
		      const struct complaint *c)
{
	static const char letters[] = "FSRPAU";
	const char *text = json_string_value(v);

	if (!text)
		return complain(c, "flags must be letters of FSRPAU");
	p->flags_given = true;
	for (; *text; text++) {
		const char *at = strchr(
			letters,
			*text == '.' ? 'A' : toupper((unsigned char)*text));
		if (!at)
			return complain(c, "flags must be letters of FSRPAU");
		p->flags |= (uint8_t)(1 << (at - letters));
	}
	return 0;
}

static int read_ports(const char *key, const json_t *v, struct probe *p,
		      const struct complaint *c)
{
	bool type = !strcmp(key, "icmp_type"), code = !strcmp(key, "icmp_code");
	int n = read_number(v, key, type || code ? 255 : 65535, c);

	if (n < 0)
		return n;
	if (type)
		p->type = (uint8_t)n;
	else if (code)
		p->code = (uint8_t)n;
	else if (!strcmp(key, "sport"))
		p->sport = (uint16_t)n;
	else
		p->dport = (uint16_t)n;
	return 0;
}

static int read_member(const char *key, const json_t *v, struct probe *p,
		       const struct complaint *c)
{
	static const char *const numbers[] = { "sport", "dport", "icmp_type",
					       "icmp_code" };

	if (!strcmp(key, "dir"))
		return read_direction(v, p, c);
	if (!strcmp(key, "local"))
		return read_address(v, &p->local, p, c);
	if (!strcmp(key, "remote"))
		return read_address(v, &p->remote, p, c);
	if (!strcmp(key, "proto"))
		return read_proto(v, p, c);
	if (!strcmp(key, "flags"))
		return read_flags(v, p, c);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(key, numbers[i]))
			return read_ports(key, v, p, c);
	return complain(c, "unknown key \"%s\"", key);
}

static void json_freep(json_t **json)
{
	json_decref(*json);
}

int probe_from_json(const char *line, struct probe *ret, char *err,
		    size_t errlen)
{
	static const char *const needed[] = { "dir", "local", "remote",
					      "proto" };
	const struct complaint c = { .text = err, .len = errlen };
	struct probe p = { 0 };
	json_error_t error;
	_cleanup_(json_freep)
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	const char *key;
	json_t *value;

	if (!json)
		return complain(&c, "not JSON: %s", error.text);
	if (!json_is_object(json))
		return complain(&c, "not a JSON object");
	json_object_foreach(json, key, value) {
		int r = read_member(key, value, &p, &c);

		if (r)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!json_object_get(json, needed[i]))
			return complain(&c, "\"%s\" is missing", needed[i]);
	*ret = p;
	return 0;
}

char *answer_to_json(const struct answer *a)
{
	_cleanup_(json_freep)
		json_t *json = json_pack("{s:s, s:s, s:s}", "verdict",
					 verdict_name(a->verdict), "reason",
					 reason_name(a->reason), "layer",
					 reason_layer(a->reason));

	if (!json)
		return NULL;
	if (*a->rule && json_object_set_new(json, "rule", json_string(a->rule)))
		return NULL;
	if (json_object_set_new(json, "generation",
				json_integer(a->generation)))
		return NULL;
	return json_dumps(json, JSON_COMPACT);
}
