/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The maps of the flow tables, one by one: an entry's life, find, insert. */
#ifndef MOAT_FLOW_MAPS_H
#define MOAT_FLOW_MAPS_H

#include <linux/in.h>

#include "count.h"
#include "maps.h"
#include "pkt.h"

static __always_inline bool flow_lives(const struct moat_flow *f, __u64 now)
{
	return f && f->expires > now;
}

#define FLOW_MAPS(X) \
	X(FLOWS, flows) \
	X(UDP, udp) \
	X(OTHER, other) \
	X(EMBRYONIC_OUT, embryonic_out) \
	X(EMBRYONIC_IN, embryonic_in) \
	X(CLOSING, closing) \
	X(DENIED, denied)

/*
 * A call of its own: from one that serves several maps the kernel can't make
 * the inlined or direct call that it makes where it knows the map. What clang
 * finds alike at the end of two branches it merges.
 */
#define OWN_CALL(result, map) \
	({ \
		__auto_type own_ = (result); \
		asm volatile("" : "+r"(own_) : "i"(MOAT_TABLE_##map)); \
		own_; \
	})

static __noinline void *flow_map_find(__u32 table,
				      const struct moat_flow_key *key)
{
#define FIND(symbol, map) \
	case MOAT_TABLE_##symbol: \
		return OWN_CALL(bpf_map_lookup_elem(&map, key), symbol);
	switch (table) {
		FLOW_MAPS(FIND)
	}
#undef FIND
	return 0;
}

/*
 * Before Linux 6.4 the map's own function, which the verifier puts in place of
 * the helper, returns an int: only half of the register has the sign.
 */
static __noinline long flow_map_insert(__u32 table,
				       const struct moat_flow_key *key,
				       const struct moat_flow *f, __u64 how)
{
	if (knobs.fault)
		return -(long)knobs.fault;
#define INSERT(symbol, map) \
	case MOAT_TABLE_##symbol: \
		return (int)OWN_CALL(bpf_map_update_elem(&map, key, f, how), \
				     symbol);
	switch (table) {
		FLOW_MAPS(INSERT)
	}
#undef INSERT
	return -E_NOENT;
}

/* Where flows of a protocol live once they have settled. */
static __always_inline __u32 flow_home(__u8 proto)
{
	return proto == IPPROTO_TCP ? MOAT_TABLE_FLOWS :
	       proto == IPPROTO_UDP ? MOAT_TABLE_UDP :
				      MOAT_TABLE_OTHER;
}

#endif
