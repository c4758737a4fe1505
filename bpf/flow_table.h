/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow tables: find, create, promote, close. Nothing else touches the
 * maps, so the table of record can be replaced. An entry past its expiry is a
 * miss for everyone (F6); programs never delete.
 */
#ifndef MOAT_FLOW_TABLE_H
#define MOAT_FLOW_TABLE_H

#include "count.h"
#include "flow_maps.h"

/*
 * An embryonic entry, unless it says that its flow moved on: then the table
 * it went to holds it by now (F5).
 */
static __always_inline struct moat_flow *
find_embryonic(struct pkt *p, const struct moat_flow_key *key, __u32 table)
{
	struct moat_flow *f = flow_map_find(table, key);

	if (!flow_lives(f, p->now))
		return 0;
	p->table = table;
	if (!(f->marks & MOAT_MARK_PROMOTED))
		return f;
	p->table = flow_home(key->proto);
	f = flow_map_find(p->table, key);
	return flow_lives(f, p->now) ? f : 0;
}

/* Of the two half-open tables, that of flows opened in a direction. */
#define EMBRYONIC_OTHER (MOAT_TABLE_EMBRYONIC_OUT ^ MOAT_TABLE_EMBRYONIC_IN)
static __always_inline __u32 embryonic_of(__u32 dir)
{
	return dir == MOAT_EGRESS ? MOAT_TABLE_EMBRYONIC_OUT :
				    MOAT_TABLE_EMBRYONIC_IN;
}

/* The direction in which the flow of a packet that finds it half-open most
 * likely was opened: a SYN-ACK answers, all else comes from the opener. */
static __always_inline __u32 opener_of(const struct pkt *p)
{
	__u8 both = MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK;

	return (p->tcp_flags & both) == both ? ~p->dir & 1 : p->dir;
}

/* The tables of a miss. An opening over a closed flow begins a new one, as if
 * it were not there (F32). Denied openings are flows only where audit let them
 * pass. */
static __noinline struct moat_flow *find_more(struct pkt *p,
					      const struct moat_flow_key *key)
{
	__u32 first = embryonic_of(opener_of(p));
	struct moat_flow *f;

	f = find_embryonic(p, key, first);
	if (f)
		return f;
	f = find_embryonic(p, key, first ^ EMBRYONIC_OTHER);
	if (f)
		return f;
	if (key->proto == IPPROTO_TCP && !(p->flags & PKT_OPENING)) {
		f = bpf_map_lookup_elem(&closing, key);
		p->table = MOAT_TABLE_CLOSING;
		if (flow_lives(f, p->now))
			return f;
	}
	f = bpf_map_lookup_elem(&denied, key);
	p->table = MOAT_TABLE_DENIED;
	if (flow_lives(f, p->now) && f->word & MOAT_WORD_WOULD_DROP)
		return f;
	return 0;
}

/* The live flow of a key, its table in p->table, or NULL. */
static __noinline struct moat_flow *flow_find(struct pkt *p,
					      const struct moat_flow_key *key)
{
	struct moat_flow *f;

	if (!(p->flags & PKT_MISSED)) {
		p->table = flow_home(key->proto);
		f = flow_map_find(p->table, key);
		if (flow_lives(f, p->now))
			return f;
	}
	return find_more(p, key);
}

/* The table in which a new flow of this packet begins. */
static __always_inline __u32 flow_first_table(const struct pkt *p)
{
	if (p->key.proto == IPPROTO_TCP)
		return embryonic_of(p->dir);
	return p->key.proto == IPPROTO_UDP ? MOAT_TABLE_UDP : MOAT_TABLE_OTHER;
}

static __always_inline __u64 flow_first_timeout(const struct pkt *p)
{
	switch (p->key.proto) {
	case IPPROTO_TCP:
		return knobs.timeout[MOAT_TIMEOUT_TCP_HALF_OPEN];
	case IPPROTO_UDP:
		return knobs.timeout[MOAT_TIMEOUT_UDP];
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return knobs.timeout[MOAT_TIMEOUT_ICMP];
	}
	return knobs.timeout[MOAT_TIMEOUT_OTHER];
}

static __always_inline __u8 seen_bits(const struct pkt *p)
{
	__u8 tcp = p->tcp_flags, bits = MOAT_SEEN_ANY;

	if (tcp & MOAT_TCP_FLAG_SYN)
		bits |= tcp & MOAT_TCP_FLAG_ACK ? MOAT_SEEN_SYNACK :
						  MOAT_SEEN_SYN;
	else if (tcp & MOAT_TCP_FLAG_ACK)
		bits |= MOAT_SEEN_ACK;
	if (tcp & MOAT_TCP_FLAG_FIN)
		bits |= MOAT_SEEN_FIN;
	if (tcp & MOAT_TCP_FLAG_RST)
		bits |= MOAT_SEEN_RST;
	return bits;
}

