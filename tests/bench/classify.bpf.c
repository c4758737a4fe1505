/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The datapath's own classification in a loop over a table of tuples, over
 * the live maps of an instance: nothing; class of the remote address; both
 * classes and the cell; all of judge(); and one lookup in the kernel's tries.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "bench/classify_tuple.h"
#include "judge.h"
#include "maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct classify_tuple);
	__uint(max_entries, CLASSIFY_TUPLES);
} tuples SEC(".maps");

#define TRIE(name, key_type) \
	struct { \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE); \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, key_type); \
		__type(value, __u32); \
		__uint(max_entries, 1 << 20); \
	} name SEC(".maps")
TRIE(lpm4, struct classify_lpm4);
TRIE(lpm6, struct classify_lpm6);

/* Own addresses of the endpoint; how many tuples; what was found, added up. */
struct moat_addr local4, local6;
__u32 rounds;
__u64 sum;

static __always_inline const struct classify_tuple *next_tuple(__u32 i,
							       struct pkt **ret)
{
	const struct classify_tuple *t;

	i &= CLASSIFY_TUPLES - 1;
	t = bpf_map_lookup_elem(&tuples, &i);
	*ret = pkt_current();
	return t && *ret ? t : 0;
}

/* The packet as it comes to judge(): parsed, and known to be ours. */
static __always_inline void as_parsed(struct pkt *p,
				      const struct classify_tuple *t)
{
	p->family = t->family;
	p->key.local = t->family == 4 ? local4 : local6;
	p->key.remote = t->remote;
	p->key.lport = t->port;
	p->key.proto = t->proto;
	p->flags = PKT_OWN_PROFILE;
}

static __noinline long loop_nothing(__u32 i, void *unused)
{
	struct pkt *p;
	const struct classify_tuple *t = next_tuple(i, &p);

	if (!t)
		return 1;
	as_parsed(p, t);
	sum += p->key.remote.w[3];
	return 0;
}

static __noinline long loop_class(__u32 i, void *unused)
{
	const struct moat_image *h;
	struct pkt *p;
	const struct classify_tuple *t = next_tuple(i, &p);

	if (!t)
		return 1;
	as_parsed(p, t);
	h = image_of(p);
	if (h)
		sum += class_of(p, h, &p->key.remote);
	return 0;
}

static __noinline long loop_cell(__u32 i, void *unused)
{
	struct pkt *p;
	const struct classify_tuple *t = next_tuple(i, &p);

	if (!t)
		return 1;
	as_parsed(p, t);
	classify(p);
	sum += cell_of(p, p->dir, packet_service(p));
	return 0;
}

static __noinline long loop_judge(__u32 i, void *unused)
{
	struct pkt *p;
	const struct classify_tuple *t = next_tuple(i, &p);

	if (!t)
		return 1;
	as_parsed(p, t);
	judge(0);
	sum += p->j.rule;
	return 0;
}

static __noinline long loop_lpm(__u32 i, void *unused)
{
	struct pkt *p;
	const struct classify_tuple *t = next_tuple(i, &p);
	struct classify_lpm4 k4 = { .length = 32 };
	struct classify_lpm6 k6 = { .length = 128 };
	__u32 *found;

	if (!t)
		return 1;
	as_parsed(p, t);
	if (t->family == 4) {
		k4.addr = p->key.remote.w[3];
		found = bpf_map_lookup_elem(&lpm4, &k4);
	} else {
		__builtin_memcpy(k6.addr, &p->key.remote, 16);
		found = bpf_map_lookup_elem(&lpm6, &k6);
	}
	if (found)
		sum += *found;
	return 0;
}

/* The policy that is in force, as the entries find it. */
static __always_inline void begin(void)
{
	__u32 zero = 0;
	struct moat_control *c = bpf_map_lookup_elem(&control, &zero);
	struct pkt *p = pkt_current();

	sum = 0;
	if (!c || !p)
		return;
	__builtin_memset(p, 0, sizeof(*p));
	p->slot = MOAT_CTL_SLOT(c->word);
	p->generation = MOAT_CTL_GENERATION(c->word);
	p->dir = MOAT_INGRESS;
}

#define LOOP(what) \
	SEC("tc") \
	int run_##what(struct __sk_buff *skb) \
	{ \
		begin(); \
		bpf_loop(rounds, loop_##what, 0, 0); \
		return TC_ACT_OK; \
	}
LOOP(nothing)
LOOP(class)
LOOP(cell)
LOOP(judge)
LOOP(lpm)
