// SPDX-License-Identifier: BSD-2-Clause
/* The /metrics page, line by line and as the official parser sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "svc/metrics.h"

static struct iface_stats stats;
static struct moat_totals totals;

static const struct metrics_rule rules[] = {
	{ false,
	  false,
	  MOAT_INGRESS,
	  "trainers",
	  "ssh",
	  { { 10, 840 }, 3, 2, { 1, 60 } } },
	{ true,
	  true,
	  MOAT_EGRESS,
	  "front",
	  "100",
	  { { 7, 700 }, 0, 0, { 2, 80 } } },
	{ true,
	  false,
	  MOAT_INGRESS,
	  "front",
	  "110",
	  { { 5, 50 }, 0, 0, { 0, 0 } } },
};
static const struct metrics_iface ifaces[] = {
	{ "eth0", { "tcx", "tcx", NULL }, true, &stats },
	{ "we\"ird\\\n\xff\xc3\xa9",
	  { NULL, "clsact", "generic" },
	  false,
	  NULL },
};
static const struct metrics_table tables[] = {
	{ .name = "flows", .entries = 12, .limit = 1024, .counted = true },
	{ .name = "udp", .limit = 512 },
};
static const struct map_bytes maps[] = { { "flows", 4096, 1024 } };
static const struct ethertype_count types[] = { { 0x0806, { 9, 252 } } };
static const struct metrics_device devices[] = { { "mlx5_0", "rdma" } };
static const struct metrics_peer peers[] = {
	{ "trainers", "storage", MOAT_EGRESS, MOAT_ALLOW, { 3, 300 } },
};

static void fill(struct metrics_snapshot *s)
{
	stats.direction[MOAT_INGRESS].count[MOAT_REASON_ESTABLISHED] =
		(struct moat_count){ 1000, 1 << 20 };
	stats.direction[MOAT_EGRESS].count[MOAT_REASON_SG_NO_MATCH] =
		(struct moat_count){ 4, 240 };
	stats.direction[MOAT_EGRESS].would_drop[MOAT_REASON_SG_NO_MATCH] =
		(struct moat_count){ 6, 360 };
	totals.refused[MOAT_TABLE_FLOWS][MOAT_REFUSAL_FULL] = 11;
	totals.created[MOAT_TABLE_UDP] = 13;
	totals.denied_suppressed = 17;
	*s = (struct metrics_snapshot){
		.version = "0.1.0",
		.config_sha256 = "abc",
		.policy = "gpu-cluster",
		.revision = "r1",
		.mode = "audit",
		.generation = 7,
		.last_push_ok = true,
		.last_push_time = 1700000000.5,
		.confirm_deadline = 1700000060,
		.policy_file_differs = true,
		.unassigned_addresses = 2,
		.failsafe_peers = 6,
		.drift_repairs = 3,
		.xdp_held_off = true,
		.xdp_unclean_boots = 2,
		.image_bytes = 12345,
		.totals = &totals,
		.killed = 19,
		.upkeep = { 41, 42, 1.5, 12.5, 0.25, { { 44, 0, 0, 45 }, 43 } },
		.ifaces = ifaces,
		.nifaces = ARRAY_SIZE(ifaces),
		.rules = rules,
		.nrules = ARRAY_SIZE(rules),
		.peers = peers,
		.npeers = ARRAY_SIZE(peers),
		.tables = tables,
		.ntables = ARRAY_SIZE(tables),
		.maps = maps,
		.nmaps = ARRAY_SIZE(maps),
		.ethertypes = types,
		.nethertypes = ARRAY_SIZE(types),
		.unenforced = devices,
		.nunenforced = ARRAY_SIZE(devices),
		.process = { 1.5, 1.7e9, 1 << 20, 2 << 20, 30, 1024 },
	};
	s->pushes[METRICS_PUSH_APPLIED] = 4;
	s->expired[METRICS_EXPIRY_RESET] = 23;
}

static const char *const page_text[] = {
	"moat_build_info{version=\"0.1.0\"} 1\n",
	"moat_config_info{sha256=\"abc\"} 1\n",
	"moat_policy_info{policy=\"gpu-cluster\",revision=\"r1\","
	"mode=\"audit\"} 1\n",
	"\nmoat_policy_generation 7\n",
	"\nmoat_policy_last_push_timestamp_seconds 1700000000.5\n",
	"moat_policy_pushes_total{result=\"applied\"} 4\n",
	"\nmoat_policy_file_differs 1\n",
	"\nmoat_xdp_held_off 1\n",
	"\nmoat_xdp_unclean_boots 2\n",
	"\nmoat_confirm_deadline_timestamp_seconds 1700000060\n",
	"moat_interface_attached{interface=\"eth0\",hook=\"tc-ingress\""
	",attach=\"tcx\"} 1\n",
	"moat_interface_attached{interface=\"eth0\",hook=\"xdp\","
	"attach=\"none\"} 0\n",
	"moat_interface_enforcing{interface=\"eth0\"} 1\n",
	"moat_interface_enforcing{interface=\"we\\\"ird\\\\\\n?\xc3\xa9"
	"\"} 0\n",
	"moat_packets_total{interface=\"eth0\",direction=\"ingress\","
	"verdict=\"allow\",reason=\"established\"} 1000\n",
	"moat_bytes_total{interface=\"eth0\",direction=\"ingress\","
	"verdict=\"allow\",reason=\"established\"} 1048576\n",
	"moat_packets_total{interface=\"eth0\",direction=\"egress\","
	"verdict=\"drop\",reason=\"sg-no-match\"} 4\n",
	"moat_packets_total{interface=\"eth0\",direction=\"egress\","
	"verdict=\"would-drop\",reason=\"sg-no-match\"} 6\n",
	"moat_rule_packets_total{layer=\"sg\",group=\"trainers\","
	"rule=\"ssh\",direction=\"ingress\",verdict=\"allow\"} 10\n",
	"moat_rule_packets_total{layer=\"nacl\",group=\"front\","
	"rule=\"100\",direction=\"egress\",verdict=\"drop\"} 7\n",
	"moat_rule_bytes_total{layer=\"nacl\",group=\"front\","
	"rule=\"100\",direction=\"egress\",verdict=\"would-drop\"} 80\n",
	"moat_rule_connections_total{layer=\"sg\",group=\"trainers\","
	"rule=\"ssh\",direction=\"ingress\",verdict=\"allow\"} 3\n",
	"moat_rule_rate_limited_total{layer=\"sg\",group=\"trainers\","
	"rule=\"ssh\",direction=\"ingress\"} 2\n",
	"moat_peer_bytes_total{group=\"trainers\",peer=\"storage\","
	"direction=\"egress\",verdict=\"allow\"} 300\n",
	"moat_table_entries{table=\"flows\"} 12\n",
	"moat_table_limit{table=\"flows\"} 1024\n",
	"moat_table_limit{table=\"udp\"} 512\n",
	"moat_flow_refused_total{table=\"flows\",reason=\"full\"} 11\n",
	"moat_flows_created_total{table=\"udp\"} 13\n",
	"moat_flows_expired_total{reason=\"reset\"} 23\n",
	"moat_flows_expired_total{reason=\"killed\"} 19\n",
	"\nmoat_walks_total 41\n",
	"\nmoat_walk_failures_total 42\n",
	"\nmoat_walk_undeleted_total 43\n",
	"moat_walk_retries_total{reason=\"busy\"} 44\n",
	"moat_walk_retries_total{reason=\"space\"} 45\n",
	"\nmoat_walk_cpu_seconds_total 1.5\n",
	"\nmoat_walk_duration_seconds 12.5\n",
	"\nmoat_walk_longest_slice_seconds 0.25\n",
	"\nmoat_events_suppressed_total 17\n",
	"moat_map_bytes{map=\"flows\"} 4096\n",
	"moat_non_ip_packets_total{ethertype=\"0x0806\"} 9\n",
	"moat_unenforced_device{device=\"mlx5_0\",kind=\"rdma\"} 1\n",
	"\nprocess_cpu_seconds_total 1.5\n",
};

static void page_lines(void **state)
{
	struct metrics_snapshot s;
	struct buf out = { 0 };
	size_t i;

	fill(&s);
	assert_int_equal(metrics_format(&s, &out), 0);
	for (i = 0; i < ARRAY_SIZE(page_text); i++)
		if (!strstr(out.data, page_text[i]))
			fail_msg("not in the page: %s", page_text[i]);
	/* A rule's NACL side has no connections, an interface without
	 * counters no packets, a table that is not yet counted no entries. */
	assert_null(strstr(out.data, "moat_table_entries{table=\"udp"));
	assert_null(
		strstr(out.data, "moat_rule_connections_total{layer=\"nacl\""));
	assert_null(strstr(out.data, "moat_packets_total{interface=\"we"));
	buf_free(&out);
}

