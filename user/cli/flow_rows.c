// SPDX-License-Identifier: BSD-2-Clause
/* Flows of the agent as rows of tables and as VPC flow log lines. */
#include "cli/flow_rows.h"

#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"

const struct column flow_columns[] = {
	{ "proto", "protocol" },  { "local", "local" },
	{ "remote", "remote" },	  { "dir", "dir" },
	{ "state", "state" },	  { "rule", "credit" },
	{ "packets", "packets" }, { "bytes", "bytes", COLUMN_BYTES },
};
const size_t nflow_columns = ARRAY_SIZE(flow_columns);

static const char *text(const json_t *flow, const char *key)
{
	const char *value = json_string_value(json_object_get(flow, key));

	return value ? value : "-";
}

static json_int_t number(const json_t *flow, const char *key)
{
	return json_integer_value(json_object_get(flow, key));
}

static bool has_ports(const json_t *flow)
{
	return proto_has_ports(proto_parse(text(flow, "protocol")));
}

static json_t *endpoint(const json_t *flow, const char *address,
			const char *port)
{
	const char *a = text(flow, address);

	if (!has_ports(flow))
		return json_string(a);
	return json_sprintf(strchr(a, ':') ? "[%s]:%d" : "%s:%d", a,
			    (int)number(flow, port));
}

/* The rule that let it in; else why it passes or does not. */
static json_t *credit(const json_t *flow)
{
	const char *rule = json_string_value(json_object_get(flow, "rule"));
	const char *verdict = text(flow, "verdict");

	if (!rule || !*rule)
		rule = text(flow, "reason");
	if (!strcmp(verdict, "allow"))
		return json_string(rule);
	return json_sprintf("%s: %s", verdict, rule);
}

json_t *flow_row(const json_t *flow)
{
	bool in = !strcmp(text(flow, "direction"), "ingress");

	return json_pack(
		"{s:s,s:o,s:o,s:s,s:s,s:s,s:o,s:I,s:I}", "protocol",
		text(flow, "protocol"), "local",
		endpoint(flow, "local", "local_port"), "remote",
		endpoint(flow, "remote", "remote_port"), "dir",
		in ? "in" : "out", "state", text(flow, "state"), "verdict",
		text(flow, "verdict"), "credit", credit(flow), "packets",
		number(flow, "packets_in") + number(flow, "packets_out"),
		"bytes", number(flow, "bytes_in") + number(flow, "bytes_out"));
}

static void print_direction(FILE *out, const json_t *flow, int64_t now, bool in)
{
	bool ports = has_ports(flow);
	json_int_t local = ports ? number(flow, "local_port") : 0;
	json_int_t remote = ports ? number(flow, "remote_port") : 0;
	json_int_t packets = number(flow, in ? "packets_in" : "packets_out");

	if (!packets)
		return;
	fprintf(out, "2 - %s %s %s %lld %lld %d %lld %lld %lld %lld %s OK\n",
		text(flow, in ? "interface_in" : "interface_out"),
		text(flow, in ? "remote" : "local"),
		text(flow, in ? "local" : "remote"),
		(long long)(in ? remote : local),
		(long long)(in ? local : remote),
		proto_parse(text(flow, "protocol")), (long long)packets,
		(long long)number(flow, in ? "bytes_in" : "bytes_out"),
		(long long)(now - number(flow, "age_seconds")), (long long)now,
		strcmp(text(flow, "verdict"), "drop") ? "ACCEPT" : "REJECT");
}

void flow_print_vpc(FILE *out, const json_t *flow, int64_t now_seconds)
{
	print_direction(out, flow, now_seconds, true);
	print_direction(out, flow, now_seconds, false);
}
