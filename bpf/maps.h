/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every map, its writer named. Sizes here are those of a small host; user
 * space sets the real ones before loading. Names of the first group form a
 * set: datapath_grow() makes larger ones and moves all programs to them.
 */
#ifndef MOAT_MAPS_H
#define MOAT_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "moat/counters.h"
#include "moat/flow.h"
#include "moat/host.h"
#include "moat/image.h"
#include "moat/knobs.h"
#include "moat/lease.h"
#include "pkt.h"

/* Load-time constants; written by user space before loading. */
const volatile struct moat_knobs knobs = {};

#define IMAGE_PART(map, bytes) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(key_size, sizeof(__u32)); \
		__uint(value_size, bytes); \
		__uint(max_entries, MOAT_SLOTS); \
	} map SEC(".maps")

/* The set. Writer of all but rules: the agent, by mmap. */
IMAGE_PART(addr4, MOAT_PART_MIN);
IMAGE_PART(addr6, MOAT_PART_MIN);
IMAGE_PART(classes, MOAT_PART_MIN);
IMAGE_PART(rows, MOAT_PART_MIN);
IMAGE_PART(image, sizeof(struct moat_image));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct moat_control);
	__uint(max_entries, 1);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_rule_counters);
	__uint(max_entries, 32);
} rules SEC(".maps"); /* writer: programs */

/* What this host is. Writer: the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct moat_addr);
	__type(value, struct moat_own);
	__uint(max_entries, MOAT_OWN_MAX);
} own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_iface);
	__uint(max_entries, MOAT_IFACES);
} ifaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_failsafe);
	__uint(max_entries, 1);
} failsafe SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_host);
	__uint(max_entries, 1);
} host SEC(".maps");

/* Flow tables. Writer: programs; the agent deletes what has expired. */
#define FLOW_TABLE(name, map_type, entries) \
	struct { \
		__uint(type, map_type); \
		__type(key, struct moat_flow_key); \
		__type(value, struct moat_flow); \
		__uint(max_entries, entries); \
	} name SEC(".maps")

FLOW_TABLE(flows, BPF_MAP_TYPE_HASH, 1024);
FLOW_TABLE(udp, BPF_MAP_TYPE_HASH, 1024);
FLOW_TABLE(other, BPF_MAP_TYPE_HASH, 1024);
FLOW_TABLE(embryonic_out, BPF_MAP_TYPE_LRU_HASH, 1024);
FLOW_TABLE(embryonic_in, BPF_MAP_TYPE_LRU_HASH, 1024);
FLOW_TABLE(closing, BPF_MAP_TYPE_LRU_HASH, 1024);
/* Denied openings: in audit flows marked would-drop, else a record. */
FLOW_TABLE(denied, BPF_MAP_TYPE_LRU_HASH, 1024);

/* In front of flows and udp. Writer: programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct moat_leases);
	__uint(max_entries, 16);
} leases SEC(".maps");

#define MOAT_LEASE_LOCKS 256
struct moat_lease_lock {
	struct bpf_spin_lock lock;
	__u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_lease_lock);
	__uint(max_entries, MOAT_LEASE_LOCKS);
} lease_locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct moat_frag_key);
	__type(value, struct moat_frag);
	__uint(max_entries, 1024);
} fragments SEC(".maps");

/* Rate limits. Writer: the tc programs; XDP only looks. */
struct moat_bucket {
	struct bpf_spin_lock lock;
	__u32 tokens; /* parts of MOAT_BUCKET_UNIT */
	__u64 filled; /* jiffies64 of the last refill */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_bucket);
	__uint(max_entries, MOAT_BUCKETS);
} buckets SEC(".maps");

/* Counters. Writer: programs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_iface_counters);
	__uint(max_entries, MOAT_IFACES * 2);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_totals);
	__uint(max_entries, 1);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__type(key, __u32);
	__type(value, struct moat_count);
	__uint(max_entries, MOAT_ETHERTYPES_MAX);
} ethertypes SEC(".maps");

/* What the last run decided; written only with knobs.trace. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_trace);
	__uint(max_entries, 1);
} trace SEC(".maps");

/* New records of drops in this jiffy, per CPU, and drops that XDP sends the
 * long way to be recorded. Writer: programs. */
struct denied_budget {
	__u64 jiffy;
	__u64 spent;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct denied_budget);
	__uint(max_entries, 2);
} denied_budgets SEC(".maps");

/*
 * What the policy in force makes of a local address on a device, all of it
 * that the short way in XDP asks for; per CPU, found by the address's last
 * byte and the device. Writer: the XDP program.
 */
#define XDP_MEMOS 16
#define MEMO_OPENINGS 1 /* are judged by groups */
#define MEMO_NACL 2	/* all is judged by a network ACL */
#define MEMO_ASK 4	/* a layer is in audit: the long way says */
#define MEMO_BAD_ASK 8	/* so for what is malformed */
struct xdp_memo {
	struct moat_addr local;
	__u64 epoch; /* of struct moat_host */
	__u64 where; /* MEMO_WHERE */
	__u64 mac;   /* of the device */
	__u32 iface; /* the device's entry in the counters */
	__u32 flags; /* MEMO_* */
	__u32 place; /* in CLASSES: rows of the profile, inward */
	__u32 rowdir;
	__u32 addr6_upper;
	__u32 pad;
	__u64 starts; /* as search_addr6() takes them */
};
#define MEMO_WHERE(generation, ifindex) \
	((__u64)(generation) << 32 | (__u32)(ifindex))
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct xdp_memo);
	__uint(max_entries, XDP_MEMOS);
} xdp_memos SEC(".maps");

/* The packet being judged (pkt.h). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct pkt);
	__uint(max_entries, 1);
} scratch SEC(".maps");

static __always_inline struct pkt *pkt_current(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* (jiffies64, boot time) pair, written by moat_clock under TEST_RUN. */
struct moat_clock_pair {
	__u64 jiffies;
	__u64 boot_ns;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct moat_clock_pair);
	__uint(max_entries, 1);
} clock SEC(".maps");

#endif
