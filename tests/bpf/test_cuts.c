// SPDX-License-Identifier: BSD-2-Clause
/*
 * A packet cut at any byte is never passed when the whole one is denied
 * (incident OVS CVE-2016-10377), and how much of it is linear decides nothing
 * (R-32, F25).
 */
#include "bpf/shapes.h"

#define PING_ABOUT \
	{ \
		.family = 4, .from = "10.0.0.1", .to = "10.0.0.9", .proto = 6, \
		.sport = 9, .dport = 9, .flags = MOAT_TCP_FLAG_ACK \
	}

static const uint8_t record_route[8] = { 7, 7, 4, 0, 0, 0, 0, 0 };
static const struct packet_spec inner = PING_ABOUT;

static const struct packet_spec denied[] = {
	{ V4, SYN_TO(81), .payload_len = 20 },
	{ V4, SYN_TO(81), .options = record_route, .options_len = 8 },
	{ V4, SYN_TO(81), .nvlan = 2,
	  .vlan = { { 0x88a8, 1 }, { 0x8100, 2 } } },
	{ V4, .proto = 17, .sport = 53, .dport = 5001, .payload_len = 30 },
	{ V4, .proto = 1, .type = 13, .payload_len = 12 },
	{ V4, .proto = 1, .type = 3, .code = 4, .inner = &inner },
	{ V4, .proto = 132, .sport = 5, .dport = 80, .payload_len = 12 },
	{ V4, .proto = 17, .bare = true, .offset = 3, .payload_len = 24 },
	{ V6, SYN_TO(81), .payload_len = 20 },
	{ V6, SYN_TO(81), .nvlan = 1, .vlan = { { 0x8100, 2 } } },
	{ V6, SYN_TO(81),
	  .ext = { { .type = 0 },
		   { .type = 60, .extra = 2 },
		   { .type = 51, .extra = 4 } },
	  .next = 3 },
	{ V6, SYN_TO(81), .ext = { { .type = 44, .id = 3 } }, .next = 1 },
	{ V6, .proto = 17, .sport = 53, .dport = 5001, .payload_len = 30 },
	{ V6, .proto = 58, .type = 135, .ttl = 64, .payload_len = 16 },
	{ V6, .proto = 58, .type = 2, .inner = &inner },
};

static const struct packet_spec allowed[] = {
	{ V4, SYN_TO(80), .payload_len = 20 },
	{ V4, SYN_TO(80), .options = record_route, .options_len = 8 },
	{ V4, .proto = 17, .sport = 53, .dport = 5000, .payload_len = 30 },
	{ V4, .proto = 1, .type = 8, .rest = 1, .payload_len = 8 },
	{ V6, SYN_TO(80),
	  .ext = { { .type = 0 },
		   { .type = 60, .extra = 2 },
		   { .type = 51, .extra = 4 } },
	  .next = 3 },
	{ V6, .proto = 58, .type = 128, .rest = 1, .payload_len = 8 },
};

static struct harness *host(void)
{
	struct harness *h = harness_host("10.0.0.1", "fd00::1");

	harness_policy(h, SHAPES_POLICY);
	return h;
}

/* Malformed at any cut, and XDP drops what is malformed. */
static void xdp_drops_cut_headers(void **state)
{
	struct harness *h;
	struct packet p;

	for (int family = 4; family <= 6; family += 2) {
		struct packet_spec spec = {
			.family = family,
			.from = family == 4 ? "10.0.0.9" : "fd00::9",
			.to = family == 4 ? "10.0.0.1" : "fd00::1",
			SYN_TO(80),
		};
		size_t whole;

		h = host();
		packet_build(&spec, &p);
		whole = p.len;
		for (p.len = 14; p.len < whole; p.len++) {
			struct outcome o = harness_frame(h, ATTACH_XDP, &p);

			assert_int_equal(o.action, 1);
			assert_int_equal(o.trace.reason, MOAT_REASON_TRUNCATED);
			assert_int_equal(o.counted.packets, 1);
		}
		harness_close(h);
	}
}

/* TEST_RUN at tc takes whole IP headers only (6.18); XDP takes any frame, and
 * test_net_frames.sh sends shorter ones to tc. */
static size_t shortest(const struct packet_spec *s)
{
	return s->nvlan ? 14 : s->family == 4 ? 34 : 54;
}

/* Cut at every byte. What XDP lets through short is tc's to drop. */
static void denied_stays_denied(void **state)
{
	struct harness *h = host();
	size_t cuts = 0;

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		struct packet p;

		packet_build(&denied[i], &p);
		for (size_t whole = p.len; p.len >= shortest(&denied[i]);
		     p.len--, cuts++) {
			struct outcome o = harness_frame(h, ATTACH_TC_INGRESS,
							 &p);

			if (o.trace.verdict != MOAT_DROP || o.action != 2)
				fail_msg("packet %zu passed at %zu of %zu", i,
					 p.len, whole);
			assert_int_equal(o.all.packets, 1);
		}
	}
	assert_true(cuts > 400);
	harness_close(h);
}

static void allowed_or_dropped(void **state)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		struct harness *h = host();
		struct packet p;
		size_t whole;

		packet_build(&allowed[i], &p);
		whole = p.len;
		for (p.len = shortest(&allowed[i]); p.len <= whole; p.len++) {
			struct outcome x = harness_frame(h, ATTACH_XDP, &p);
			struct outcome o = harness_frame(h, ATTACH_TC_INGRESS,
							 &p);

			if (x.action == 1)
				assert_int_equal(o.action, 2);
			if ((o.action == -1) != (p.len == whole))
				fail_msg("packet %zu: %d at %zu of %zu", i,
					 o.action, p.len, whole);
		}
		harness_close(h);
	}
}

/* F25: ctx.data_end = N leaves N bytes linear and the rest in fragments. */
static void linear_lengths(void **state)
{
	static const uint32_t lengths[] = { 14, 15, 20, 34, 42, 54, 100 };
	struct harness *h = host();
	size_t drops = 0;

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		struct packet_spec spec = denied[i];
		struct outcome whole, part;

		spec.payload_len += 200;
		h->linear = 0;
		whole = harness_run(h, ATTACH_XDP, &spec);
		drops += whole.action == 1;
		for (size_t n = 0; n < 7; n++) {
			h->linear = lengths[n];
			part = harness_run(h, ATTACH_XDP, &spec);
			if (part.action != whole.action ||
			    part.trace.reason != whole.trace.reason)
				fail_msg(
					"packet %zu: %d with %u linear, not %d",
					i, part.action, lengths[n],
					whole.action);
		}
	}
	assert_true(drops >= 6); /* XDP leaves the others to tc */
	harness_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xdp_drops_cut_headers),
		cmocka_unit_test(denied_stays_denied),
		cmocka_unit_test(allowed_or_dropped),
		cmocka_unit_test(linear_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
