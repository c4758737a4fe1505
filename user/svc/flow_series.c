// SPDX-License-Identifier: BSD-2-Clause
/* Folding flows into a bounded number of series. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "moat/image.h"
#include "svc/flow_series.h"
#include "svc/metrics_text.h"

struct key {
	struct moat_addr src, dst;
	__u16 port;
	__u16 slot;
	__u8 proto;
	__u8 direction;
	__u8 verdict;
	__u8 failsafe;
};

struct series {
	struct key key;
	struct moat_count count;
	uint64_t gained_ms;
	char rule[168];
};

struct flow_series {
	struct series *all;
	size_t count, max;
	/* Open addressing: index + 1 of a series, 0: free. */
	__u32 *index;
	size_t mask;
	struct moat_count other[2][MOAT_VERDICT_COUNT];
	flow_rule_fn rule;
	void *arg;
};

static const char *const verdicts[] = MOAT_VERDICT_NAMES;
static const char *const directions[] = { "ingress", "egress" };

struct flow_series *flow_series_new(size_t max, flow_rule_fn rule, void *arg)
{
	struct flow_series *s = calloc(1, sizeof(*s));
	size_t size = 16;

	if (!s)
		return NULL;
	while (size < max * 2)
		size *= 2;
	s->max = max;
	s->mask = size - 1;
	s->rule = rule;
	s->arg = arg;
	s->all = calloc(max ? max : 1, sizeof(*s->all));
	s->index = calloc(size, sizeof(*s->index));
	if (!s->all || !s->index) {
		flow_series_free(s);
		return NULL;
	}
	return s;
}

void flow_series_free(struct flow_series *s)
{
	if (!s)
		return;
	free(s->all);
	free(s->index);
	free(s);
}

enum moat_verdict flow_verdict(const struct flow_record *r)
{
	if (r->flow.word & MOAT_WORD_WOULD_DROP)
		return MOAT_WOULD_DROP;
	return r->table == MOAT_TABLE_DENIED ? MOAT_DROP : MOAT_ALLOW;
}

unsigned int flow_service_port(const struct flow_record *r)
{
	if (!proto_has_ports(r->key.proto))
		return 0;
	return ntohs(r->flow.direction == MOAT_INGRESS ? r->key.lport :
							 r->key.rport);
}

static void key_of(const struct flow_record *r, int direction, struct key *ret)
{
	bool in = r->flow.direction == MOAT_INGRESS;

	memset(ret, 0, sizeof(*ret));
	ret->src = in ? r->key.remote : r->key.local;
	ret->dst = in ? r->key.local : r->key.remote;
	ret->port = (__u16)flow_service_port(r);
	ret->slot = MOAT_WORD_SLOT(r->flow.word);
	ret->proto = r->key.proto;
	ret->direction = (__u8)direction;
	ret->verdict = (__u8)flow_verdict(r);
	ret->failsafe = (r->flow.word & MOAT_WORD_FAILSAFE) != 0;
}

/* FNV-1a (draft-eastlake-fnv): the table is small and never above half full. */
static size_t hash(const struct key *key)
{
	const unsigned char *p = (const unsigned char *)key;
	__u64 h = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < sizeof(*key); i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

static __u32 *place(struct flow_series *s, const struct key *key)
{
	size_t i = hash(key) & s->mask;

	while (s->index[i] &&
	       memcmp(&s->all[s->index[i] - 1].key, key, sizeof(*key)) != 0)
		i = (i + 1) & s->mask;
	return &s->index[i];
}

static struct series *series_of(struct flow_series *s, const struct key *key)
{
	__u32 *at = place(s, key);
	struct series *one;

	if (*at)
		return &s->all[*at - 1];
	if (s->count >= s->max)
		return NULL;
	one = &s->all[s->count++];
	*one = (struct series){ .key = *key };
	if (key->failsafe)
		snprintf(one->rule, sizeof(one->rule), "failsafe");
	else if (key->slot != MOAT_SLOT_NONE)
		s->rule(key->slot, one->rule, sizeof(one->rule), s->arg);
	*at = (__u32)s->count;
	return one;
}

static void add(struct moat_count *to, const struct moat_count *what)
{
	to->packets += what->packets;
	to->bytes += what->bytes;
}

void flow_series_add(struct flow_series *s, const struct flow_record *r,
		     const struct moat_count gained[2], uint64_t now_ms)
{
	struct series *one;
	struct key key;
	int dir;

	for (dir = 0; dir < 2; dir++) {
		if (!gained[dir].packets && !gained[dir].bytes)
			continue;
		key_of(r, dir, &key);
		one = series_of(s, &key);
		if (one) {
			add(&one->count, &gained[dir]);
			one->gained_ms = now_ms;
		} else {
			add(&s->other[dir][key.verdict], &gained[dir]);
		}
	}
}

void flow_series_age(struct flow_series *s, uint64_t now_ms)
{
	size_t i, kept = 0;
	struct series *one;

	for (i = 0; i < s->count; i++) {
		one = &s->all[i];
		if (now_ms - one->gained_ms < FLOW_SERIES_IDLE_MS)
			s->all[kept++] = *one;
		else
			add(&s->other[one->key.direction][one->key.verdict],
			    &one->count);
	}
	if (kept == s->count)
		return;
	s->count = kept;
	memset(s->index, 0, (s->mask + 1) * sizeof(*s->index));
	for (i = 0; i < kept; i++)
		*place(s, &s->all[i].key) = (__u32)i + 1;
}

static void format_one(struct metrics_out *o, const char *name,
		       const struct series *one, bool bytes)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT], port[8], proto[8];

	snprintf(port, sizeof(port), "%u", one->key.port);
	metrics_sample(o, name, bytes ? one->count.bytes : one->count.packets,
		       "src", addr_print(&one->key.src, src), "dst",
		       addr_print(&one->key.dst, dst), "dst_port", port,
		       "protocol", proto_print(one->key.proto, proto),
		       "direction", directions[one->key.direction], "verdict",
		       verdicts[one->key.verdict], "rule", one->rule, NULL);
}

static void format_other(struct metrics_out *o, const char *name,
			 const struct flow_series *s, bool bytes)
{
	const struct moat_count *count;
	int dir, v;

	for (dir = 0; dir < 2; dir++) {
		for (v = 0; v < MOAT_VERDICT_COUNT; v++) {
			count = &s->other[dir][v];
			metrics_sample(o, name,
				       bytes ? count->bytes : count->packets,
				       "src", "other", "dst", "other",
				       "dst_port", "other", "protocol", "other",
				       "direction", directions[dir], "verdict",
				       verdicts[v], "rule", "other", NULL);
		}
	}
}

static void family(struct metrics_out *o, const struct flow_series *s,
		   bool bytes)
{
	const char *name = bytes ? "moat_flow_bytes_total" :
				   "moat_flow_packets_total";
	size_t i;

	metrics_family(o, name, "counter",
		       bytes ? "L3 bytes of flows, folded over source ports." :
			       "Packets of flows, folded over source ports.");
	for (i = 0; i < s->count; i++)
		format_one(o, name, &s->all[i], bytes);
	format_other(o, name, s, bytes);
}

int flow_series_format(const struct flow_series *s, struct buf *out)
{
	struct metrics_out o = { .buf = out };

	family(&o, s, false);
	family(&o, s, true);
	return o.err;
}
