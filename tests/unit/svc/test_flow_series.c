// SPDX-License-Identifier: BSD-2-Clause
/* Folding of flows: labels, the bound, and sums that are exact and only grow. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "moat/image.h"
#include "svc/flow_series.h"

static char *rule_name(unsigned int slot, char *buf, size_t len, void *arg)
{
	snprintf(buf, len, "trainers/rule%u", slot);
	return buf;
}

static struct flow_record flow(int direction, __u32 remote, unsigned int sport)
{
	struct flow_record r = { .table = MOAT_TABLE_FLOWS };
	bool in = direction == MOAT_INGRESS;

	r.key.local = addr_from_v4(0x0a140001);
	r.key.remote = addr_from_v4(remote);
	r.key.proto = 6;
	r.key.lport = htons((uint16_t)(in ? 22 : sport));
	r.key.rport = htons((uint16_t)(in ? sport : 22));
	r.flow.direction = (__u8)direction;
	r.flow.word = MOAT_WORD(1, 3, MOAT_REASON_SG_ALLOW, 0, 0, 0);
	return r;
}

static const struct moat_count five[2] = { { 2, 200 }, { 3, 300 } };

/* Sum of all series of one metric on the page. */
static __u64 sum_of(const struct flow_series *s, const char *name)
{
	struct buf out = { 0 };
	const char *p, *value;
	__u64 sum = 0;
	char start[64];

	snprintf(start, sizeof(start), "\n%s{", name);
	assert_int_equal(flow_series_format(s, &out), 0);
	for (p = strstr(out.data, start); p; p = strstr(p + 1, start)) {
		value = strstr(p, "} ");
		sum += strtoull(value + 2, NULL, 10);
	}
	buf_free(&out);
	return sum;
}

/* Series of one metric on the page, but for what is folded into "other". */
static size_t count_of(const struct flow_series *s)
{
	static const char start[] = "\nmoat_flow_packets_total{src=";
	struct buf out = { 0 };
	const char *p;
	size_t n = 0;

	assert_int_equal(flow_series_format(s, &out), 0);
	for (p = strstr(out.data, start); p; p = strstr(p + 1, start))
		n += strncmp(p + strlen(start), "\"other\"", 7) != 0;
	buf_free(&out);
	return n;
}

static void assert_line(const struct flow_series *s, const char *line)
{
	struct buf out = { 0 };

	assert_int_equal(flow_series_format(s, &out), 0);
	if (!strstr(out.data, line))
		fail_msg("no line %s in\n%s", line, out.data);
	buf_free(&out);
}

static void folds_source_ports(void **state)
{
	CLEANUP(flow_series)
	struct flow_series *s = flow_series_new(10, rule_name, NULL);
	struct flow_record r;
	unsigned int port;

	for (port = 40000; port < 40100; port++) {
		r = flow(MOAT_INGRESS, 0x0a000501, port);
		flow_series_add(s, &r, five, 1);
	}
	assert_int_equal(count_of(s), 2);
	assert_line(s, "moat_flow_packets_total{src=\"10.0.5.1\",dst=\"10.20.0"
		       ".1\",dst_port=\"22\",protocol=\"tcp\",direction="
		       "\"ingress\",verdict=\"allow\",rule=\"trainers/rule3\"} "
		       "200\n");
	assert_line(s, "moat_flow_bytes_total{src=\"10.0.5.1\",dst=\"10.20.0"
		       ".1\",dst_port=\"22\",protocol=\"tcp\",direction="
		       "\"egress\",verdict=\"allow\",rule=\"trainers/rule3\"} "
		       "30000\n");
}

static void labels_of_kinds(void **state)
{
	CLEANUP(flow_series)
	struct flow_series *s = flow_series_new(20, rule_name, NULL);
	struct flow_record r = flow(MOAT_EGRESS, 0x0a280005, 1023);

	flow_series_add(s, &r, five, 1);
	assert_line(s, "{src=\"10.20.0.1\",dst=\"10.40.0.5\",dst_port=\"22\"");
	r.flow.word = MOAT_WORD(1, MOAT_SLOT_NONE, MOAT_REASON_SG_NO_MATCH, 0,
				0, 0);
	r.table = MOAT_TABLE_DENIED;
	flow_series_add(s, &r, five, 1);
	assert_line(s, "verdict=\"drop\",rule=\"\"} ");
	r.flow.word |= MOAT_WORD_WOULD_DROP;
	flow_series_add(s, &r, five, 1);
	assert_line(s, "verdict=\"would-drop\",rule=\"\"} ");
	r.table = MOAT_TABLE_FLOWS;
	r.flow.word = MOAT_WORD(1, MOAT_SLOT_NONE, MOAT_REASON_FAILSAFE, 0, 0,
				MOAT_WORD_FAILSAFE);
	flow_series_add(s, &r, five, 1);
	assert_line(s, "verdict=\"allow\",rule=\"failsafe\"} ");
	r.key.proto = 58;
	flow_series_add(s, &r, five, 1);
	assert_line(s, "dst_port=\"0\",protocol=\"icmpv6\"");
}

static void sum_is_exact(void **state)
{
	CLEANUP(flow_series)
	struct flow_series *s = flow_series_new(7, rule_name, NULL);
	__u64 packets = 0, before = 0, now;
	struct flow_record r;
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		r = flow(i % 2, 0x0a000000 + i % 97, i);
		flow_series_add(s, &r, five, i * 1000);
		packets += 5;
		if (i % 100)
			continue;
		flow_series_age(s, i * 1000);
		now = sum_of(s, "moat_flow_packets_total");
		assert_int_equal(now, packets);
		assert_true(now >= before);
		before = now;
		assert_true(count_of(s) <= 7);
	}
	assert_int_equal(sum_of(s, "moat_flow_bytes_total"), 5000 * 500);
}

static void idle_series_make_room(void **state)
{
	CLEANUP(flow_series)
	struct flow_series *s = flow_series_new(2, rule_name, NULL);
	struct flow_record a = flow(MOAT_INGRESS, 0x0a000001, 1);
	struct flow_record b = flow(MOAT_INGRESS, 0x0a000002, 1);

	flow_series_add(s, &a, five, 0);
	flow_series_add(s, &b, five, 1000);
	assert_line(s, "{src=\"10.0.0.1\"");
	assert_line(s, "{src=\"other\",dst=\"other\",dst_port=\"other\","
		       "protocol=\"other\",direction=\"ingress\",verdict="
		       "\"allow\",rule=\"other\"} 2\n");
	flow_series_age(s, FLOW_SERIES_IDLE_MS - 1);
	assert_int_equal(count_of(s), 2);
	flow_series_age(s, FLOW_SERIES_IDLE_MS);
	assert_int_equal(count_of(s), 0);
	flow_series_add(s, &b, five, FLOW_SERIES_IDLE_MS);
	assert_line(s, "{src=\"10.0.0.2\"");
	assert_int_equal(sum_of(s, "moat_flow_packets_total"), 15);
}

static void none_at_all(void **state)
{
	CLEANUP(flow_series)
	struct flow_series *s = flow_series_new(0, rule_name, NULL);
	struct flow_record r = flow(MOAT_INGRESS, 1, 1);

	flow_series_add(s, &r, five, 0);
	assert_int_equal(count_of(s), 0);
	assert_int_equal(sum_of(s, "moat_flow_packets_total"), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds_source_ports),
		cmocka_unit_test(labels_of_kinds),
		cmocka_unit_test(sum_is_exact),
		cmocka_unit_test(idle_series_make_room),
		cmocka_unit_test(none_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
