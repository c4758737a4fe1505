// SPDX-License-Identifier: BSD-2-Clause
/*
 * Packets: the same bytes through the programs in user space (ASan, UBSan),
 * through the loaded ones at tc and at XDP, and past the design's own words
 * (oracle.h). All say the same verdict, reason and rule; state and layout of
 * the skb change nothing that they may not change.
 *
 * An input is up to 8 packets one after the other: a byte of PACKET_* bits,
 * two bytes of length, and the frame.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz/bpf_user.h"
#include "fuzz/datapath_kernel.h"
#include "fuzz/datapath_user.h"
#include "fuzz/oracle.h"
#include "fuzz/packet_seeds.h"
#include "fuzz/shim_maps.h"

#define PACKETS 8
#define FRAME_MAX 2048

static struct world world;
static bool kernel; /* the loaded programs are asked, too */

static void leave(void)
{
	if (kernel)
		datapath_kernel_close();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *to = getenv("MOAT_FUZZ_SEEDS"), *why = "";

	if (to) {
		packet_seeds(to);
		exit(0);
	}
	world_open(&world);
	datapath_user_open(&world);
	kernel = datapath_kernel_open(&world, &why);
	if (!kernel)
		fprintf(stderr, "NOT compared with the kernel: %s\n", why);
	atexit(leave);
	return 0;
}

/* ---- what differs ---- */

static struct answer answer_of(const struct run_result *r)
{
	struct answer a = { .verdict = r->trace.verdict,
			    .reason = r->trace.reason };

	if (a.reason == MOAT_REASON_FAILSAFE)
		snprintf(a.rule, sizeof(a.rule), "failsafe/%u",
			 r->trace.failsafe);
	else
		slot_name(&world.engines.slots, r->trace.slot, a.rule,
			  sizeof(a.rule));
	return a;
}

static void compare(const struct run_packet *p, const char *first,
		    struct answer a, const char *second, struct answer b)
{
	const unsigned char *frame = p->frame;
	char line[256];

	if (answers_equal(&a, &b))
		return;
	fprintf(stderr, "%s: %s\n", first,
		answer_print(&a, line, sizeof(line)));
	fprintf(stderr, "%s: %s\n", second,
		answer_print(&b, line, sizeof(line)));
	fprintf(stderr, "hook %d, device %u, gso %u, %zu bytes:", p->hook,
		p->ingress_ifindex, p->gso_size, p->len);
	for (size_t i = 0; i < p->len; i++)
		fprintf(stderr, " %02x", frame[i]);
	fprintf(stderr, "\n");
	must(answers_equal(&a, &b));
}

/* ---- one packet, alone ---- */

static struct answer run_alone(const struct run_packet *p, struct layout l)
{
	struct run_result r;

	datapath_user_clear();
	datapath_user_run(p, &l, &r);
	must(r.action ==
	     (r.trace.verdict == MOAT_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC));
	return answer_of(&r);
}

/* Other layouts of the same packet (G10), and the design. */
static void check_alone(const struct run_packet *p)
{
	struct oracle_packet o = { .frame = p->frame,
				   .len = p->len,
				   .forwarded = p->ingress_ifindex };
	struct answer said = run_alone(p, (struct layout){ 0 }), design;

	compare(p, "whole", said, "link header linear",
		run_alone(p, (struct layout){ .linear = 14 }));
	compare(p, "whole", said, "half linear",
		run_alone(p, (struct layout){ .linear = p->len / 2 < 14 ?
								14 :
								p->len / 2 }));
	compare(p, "tag inline", said, "tag in the skb",
		run_alone(p, (struct layout){ .untag = true }));
	o.direction = p->hook == ATTACH_TC_EGRESS ? MOAT_EGRESS : MOAT_INGRESS;
	oracle_judge(&world, &o, &design);
	compare(p, "design", design, "programs", said);
}

/* ---- packets one after the other ---- */

static void run_both(const struct run_packet *p, struct run_result *ret)
{
	struct run_result loaded;

	datapath_user_run(p, &(struct layout){ 0 }, ret);
	if (kernel && datapath_kernel_run(p, &loaded)) {
		must(ret->action == loaded.action);
		compare(p, "user space", answer_of(ret), "loaded",
			answer_of(&loaded));
	}
}

