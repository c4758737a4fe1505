// SPDX-License-Identifier: BSD-2-Clause
/* Runs a table of shapes at tc ingress and XDP. */
#include "bpf/shapes.h"

#include <bpf/bpf.h>

#include "kern/datapath.h"

static void run_one(struct harness *h, const struct shape *s)
{
	bool drops = s->verdict == MOAT_DROP;
	struct outcome o;

	o = harness_run(h, ATTACH_XDP, &s->spec);
	if (drops && s->xdp != XDP_LEAVES) {
		if (o.action != 1 || o.trace.reason != s->reason)
			fail_msg("%s: XDP returned %d, reason %u, not %u",
				 s->name, o.action, o.trace.reason, s->reason);
		assert_int_equal(o.counted.packets, 1);
	} else if (o.action != 2 || o.all.packets) {
		fail_msg("%s: XDP returned %d and counted %llu", s->name,
			 o.action, (unsigned long long)o.all.packets);
	}
	if (s->xdp == XDP_ALONE)
		return;
	o = harness_run(h, ATTACH_TC_INGRESS, &s->spec);
	if (o.trace.verdict != s->verdict || o.trace.reason != s->reason)
		fail_msg("%s: tc said verdict %u reason %u, not %u %u", s->name,
			 o.trace.verdict, o.trace.reason, s->verdict,
			 s->reason);
	if (o.action != (drops ? 2 : -1))
		fail_msg("%s: tc returned %d", s->name, o.action);
	if (o.counted.packets != 1 || o.all.packets != 1)
		fail_msg("%s: counted %llu of %llu", s->name,
			 (unsigned long long)o.counted.packets,
			 (unsigned long long)o.all.packets);
}

/* No row leaves state to the next. */
static void forget(struct harness *h)
{
	static const char *const tables[] = {
#define X(symbol, name) name,
		MOAT_TABLES(X)
#undef X
	};
	__u8 key[40]; /* struct moat_flow_key, struct moat_frag_key */

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		int fd = harness_map(h, tables[i]);

		while (!bpf_map_get_next_key(fd, NULL, key))
			assert_int_equal(bpf_map_delete_elem(fd, key), 0);
	}
}

void shapes_run(const struct shape *shapes, size_t n)
{
	struct harness *h = harness_host("10.0.0.1", "fd00::1");

	harness_broadcast(h, "10.0.0.255");
	harness_policy(h, SHAPES_POLICY);
	for (size_t i = 0; i < n; i++) {
		datapath_heartbeat(h->dp);
		run_one(h, &shapes[i]);
		forget(h);
	}
	harness_close(h);
}
