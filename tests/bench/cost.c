// SPDX-License-Identifier: BSD-2-Clause
/* Programs of cost.bpf.c: loading them over a harness, and their time. */
#include "bench/cost.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "bench/bar.h"
#include "bench/cost_tuple.h"
#include "kern/private.h"
#include "moat.skel.h"
#include "support/random.h"
#include "tests/bench/cost.skel.h"

#define HOSTS 4096 /* remote ones; flows beyond differ by port */

struct cost {
	struct harness *h;
	struct bench_cost *skel;
	struct cost_options o;
	struct packet frame;
	struct rng rng;
	void *tuples;
	size_t tuples_len;
};

void cost_pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

struct harness *cost_harness(size_t flows, size_t embryonic)
{
	struct datapath_settings s;
	struct harness *h;

	harness_settings(&s);
	s.trace = false;
	s.lease_after = MOAT_LEASE_AFTER;
	s.table_entries[MOAT_TABLE_FLOWS] = flows;
	s.table_entries[MOAT_TABLE_EMBRYONIC_IN] = embryonic;
	s.table_entries[MOAT_TABLE_EMBRYONIC_OUT] = embryonic;
	h = harness_open(&s);
	harness_own(h, COST_LOCAL4, NULL);
	harness_own(h, COST_LOCAL6, NULL);
	harness_policy(h,
		       "version: 1\n"
		       "name: cost\n"
		       "mode: enforce\n"
		       "security_groups:\n"
		       "  base:\n"
		       "    members: [" COST_LOCAL4 "/32, \"" COST_LOCAL6
		       "/128\"]\n"
		       "    ingress:\n"
		       "      - {name: in, from: [10.0.0.0/8, \"fd00::/16\"],"
		       " protocol: tcp, ports: [0-65535]}\n"
		       "    egress: []\n");
	return h;
}

/* ---- the object over the maps of the harness ---- */

static void share(struct cost *c)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, c->skel->obj) {
		const char *name = bpf_map__name(map);
		int fd = datapath_map_fd(c->h->dp, name);

		if (fd < 0 || bpf_map__is_internal(map))
			continue;
		if (bpf_map__reuse_fd(map, fd))
			bench_fail("map %s: %s", name, strerror(errno));
	}
}

static void set_constants(struct cost *c)
{
	struct bpf_map *map = bpf_object__find_map_by_name(
		load_object(c->h->dp->load), ".rodata");
	const struct moat_bpf__rodata *loaded;
	struct moat_knobs *knobs = (struct moat_knobs *)&c->skel->rodata->knobs;
	struct cost_shape *shape = (struct cost_shape *)&c->skel->rodata->shape;
	size_t len;

	loaded = map ? bpf_map__initial_value(map, &len) : NULL;
	if (!loaded)
		bench_fail("the datapath's constants can't be read");
	memcpy(knobs, (const void *)&loaded->knobs, sizeof(*knobs));
	if (c->o.fault)
		knobs->fault = c->o.fault;
	shape->family = c->o.family;
	shape->dir = c->o.dir;
}

static void map_tuples(struct cost *c)
{
	struct bpf_map *map = c->o.family == 4 ? c->skel->maps.tuples4 :
						 c->skel->maps.tuples6;
	size_t each = c->o.family == 4 ? sizeof(struct cost_tuple4) :
					 sizeof(struct cost_tuple6);

	c->tuples_len = COST_TUPLES * each;
	c->tuples = mmap(NULL, c->tuples_len, PROT_READ | PROT_WRITE,
			 MAP_SHARED, bpf_map__fd(map), 0);
	if (c->tuples == MAP_FAILED)
		bench_fail("mmap of the tuples: %s", strerror(errno));
}

static struct packet_spec segment(int family, int dir, unsigned char flags)
{
	static const char *const local[] = { COST_LOCAL4, COST_LOCAL6 };
	static const char *const remote[] = { "10.64.0.0", "fd00:64::" };
	struct packet_spec s = {
		.family = family,
		.from = remote[family == 6],
		.to = local[family == 6],
		.proto = IPPROTO_TCP,
		.sport = 32768,
		.dport = COST_PORT,
		.flags = flags,
		.seq = 1,
		.ack = 2, /* of an answer whose number is 1 */
		.payload_len = 64,
	};

	return dir == MOAT_INGRESS ? s : packet_reply(&s);
}

