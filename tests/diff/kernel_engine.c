// SPDX-License-Identifier: BSD-2-Clause
/* The loaded programs as an engine: see kernel_engine.h. */
#include "kernel_engine.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/datapath.h"
#include "kern/private.h"
#include "kern/run.h"
#include "kern/store.h"
#include "probe_frame.h"

#define LOOPBACK 1 /* the device that BPF_PROG_TEST_RUN lends */
#define ASKED_MAX 4096

struct kernel_engine {
	struct datapath *dp;
	const struct slots *slots;
	uint16_t id; /* of ICMP queries: never the same twice */
	__u32 runs;
	struct moat_addr local;
	struct moat_flow_key asked[ASKED_MAX];
	size_t nasked;
};

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "kernel engine: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void set_failsafe(struct kernel_engine *k, const struct config *c)
{
	struct moat_failsafe f = { 0 };

	for (size_t i = 0; i < c->nfailsafe; i++) {
		const struct failsafe_rule *r = &c->failsafe[i];

		for (size_t n = 0; n < r->nports * r->npeers; n++) {
			const struct cidr *peer = &r->peers[n / r->nports];

			if (f.count == MOAT_FAILSAFE_MAX)
				abort();
			f.entry[f.count++] = (struct moat_failsafe_entry){
				.peer = peer->addr,
				.length = (__u8)addr_mapped_length(peer),
				.direction = (__u8)r->direction,
				.proto = (__u8)r->proto,
				.number = (__u8)i,
				.first = r->ports[n % r->nports].first,
				.last = r->ports[n % r->nports].last,
			};
		}
	}
	must(datapath_set_failsafe(k->dp, &f), "failsafe");
}

struct kernel_engine *kernel_engine_open(const struct config *c)
{
	static const __u32 timeouts[] = {
#define X(symbol, name, seconds) seconds,
		MOAT_TIMEOUTS(X)
#undef X
	};
	struct kernel_engine *k = calloc(1, sizeof(*k));
	struct datapath_settings s = {
		.rule_slots = 4096,
		.memory_limit = 1u << 30,
		.midstream_drop = c->midstream_drop,
		.unassigned_allow = c->unassigned_allow,
		.forwarding_judge = c->forwarding_judge,
		.trace = true,
		.xdp_quick = true,
	};
	const char *why = "";

	if (!k)
		return NULL;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		s.part_bytes[i] = MOAT_PART_MIN;
	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = 65536;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		s.essential[i] = c->essential[i];
	memcpy(s.timeout_seconds, timeouts, sizeof(timeouts));
	if (datapath_open(&s, &k->dp, &why)) {
		fprintf(stderr, "kernel engine: %s\n", why);
		free(k);
		return NULL;
	}
	set_failsafe(k, c);
	return k;
}

void kernel_engine_close(struct kernel_engine *k)
{
	if (!k)
		return;
	datapath_close(k->dp);
	free(k);
}

struct datapath *kernel_engine_datapath(struct kernel_engine *k)
{
	return k->dp;
}

static void flush(struct kernel_engine *k, const char *table)
{
	int fd = datapath_map_fd(k->dp, table);
	struct moat_flow_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

bool kernel_engine_load(struct kernel_engine *k, const struct engines *e)
{
	__u32 generation;

	flush(k, "flows");
	flush(k, "udp");
	flush(k, "other");
	flush(k, "embryonic_out");
	flush(k, "embryonic_in");
	flush(k, "closing");
	flush(k, "denied");
	k->nasked = 0;
	k->slots = &e->slots;
	datapath_heartbeat(k->dp);
	must(store_push(k->dp, e->image, 0, &generation), "push");
	return true;
}

bool kernel_engine_local(struct kernel_engine *k, const struct moat_addr *local,
			 int family)
{
	struct own_entry own = { .addr = *local,
				 .own = { .ifindex = LOOPBACK } };
	struct moat_iface iface = {
		.ifindex = LOOPBACK,
		.flags = MOAT_IFACE_ETHER | MOAT_IFACE_SELECTED,
	};

	/* The endpoint of multicast: here the very address asked about. */
	if (family == 4)
		iface.first4 = *local;
	else
		iface.first6 = *local;
	must(datapath_set_own(k->dp, &own, 1), "own addresses");
	must(datapath_set_ifaces(k->dp, &iface, 1), "interfaces");
	k->local = *local;
	return true;
}

/* What another packet must differ in to meet no flow of this one. */
static struct moat_flow_key tuple_of(const struct probe *p)
{
	struct moat_flow_key key = { .local = p->local,
				     .remote = p->remote,
				     .proto = (__u8)p->proto };
	bool in = p->direction == MOAT_INGRESS;

	key.lport = in ? p->dport : p->sport;
	key.rport = in ? p->sport : p->dport;
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		key.lport = 0;
		key.rport = (uint16_t)(p->type << 8 | p->code);
		key.opener = in ? 1 : 2;
	}
	return key;
}