/*
 * As on the wire XDP comes first. It drops nothing that tc would not, nor for
 * another reason (F19).
 */
static void run_ingress(const struct run_packet *p, struct run_result *ret)
{
	struct run_packet early = *p;
	struct run_result xdp;

	early.hook = ATTACH_XDP;
	run_both(&early, &xdp);
	must(xdp.action == XDP_PASS || xdp.action == XDP_DROP);
	run_both(p, ret);
	if (xdp.action == XDP_DROP)
		compare(p, "tc", answer_of(ret), "XDP", answer_of(&xdp));
}

static const struct {
	const char *name;
	enum bpf_user_map map;
} tables[] = {
	{ "flows", BPF_USER_flows },
	{ "udp", BPF_USER_udp },
	{ "other", BPF_USER_other },
	{ "embryonic_out", BPF_USER_embryonic_out },
	{ "embryonic_in", BPF_USER_embryonic_in },
	{ "closing", BPF_USER_closing },
	{ "denied", BPF_USER_denied },
};

static const __u64 word_of_policy = ~(0xffffffull << 40); /* generations
								   differ */

/* What both remember of the packets is the same. */
static void compare_flows(void)
{
	const struct moat_flow *a;
	const void *key, *value;
	struct moat_flow b;

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (size_t n = 0;
		     shim_next(bpf_user_map(tables[t].map), n, &key, &value);
		     n++) {
			a = value;
			must(!datapath_kernel_flow(tables[t].name, key, &b));
			must((a->word & word_of_policy) ==
			     (b.word & word_of_policy));
			must(a->state == b.state);
			must(!memcmp(a->packets, b.packets, sizeof(b.packets)));
			must(!memcmp(a->bytes, b.bytes, sizeof(b.bytes)));
		}
	}
}

/* What each packet is told where none takes the short way. */
static void run_long_way(const struct run_packet *p, size_t n,
			 struct answer *ret)
{
	struct run_result r;

	datapath_user_clear();
	datapath_user_long_way(true);
	for (size_t i = 0; i < n; i++) {
		datapath_user_run(&p[i], &(struct layout){ 0 }, &r);
		ret[i] = answer_of(&r);
	}
	datapath_user_long_way(false);
}

static void check_sequence(const struct run_packet *p, size_t n)
{
	struct answer all[PACKETS];
	struct run_result r;

	run_long_way(p, n, all);
	datapath_user_clear();
	if (kernel)
		datapath_kernel_clear();
	for (size_t i = 0; i < n; i++) {
		if (p[i].hook == ATTACH_TC_INGRESS)
			run_ingress(&p[i], &r);
		else
			run_both(&p[i], &r);
		compare(&p[i], "long way", all[i], "any way", answer_of(&r));
	}
	if (kernel)
		compare_flows();
}

/* ---- inputs ---- */

static size_t read_packet(const uint8_t *data, size_t size,
			  struct run_packet *ret)
{
	size_t len = (size_t)data[1] << 8 | data[2];

	len = len < size - 3 ? len : size - 3;
	*ret = (struct run_packet){
		.hook = data[0] & PACKET_EGRESS ? ATTACH_TC_EGRESS :
						  ATTACH_TC_INGRESS,
		.frame = data + 3,
		.len = len < FRAME_MAX ? len : FRAME_MAX,
		.ifindex = world.iface.ifindex,
		.ingress_ifindex = (data[0] & PACKET_FORWARDED) ? 7 : 0,
		.gso_size = data[0] & PACKET_GSO ? 1000 : 0,
		.gso_segs = data[0] & PACKET_GSO ? 2 : 0,
	};
	return 3 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_packet p[PACKETS];
	size_t n = 0, used;

	while (size > 3 && n < PACKETS) {
		used = read_packet(data, size, &p[n]);
		data += used;
		size -= used;
		if (p[n].len < 14)
			continue;
		check_alone(&p[n]);
		n++;
	}
	check_sequence(p, n);
	return 0;
}