struct cost *cost_open(struct harness *h, const struct cost_options *o)
{
	struct packet_spec s = segment(o->family, o->dir, o->flags);
	struct cost *c = calloc(1, sizeof(*c));

	if (!c)
		bench_fail("no memory");
	c->h = h;
	c->o = *o;
	c->rng.state = 1;
	packet_build(&s, &c->frame);
	c->skel = bench_cost__open();
	if (!c->skel)
		bench_fail("cost.bpf.c: %s", strerror(errno));
	set_constants(c);
	share(c);
	if (bench_cost__load(c->skel))
		bench_fail("cost.bpf.c does not load: %s", strerror(errno));
	map_tuples(c);
	return c;
}

void cost_close(struct cost *c)
{
	munmap(c->tuples, c->tuples_len);
	bench_cost__destroy(c->skel);
	free(c);
}

/* ---- flows ---- */

struct moat_flow_key cost_key(int family, size_t n)
{
	struct moat_flow_key k = { .proto = IPPROTO_TCP,
				   .lport = htons(COST_PORT),
				   .rport = htons(32768 + n / HOSTS) };

	if (family == 4) {
		k.local.w[2] = k.remote.w[2] = htonl(0xffff);
		inet_pton(AF_INET, COST_LOCAL4, &k.local.w[3]);
		k.remote.w[3] = htonl(0x0a400000 + n % HOSTS);
	} else {
		inet_pton(AF_INET6, COST_LOCAL6, &k.local);
		inet_pton(AF_INET6, "fd00:64::", &k.remote);
		k.remote.w[3] = htonl(n % HOSTS);
	}
	return k;
}

struct moat_flow cost_handshake(struct harness *h, int family)
{
	enum { SYN = MOAT_TCP_FLAG_SYN, ACK = MOAT_TCP_FLAG_ACK };
	static const struct {
		int dir;
		unsigned char flags;
	} segments[] = {
		{ MOAT_INGRESS, SYN }, { MOAT_EGRESS, SYN | ACK },
		{ MOAT_INGRESS, ACK }, { MOAT_INGRESS, ACK },
		{ MOAT_EGRESS, ACK },
	};
	struct moat_flow_key key = cost_key(family, 0);
	struct moat_flow f = {};

	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		struct packet_spec s = segment(family, segments[i].dir,
					       segments[i].flags);

		harness_run(h,
			    segments[i].dir == MOAT_EGRESS ? ATTACH_TC_EGRESS :
							     ATTACH_TC_INGRESS,
			    &s);
	}
	if (!harness_flow(h, MOAT_TABLE_FLOWS, &key, &f) ||
	    f.state != MOAT_FLOW_ESTABLISHED)
		bench_fail("a handshake made no established flow");
	return f;
}

static void put(int fd, const void *keys, const void *values, __u32 count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	if (bpf_map_update_batch(fd, keys, values, &count, &opts))
		bench_fail("batch of flows: %s", strerror(errno));
}

void cost_establish(struct cost *c, const struct moat_flow *record, size_t from,
		    size_t to)
{
	enum { BATCH = 4096 };
	struct moat_flow_key *keys = calloc(BATCH, sizeof(*keys));
	struct moat_flow *flows = calloc(BATCH, sizeof(*flows));
	__u64 *verdicts = calloc(BATCH, sizeof(*verdicts));

	if (!keys || !flows || !verdicts)
		bench_fail("no memory");
	for (size_t i = 0; i < BATCH; i++) {
		flows[i] = *record;
		verdicts[i] = record->word;
	}
	for (size_t n; from < to; from += n) {
		n = to - from < BATCH ? to - from : BATCH;
		for (size_t i = 0; i < n; i++)
			keys[i] = cost_key(c->o.family, from + i);
		put(harness_map(c->h, "flows"), keys, flows, n);
		put(bpf_map__fd(c->skel->maps.bare), keys, verdicts, n);
	}
	free(keys);
	free(flows);
	free(verdicts);
}

static void take_out(int fd, int family, size_t from, size_t to)
{
	for (; from < to; from++) {
		struct moat_flow_key key = cost_key(family, from);

		if (bpf_map_delete_elem(fd, &key))
			bench_fail("an entry is not there: %s",
				   strerror(errno));
	}
}