/* True for a tuple that was asked before under this policy. */
static bool asked(struct kernel_engine *k, const struct probe *p)
{
	struct moat_flow_key key = tuple_of(p);

	for (size_t i = 0; i < k->nasked; i++)
		if (!memcmp(&k->asked[i], &key, sizeof(key)))
			return true;
	if (k->nasked == ASKED_MAX)
		return true;
	k->asked[k->nasked++] = key;
	return false;
}

static void read_trace(struct kernel_engine *k, const struct run_result *r,
		       int drop, struct answer *ret)
{
	const struct moat_trace *t = &r->trace;
	int want = t->verdict == MOAT_DROP ? drop : TC_ACT_UNSPEC;

	if (r->action != want || t->runs != k->runs + 1) {
		fprintf(stderr,
			"kernel engine: action %d, verdict %u, run %u after %u\n",
			r->action, t->verdict, t->runs, k->runs);
		exit(1);
	}
	k->runs = t->runs;
	memset(ret, 0, sizeof(*ret));
	ret->verdict = t->verdict;
	ret->reason = t->reason;
	ret->generation = t->generation;
	if (t->reason == MOAT_REASON_FAILSAFE)
		snprintf(ret->rule, sizeof(ret->rule), "failsafe/%u",
			 t->failsafe);
	else
		slot_name(k->slots, t->slot, ret->rule, sizeof(ret->rule));
}

static void run(struct kernel_engine *k, const struct probe *probe,
		struct answer *ret)
{
	unsigned char frame[PROBE_FRAME_MAX];
	struct run_packet packet = {
		.hook = probe->direction == MOAT_INGRESS ? ATTACH_TC_INGRESS :
							   ATTACH_TC_EGRESS,
		.frame = frame,
		.len = probe_frame(probe, k->id, frame),
		.ifindex = LOOPBACK,
	};
	struct run_result result;

	must(run_packet(k->dp, &packet, &result), "run");
	read_trace(k, &result, TC_ACT_SHOT, ret);
}

bool kernel_engine_judge(struct kernel_engine *k, const struct probe *probe,
			 struct answer *ret)
{
	if (asked(k, probe))
		return false;
	k->id++;
	run(k, probe, ret);
	return true;
}

bool kernel_engine_xdp_drops(struct kernel_engine *k, const struct probe *probe,
			     struct answer *ret)
{
	unsigned char frame[PROBE_FRAME_MAX];
	/* Without a context, which XDP takes from 5.15 on, it is LOOPBACK. */
	struct run_packet packet = {
		.hook = ATTACH_XDP,
		.frame = frame,
		.len = probe_frame(probe, k->id, frame),
	};
	struct run_result result;

	must(run_packet(k->dp, &packet, &result), "run XDP");
	if (result.action == XDP_PASS) {
		k->runs = result.trace.runs;
		return false;
	}
	read_trace(k, &result, XDP_DROP, ret);
	return true;
}

void kernel_engine_follow(struct kernel_engine *k, const struct probe *probe,
			  struct answer *ret)
{
	run(k, probe, ret);
}