static void parser_is_content(void **state)
{
	struct metrics_snapshot s;
	struct buf out = { 0 };
	FILE *f;

	fill(&s);
	assert_int_equal(metrics_format(&s, &out), 0);
	f = popen("/usr/bin/python3 " MOAT_SOURCE_DIR
		  "/tests/support/check_page.py",
		  "w");
	assert_non_null(f);
	assert_int_equal(fwrite(out.data, 1, out.len, f), out.len);
	assert_int_equal(pclose(f), 0);
	buf_free(&out);
}

/* Without a policy there is no policy_info series, and nothing crashes. */
static void nothing_in_force(void **state)
{
	struct metrics_snapshot s = { .version = "0", .config_sha256 = "" };
	struct buf out = { 0 };

	assert_int_equal(metrics_format(&s, &out), 0);
	assert_null(strstr(out.data, "moat_policy_info{"));
	assert_non_null(strstr(out.data, "\nmoat_policy_generation 0\n"));
	assert_null(strstr(out.data, "moat_flow_refused_total{"));
	buf_free(&out);
}

static void histogram_is_cumulative(void **state)
{
	struct metrics_snapshot s = { .version = "0", .config_sha256 = "" };
	struct buf out = { 0 };

	metrics_observe(&s.push_seconds, 0.005);
	metrics_observe(&s.push_seconds, 0.2);
	metrics_observe(&s.push_seconds, 60);
	assert_int_equal(metrics_format(&s, &out), 0);
	assert_non_null(strstr(out.data, "_seconds_bucket{le=\"0.005\"} 1\n"));
	assert_non_null(strstr(out.data, "_seconds_bucket{le=\"0.1\"} 1\n"));
	assert_non_null(strstr(out.data, "_seconds_bucket{le=\"0.25\"} 2\n"));
	assert_non_null(strstr(out.data, "_seconds_bucket{le=\"5\"} 2\n"));
	assert_non_null(strstr(out.data, "_seconds_bucket{le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(out.data, "_duration_seconds_count 3\n"));
	assert_non_null(strstr(out.data, "_duration_seconds_sum 60.20"));
	buf_free(&out);
}

/* One series for each reason, direction and side of the verdict: the page's
 * size is set by the lists, not by what was counted. */
static void every_reason_has_its_series(void **state)
{
	static const char name[] = "\nmoat_packets_total{";
	struct metrics_snapshot s;
	struct buf out = { 0 };
	int drops = 0, passes = 0, n = 0;
	const char *p;

#define X(symbol, text, layer, kind) \
	if (MOAT_KIND_##kind == MOAT_KIND_DROP) \
		drops++; \
	else \
		passes++;
	MOAT_REASONS(X)
#undef X
	fill(&s);
	assert_int_equal(metrics_format(&s, &out), 0);
	for (p = strstr(out.data, name); p; p = strstr(p + 1, name))
		n++;
	/* Without "none" and "reply-denied", which no packet leaves with. */
	assert_int_equal(n, 2 * (passes - 1 + 2 * (drops - 1)));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_lines),
		cmocka_unit_test(parser_is_content),
		cmocka_unit_test(nothing_in_force),
		cmocka_unit_test(histogram_is_cumulative),
		cmocka_unit_test(every_reason_has_its_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
