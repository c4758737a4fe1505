// SPDX-License-Identifier: BSD-2-Clause
/* Families that count packets: by reason, by rule, by peer. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "svc/metrics_parts.h"

static const char *const verdicts[] = MOAT_VERDICT_NAMES;
static const char *const directions[] = { "ingress", "egress" };
static const struct {
	const char *name;
	int kind;
} reasons[] = {
#define X(symbol, name, layer, kind) { name, MOAT_KIND_##kind },
	MOAT_REASONS(X)
#undef X
};

/* One interface and direction, every reason. */
static void reason_samples(struct metrics_out *o, const char *name,
			   const struct metrics_iface *i, int dir, bool bytes)
{
	const struct moat_iface_counters *c = &i->stats->direction[dir];
	const struct moat_count *hit, *would;
	int r, v;

	for (r = MOAT_REASON_NONE + 1; r < MOAT_REASON_COUNT; r++) {
		if (r == MOAT_REASON_REPLY_DENIED)
			continue;
		hit = &c->count[r];
		would = &c->would_drop[r];
		v = reasons[r].kind == MOAT_KIND_DROP ? MOAT_DROP : MOAT_ALLOW;
		metrics_sample(o, name, bytes ? hit->bytes : hit->packets,
			       "interface", i->name, "direction",
			       directions[dir], "verdict", verdicts[v],
			       "reason", reasons[r].name, NULL);
		if (v != MOAT_DROP)
			continue;
		metrics_sample(o, name, bytes ? would->bytes : would->packets,
			       "interface", i->name, "direction",
			       directions[dir], "verdict",
			       verdicts[MOAT_WOULD_DROP], "reason",
			       reasons[r].name, NULL);
	}
}

void metrics_packets(struct metrics_out *o, const struct metrics_snapshot *s,
		     bool bytes)
{
	const char *name = bytes ? "moat_bytes_total" : "moat_packets_total";
	const struct metrics_iface *i;
	int dir;

	metrics_family(
		o, name, "counter",
		bytes ? "L3 bytes judged, each segment with its headers." :
			"Packets judged; segments count each.");
	for (i = s->ifaces; i < s->ifaces + s->nifaces; i++)
		for (dir = 0; i->stats && dir < 2; dir++)
			reason_samples(o, name, i, dir, bytes);
}

/* How a rule's hits are called: only a NACL's deny drops. */
static const char *rule_verdict(const struct metrics_rule *r)
{
	return verdicts[r->deny ? MOAT_DROP : MOAT_ALLOW];
}

/* Labels that the families of one rule share, made once. */
struct rule_texts {
	struct buf text;
	size_t *end; /* of each rule's labels in it */
};

static int make_texts(const struct metrics_snapshot *s, struct rule_texts *ret)
{
	struct metrics_out o = { .buf = &ret->text };
	const struct metrics_rule *r;
	size_t i;

	ret->end = calloc(s->nrules + 1, sizeof(*ret->end));
	if (!ret->end)
		return -ENOMEM;
	for (i = 0; i < s->nrules; i++) {
		r = &s->rules[i];
		metrics_labels(&o, "layer", r->nacl ? "nacl" : "sg", "group",
			       r->owner, "rule", r->rule, "direction",
			       directions[r->direction], NULL);
		ret->end[i] = ret->text.len;
	}
	return o.err;
}

static struct metrics_text text_of(const struct rule_texts *t, size_t i,
				   const char *verdict)
{
	size_t from = i ? t->end[i - 1] : 0;

	return (struct metrics_text){ t->text.data + from, t->end[i] - from,
				      verdict };
}

static void rule_count(struct metrics_out *o, const struct metrics_snapshot *s,
		       const struct rule_texts *t, bool bytes)
{
	const char *name = bytes ? "moat_rule_bytes_total" :
				   "moat_rule_packets_total";
	const struct moat_count *hit, *would;
	struct metrics_text text;
	size_t i;

	metrics_family(o, name, "counter",
		       bytes ? "L3 bytes credited to a rule." :
			       "Packets credited to a rule.");
	for (i = 0; i < s->nrules; i++) {
		hit = &s->rules[i].count.hit;
		would = &s->rules[i].count.would_drop;
		text = text_of(t, i, rule_verdict(&s->rules[i]));
		metrics_line(o, name, &text, bytes ? hit->bytes : hit->packets);
		text.verdict = verdicts[MOAT_WOULD_DROP];
		metrics_line(o, name, &text,
			     bytes ? would->bytes : would->packets);
	}
}

/* What only groups' rules count. */
static void rule_openings(struct metrics_out *o,
			  const struct metrics_snapshot *s,
			  const struct rule_texts *t, bool refused_ones)
{
	const char *name = refused_ones ? "moat_rule_rate_limited_total" :
					  "moat_rule_connections_total";
	const struct metrics_rule *r;
	struct metrics_text text;
	size_t i;

	metrics_family(o, name, "counter",
		       refused_ones ? "Openings that a rule's limit refused." :
				      "Flows opened under a group's rule.");
	for (i = 0; i < s->nrules; i++) {
		r = &s->rules[i];
		if (r->nacl)
			continue;
		text = text_of(t, i, refused_ones ? NULL : rule_verdict(r));
		metrics_line(o, name, &text,
			     refused_ones ? r->count.limited :
					    r->count.connections);
	}
}

void metrics_rules(struct metrics_out *o, const struct metrics_snapshot *s)
{
	struct rule_texts t = {};
	int r = make_texts(s, &t);

	if (r) {
		o->err = r;
	} else {
		rule_count(o, s, &t, false);
		rule_count(o, s, &t, true);
		rule_openings(o, s, &t, false);
		rule_openings(o, s, &t, true);
	}
	free(t.end);
	buf_free(&t.text);
}

void metrics_peers(struct metrics_out *o, const struct metrics_snapshot *s,
		   bool bytes)
{
	const char *name = bytes ? "moat_peer_bytes_total" :
				   "moat_peer_packets_total";
	const struct metrics_peer *p;

	metrics_family(
		o, name, "counter",
		bytes ? "L3 bytes of tracked flows by group and named peer." :
			"Packets of tracked flows by group and named peer.");
	for (p = s->peers; p < s->peers + s->npeers; p++)
		metrics_sample(o, name,
			       bytes ? p->count.bytes : p->count.packets,
			       "group", p->group, "peer", p->peer, "direction",
			       directions[p->direction], "verdict",
			       verdicts[p->verdict], NULL);
}