void cost_clear(struct cost *c, size_t from, size_t to)
{
	take_out(bpf_map__fd(c->skel->maps.bare_wide), c->o.family, from, to);
}

void cost_forget(struct cost *c, const char *table, size_t from, size_t to)
{
	take_out(harness_map(c->h, table), c->o.family, from, to);
}

static void put_tuple(struct cost *c, size_t at, size_t flow)
{
	struct moat_flow_key k = cost_key(c->o.family, flow);

	if (c->o.family == 4) {
		((struct cost_tuple4 *)c->tuples)[at] = (struct cost_tuple4){
			.remote = k.remote.w[3],
			.rport = k.rport,
			.lport = k.lport,
		};
		return;
	}
	struct cost_tuple6 *t = (struct cost_tuple6 *)c->tuples + at;

	memcpy(t->remote, &k.remote, sizeof(t->remote));
	t->rport = k.rport;
	t->lport = k.lport;
}

static void shuffle(struct rng *r, __u32 *order, size_t n)
{
	for (size_t i = n - 1; i > 0; i--) {
		size_t j = rng_below(r, i + 1);
		__u32 other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
}

/* One permutation after the other. */
void cost_sequence(struct cost *c, size_t first, size_t n)
{
	__u32 *order = malloc(n * sizeof(*order));

	if (!order)
		bench_fail("no memory");
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t at = 0; at < COST_TUPLES; at++) {
		if (at % n == 0)
			shuffle(&c->rng, order, n);
		put_tuple(c, at, first + order[at % n]);
	}
	free(order);
	cost_rewind(c);
}

void cost_rewind(struct cost *c)
{
	c->skel->bss->cursor = 0;
}

/* ---- time ---- */

static int program_fd(const struct cost *c, enum cost_program which)
{
	const struct bpf_program *const programs[COST_PROGRAMS] = {
		[COST_EMPTY] = c->skel->progs.cost_empty,
		[COST_MOAT] = c->skel->progs.cost_moat,
		[COST_PARSE] = c->skel->progs.cost_parse,
		[COST_PARSE_LONG] = c->skel->progs.cost_parse_long,
		[COST_BARE] = c->skel->progs.cost_bare,
		[COST_LEAN] = c->skel->progs.cost_lean,
		[COST_FILL] = c->skel->progs.cost_fill,
		[COST_INSERT] = c->skel->progs.cost_insert,
	};

	return bpf_program__fd(programs[which]);
}

static double timed(struct cost *c, int fd, unsigned repeat)
{
	struct __sk_buff ctx = { .ifindex = HARNESS_IFINDEX };
	/* The first run of next_packet() adds the bytes that are missing. */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = c->frame.data,
		    .data_size_in = c->frame.len - ETH_HLEN, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = repeat);
	double began = bench_cpu_clock();

	if (bpf_prog_test_run_opts(fd, &opts))
		bench_fail("test run: %s", strerror(errno));
	began = bench_cpu_clock() - began;
	if ((int)opts.retval != TC_ACT_UNSPEC || c->skel->bss->misses)
		bench_fail("action %d, %llu runs missed", (int)opts.retval,
			   (unsigned long long)c->skel->bss->misses);
	return began / repeat;
}

static __u64 counted(struct cost *c, enum moat_reason reason, __u64 *ret_all)
{
	unsigned entry = datapath_iface_index(c->h->dp, HARNESS_IFINDEX);
	struct moat_iface_counters *n;
	struct iface_stats stats;
	__u64 all = 0;

	if (stats_iface(c->h->dp, entry, &stats))
		bench_fail("no counters");
	n = &stats.direction[c->o.dir];
	for (int r = 0; r < MOAT_REASON_MAX; r++)
		all += n->count[r].packets + n->would_drop[r].packets;
	*ret_all = all;
	return n->count[reason].packets;
}

double cost_run(struct cost *c, enum cost_program which, unsigned repeat,
		enum moat_reason reason)
{
	__u64 before, after, all_before, all_after;
	double ns;

	before = counted(c, reason, &all_before);
	ns = timed(c, program_fd(c, which), repeat);
	after = counted(c, reason, &all_after);
	if (which == COST_MOAT &&
	    (after - before != repeat || all_after - all_before != repeat))
		bench_fail(
			"of %u packets %llu counted as they should, %llu in all",
			repeat, (unsigned long long)(after - before),
			(unsigned long long)(all_after - all_before));
	return ns;
}