/*
 * Inserts into the table where the flow begins. In a table that never evicts,
 * an entry past its expiry is left for user space to delete, and the new flow
 * waits in the embryonic one (F6); LRU entries may be overwritten. -EEXIST:
 * another CPU was first, the flow is there (F5).
 */
static __noinline long flow_insert_new(struct pkt *p, const struct moat_flow *f,
				       __u32 table)
{
	bool evicts = table != MOAT_TABLE_UDP && table != MOAT_TABLE_OTHER;
	long rc = flow_map_insert(table, &p->key, f,
				  evicts ? BPF_ANY : BPF_NOEXIST);

	if (rc != -E_EXIST || flow_lives(flow_map_find(table, &p->key), p->now))
		return rc;
	return flow_map_insert(embryonic_of(p->dir), &p->key, f, BPF_ANY);
}

/* An entry opened by this packet, and counted with it. A function of its own:
 * on its own stack clang would index the arrays by OR, which verifiers refuse. */
static __noinline void flow_fill(const struct pkt *p, struct moat_flow *f,
				 __u64 word, __u64 life)
{
	f->word = word;
	f->created = p->now;
	f->expires = p->now + life;
	f->packets[p->dir & 1] = p->packets;
	f->bytes[p->dir & 1] = p->bytes;
	f->ifindex[p->dir & 1] = p->ifindex;
	f->seen[p->dir & 1] = seen_bits(p);
	f->fin[p->dir & 1] = p->tcp_flags & MOAT_TCP_FLAG_FIN ? 1 : 0;
	f->direction = p->dir;
	f->layout = MOAT_ABI_VERSION;
	if (p->flags & PKT_MIDSTREAM)
		f->marks = MOAT_MARK_MIDSTREAM;
}

/* A new flow. 0; -EEXIST, it is there already; or -errno, which is counted as
 * a refusal. */
VERIFIED_ONCE int flow_create(__u64 word, __u32 table)
{
	struct pkt *p = pkt_current();
	struct moat_flow f = {};
	long rc;

	if (!p)
		return -E_NOMEM;
	flow_fill(p, &f, word, flow_first_timeout(p));
	rc = flow_insert_new(p, &f, table);
	if (!rc)
		count_created(table);
	else if (rc != -E_EXIST)
		count_refusal(table, rc);
	return (int)rc;
}

/* The packet that moves a flow belongs to the copy too: what it is counted in
 * afterwards is the entry left behind. */
static __noinline void count_moving(struct pkt *p, struct moat_flow *copy)
{
	copy->packets[p->dir & 1] += p->packets;
	copy->bytes[p->dir & 1] += p->bytes;
}

/*
 * The flow of the entry found in p->table moves to the table of its kind. The
 * entry stays, marked, so that no reader loses it (F5). A full or busy table:
 * the flow stays embryonic and its next packet tries again (F9).
 */
static __noinline void flow_promote(struct pkt *p, struct moat_flow *f,
				    __u64 timeout)
{
	__u32 home = flow_home(p->key.proto);
	struct moat_flow copy = *f;
	long rc;

	/* A table that evicts may have given the element to another flow while
	 * it was copied: that one's verdict must not come under this key. */
	if (flow_map_find(p->table, &p->key) != f)
		return;
	copy.expires = p->now + timeout;
	count_moving(p, &copy);
	rc = flow_map_insert(home, &p->key, &copy, BPF_NOEXIST);
	if (rc == -E_EXIST && !flow_lives(flow_map_find(home, &p->key), p->now))
		return;
	if (rc && rc != -E_EXIST) {
		if (rc == -E_2BIG)
			count_refusal(home, rc);
		return;
	}
	f->marks |= MOAT_MARK_PROMOTED;
	f->expires = p->now + knobs.timeout[MOAT_TIMEOUT_TCP_HALF_OPEN];
	if (!rc)
		count_created(home);
}

/* Both sides closed: the flow moves to a table that evicts, so that dead
 * flows never fill the one that doesn't. The old entry becomes a miss. */
static __noinline void flow_close(struct pkt *p, struct moat_flow *f)
{
	__u64 until = p->now + knobs.timeout[MOAT_TIMEOUT_TCP_CLOSING];
	struct moat_flow copy = *f;

	copy.state = MOAT_FLOW_CLOSING;
	copy.expires = until;
	count_moving(p, &copy);
	f->state = MOAT_FLOW_CLOSING;
	if (flow_map_insert(MOAT_TABLE_CLOSING, &p->key, &copy, BPF_ANY))
		f->expires = until;
	else
		f->expires = p->now;
}

#endif
