/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a packet does to the flow it belongs to: life of TCP connections by
 * flags, without window tracking, and of flows of other protocols.
 */
#ifndef MOAT_TCP_H
#define MOAT_TCP_H

#include "flow_table.h"
#include "leases.h"
#include "parse_l4.h"

#define ACK_RANGE 65536 /* F9: a plausible acknowledgement of the SYN-ACK */

/* Expiry is written only when it moves by a second: the line stays clean. */
static __always_inline void flow_refresh(__u64 now, struct moat_flow *f,
					 __u64 timeout)
{
	__u64 until = now + timeout, second = knobs.hz;

	if (until - f->expires + second > 2 * second)
		f->expires = until;
}

static __always_inline void flow_see(struct pkt *p, struct moat_flow *f)
{
	__u8 bits = seen_bits(p), old = f->seen[p->dir & 1];

	if ((old & bits) != bits)
		f->seen[p->dir & 1] = old | bits;
	if (bits & MOAT_SEEN_FIN)
		f->fin[p->dir & 1] = 1;
}

/* RST: ten seconds, which data revives. Never longer than it had. */
static __always_inline void flow_reset(struct pkt *p, struct moat_flow *f)
{
	__u64 until = p->now + MOAT_TIMEOUT_RESET_SECONDS * (__u64)knobs.hz;

	f->state = MOAT_FLOW_RESET;
	if (until < f->expires)
		f->expires = until;
}

static __always_inline bool handshake_complete(struct pkt *p,
					       struct moat_flow *f)
{
	if (f->state == MOAT_FLOW_ESTABLISHED ||
	    f->state == MOAT_FLOW_HALF_CLOSED)
		return true; /* it was before; there was no room then */
	if (f->marks & MOAT_MARK_MIDSTREAM)
		return f->direction != p->dir;
	/* A RST in between changes the state, but not what was seen. */
	return f->direction == p->dir &&
	       (f->state == MOAT_FLOW_ANSWERED ||
		f->seen[~p->dir & 1] & MOAT_SEEN_SYNACK) &&
	       p->tcp_flags & TCP_ACK && p->ack - f->synack_seq - 1 < ACK_RANGE;
}

static __always_inline __u64 tcp_timeout(const struct moat_flow *f)
{
	return f->fin[0] | f->fin[1] ?
		       knobs.timeout[MOAT_TIMEOUT_TCP_HALF_CLOSED] :
		       knobs.timeout[MOAT_TIMEOUT_TCP_ESTABLISHED];
}

/*
 * Half-open. A SYN-ACK comes only from a side that was sent a SYN; the third
 * segment must acknowledge it, else a blind ACK would earn days of life.
 */
static __noinline enum moat_reason step_embryonic(struct pkt *p,
						  struct moat_flow *f)
{
	__u8 flags = p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST);

	if (flags == (TCP_SYN | TCP_ACK) && !(f->marks & MOAT_MARK_MIDSTREAM) &&
	    !(f->seen[~p->dir & 1] & MOAT_SEEN_SYN))
		return MOAT_REASON_NO_FLOW;
	flow_see(p, f);
	if (flags & TCP_RST) {
		flow_reset(p, f);
		return MOAT_REASON_NONE;
	}
	if (flags == (TCP_SYN | TCP_ACK) && f->direction != p->dir) {
		f->synack_seq = p->seq;
		f->state = MOAT_FLOW_ANSWERED;
	} else if (handshake_complete(p, f)) {
		f->state = f->fin[0] | f->fin[1] ? MOAT_FLOW_HALF_CLOSED :
						   MOAT_FLOW_ESTABLISHED;
		p->settles = tcp_timeout(f);
	}
	/* One that may have to wait here lives as long as what it has become. */
	flow_refresh(p->now, f,
		     p->settles ? p->settles :
				  knobs.timeout[MOAT_TIMEOUT_TCP_HALF_OPEN]);
	return MOAT_REASON_NONE;
}

/* Closed, but without room among the closing ones: an allowed opening begins a
 * new flow in its place, which the next segment revives as after a RST. */
