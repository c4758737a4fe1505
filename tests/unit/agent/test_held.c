// SPDX-License-Identifier: BSD-2-Clause
/* Documents that the agent is handed: checked in full, no path opened; and
 * the packets that explain makes of probes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/held.h"
#include "agent/wire.h"
#include "base/addr.h"

#define BASE \
	"version: 1\nname: t\nmode: %s\nsecurity_groups:\n" \
	"  g: {members: [10.0.0.1], ingress: [{name: a, from: [any], " \
	"protocol: tcp, ports: [80]}], egress: []}\n"

static int read_it(const char *mode, const char *more, struct held **ret,
		   struct buf *complaints)
{
	struct config *c = config_default();
	struct diags diags = {};
	char text[2000];
	int n, r;

	n = snprintf(text, sizeof(text), BASE, mode);
	snprintf(text + n, sizeof(text) - (size_t)n, "%s", more);
	r = held_read(text, NULL, c, &diags, ret);
	assert_int_equal(diags_render(&diags, complaints), 0);
	assert_true((r == -EINVAL) == (diags.errors > 0));
	diags_free(&diags);
	config_free(c);
	return r;
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"nonsense: 1\n",
		"prefix_lists: {l: {file: /etc/passwd}}\n",
		"tests: [{src: 10.0.0.2, dst: 10.0.0.1, dport: 81, "
		"protocol: tcp, expect: allow}]\n",
		"never: [{from: 10.0.0.2, to: g, protocol: tcp, "
		"ports: [80]}]\n",
		"network_acls:\n  a: {applies_to: [g]}\n"
		"  b: {applies_to: [10.0.0.0/8]}\n",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct held *h = NULL;
		struct buf text = {};

		assert_int_equal(read_it("enforce", bad[i], &h, &text),
				 -EINVAL);
		assert_null(h);
		assert_non_null(strstr(buf_text(&text), "error: "));
		assert_null(strstr(buf_text(&text), "root:"));
		buf_free(&text);
	}
}

static void takes(void **state)
{
	CLEANUP(held) struct held *h = NULL;
	struct buf text = {};
	struct config c = {};

	assert_int_equal(read_it("enforce",
				 "tests: [{src: 10.0.0.2, dst: "
				 "10.0.0.1, dport: 80, protocol: tcp, expect: "
				 "allow}]\n",
				 &h, &text),
			 0);
	assert_string_equal(h->record->policy, "t");
	assert_int_equal(strlen(h->record->revision), 12);
	assert_int_equal(strlen(h->record->sha256), 64);
	assert_false(held_audit(h, &c));
	h->record->audit = true;
	assert_true(held_audit(h, &c));
	h->record->audit = false;
	c.max_mode_audit = true;
	assert_true(held_audit(h, &c));
	buf_free(&text);
}

static void audit_by_policy(void **state)
{
	CLEANUP(held) struct held *h = NULL;
	struct buf text = {};
	const struct config c = {};

	assert_int_equal(read_it("audit", "", &h, &text), 0);
	assert_true(held_audit(h, &c));
	buf_free(&text);
}

static struct probe probe(int family, int proto)
{
	struct probe p = { .direction = MOAT_INGRESS,
			   .family = family,
			   .proto = proto,
			   .sport = 0x1234,
			   .dport = 0x5678,
			   .type = 8,
			   .code = 3 };
	int f;

	addr_parse(family == 4 ? "10.0.0.1" : "fd00::1", &p.local, &f);
	addr_parse(family == 4 ? "10.0.0.2" : "fd00::2", &p.remote, &f);
	return p;
}

/* RFC 791 and 9293: lengths, addresses by direction, ports, SYN. */
static void wire4(void **state)
{
	unsigned char b[WIRE_MAX];
	struct probe p = probe(4, 6);

	assert_int_equal(wire_build(&p, b), 14 + 20 + 20 + 16);
	assert_memory_equal(b + 12, "\x08\x00\x45", 3);
	assert_int_equal(b[16] << 8 | b[17], 56);
	assert_memory_equal(b + 26, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	assert_memory_equal(b + 34, "\x12\x34\x56\x78", 4);
	assert_int_equal(b[46], 0x50);
	assert_int_equal(b[47], MOAT_TCP_FLAG_SYN);
	p.direction = MOAT_EGRESS;
	p.flags_given = true;
	p.flags = MOAT_TCP_FLAG_ACK;
	wire_build(&p, b);
	assert_memory_equal(b + 26, "\x0a\0\0\x01\x0a\0\0\x02", 8);
	assert_int_equal(b[47], MOAT_TCP_FLAG_ACK);
}

/* RFC 8200, 768, 4443: and the hop limit that neighbour discovery needs. */
static void wire6(void **state)
{
	unsigned char b[WIRE_MAX];
	struct probe p = probe(6, 17);

	assert_int_equal(wire_build(&p, b), 14 + 40 + 8 + 16);
	assert_memory_equal(b + 12, "\x86\xdd\x60", 3);
	assert_int_equal(b[18] << 8 | b[19], 24);
	assert_int_equal(b[20], 17);
	assert_int_equal(b[21], 255);
	assert_int_equal(b[22 + 15], 2);
	assert_int_equal(b[38 + 15], 1);
	assert_int_equal(b[58] << 8 | b[59], 24);
	p.proto = 58;
	assert_int_equal(wire_build(&p, b), 14 + 40 + 8 + 16);
	assert_memory_equal(b + 54, "\x08\x03", 2);
	p.proto = 47;
	assert_int_equal(wire_build(&p, b), 14 + 40 + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),	   cmocka_unit_test(takes),
		cmocka_unit_test(audit_by_policy), cmocka_unit_test(wire4),
		cmocka_unit_test(wire6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