static __always_inline void flow_reopen(struct pkt *p, struct moat_flow *f)
{
	f->fin[0] = f->fin[1] = 0;
	flow_reset(p, f);
}

static __noinline void step_established(struct pkt *p, struct moat_flow *f)
{
	__u8 flags = p->tcp_flags;

	if (p->flags & PKT_OPENING && f->fin[0] & f->fin[1])
		flow_reopen(p, f);
	flow_see(p, f);
	if (flags & TCP_RST)
		flow_reset(p, f);
	if (flags & (TCP_FIN | TCP_RST))
		lease_end(&p->key, f, p->now);
	if (flags & (TCP_SYN | TCP_RST))
		return;
	if (f->fin[0] & f->fin[1]) {
		flow_close(p, f);
		return;
	}
	if (f->fin[0] | f->fin[1]) {
		if (f->state != MOAT_FLOW_HALF_CLOSED)
			f->state = MOAT_FLOW_HALF_CLOSED;
	} else if (f->state == MOAT_FLOW_RESET) {
		f->state = MOAT_FLOW_ESTABLISHED;
	}
	flow_refresh(p->now, f, tcp_timeout(f));
}

/* Flows let through by audit: alive as long as real ones would be, in a table
 * that evicts. */
static __noinline void step_would_drop(struct pkt *p, struct moat_flow *f)
{
	bool both = f->seen[0] && f->seen[1];

	flow_see(p, f);
	if (both && f->state == MOAT_FLOW_NEW)
		f->state = MOAT_FLOW_ANSWERED;
	if (p->key.proto != IPPROTO_TCP)
		flow_refresh(p->now, f, flow_first_timeout(p));
	else if (p->tcp_flags & TCP_RST)
		flow_reset(p, f);
	else if (f->fin[0] & f->fin[1])
		flow_refresh(p->now, f,
			     knobs.timeout[MOAT_TIMEOUT_TCP_CLOSING]);
	else if (both)
		flow_refresh(p->now, f, tcp_timeout(f));
}

/* UDP, ICMP and the rest. UDP is a stream once its opener, answered, sends
 * again. */
static __noinline void step_plain(struct pkt *p, struct moat_flow *f)
{
	__u64 timeout = flow_first_timeout(p);

	flow_see(p, f);
	if (f->direction != p->dir) {
		if (f->state == MOAT_FLOW_NEW)
			f->state = MOAT_FLOW_ANSWERED;
	} else if (f->state == MOAT_FLOW_ANSWERED) {
		f->state = MOAT_FLOW_ESTABLISHED;
		if (p->key.proto == IPPROTO_UDP)
			f->marks |= MOAT_MARK_STREAM;
	}
	if (f->marks & MOAT_MARK_STREAM)
		timeout = knobs.timeout[MOAT_TIMEOUT_UDP_STREAM];
	flow_refresh(p->now, f, timeout);
	if (p->table != flow_home(p->key.proto))
		p->settles = timeout;
}

/* MOAT_REASON_NONE, or why the packet can't belong to the flow. p->settles:
 * the flow is to move to the table of its kind. */
static __noinline enum moat_reason flow_step(struct pkt *p, struct moat_flow *f)
{
	if (p->flags & PKT_FRAG_LATER)
		return MOAT_REASON_NONE;
	if (p->table == MOAT_TABLE_DENIED)
		step_would_drop(p, f);
	else if (p->key.proto != IPPROTO_TCP)
		step_plain(p, f);
	else if (p->table == MOAT_TABLE_FLOWS)
		step_established(p, f);
	else if (p->table != MOAT_TABLE_CLOSING)
		return step_embryonic(p, f);
	return MOAT_REASON_NONE;
}

static __always_inline void flow_count(struct pkt *p, struct moat_flow *f)
{
	__u64 dir = p->dir & 1;

	__sync_fetch_and_add(&f->packets[dir], p->packets);
	__sync_fetch_and_add(&f->bytes[dir], p->bytes);
	if (f->ifindex[dir] != p->ifindex)
		f->ifindex[dir] = p->ifindex;
}

#endif
