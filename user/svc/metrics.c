// SPDX-License-Identifier: BSD-2-Clause
/* The /metrics page, family by family (interface.md section 4). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "svc/metrics.h"

static const char *const verdicts[] = MOAT_VERDICT_NAMES;
static const char *const directions[] = { "ingress", "egress" };
static const char *const hooks[METRICS_HOOKS] = { "tc-ingress", "tc-egress",
						  "xdp" };
static const char *const pushes[] = {
#define X(symbol, name) name,
	METRICS_PUSHES(X)
#undef X
};
static const char *const expiries[] = {
#define X(symbol, name) name,
	METRICS_EXPIRIES(X)
#undef X
};
static const char *const tables[] = {
#define X(symbol, name) name,
	MOAT_TABLES(X)
#undef X
};
static const char *const refusals[] = {
#define X(symbol, name) name,
	MOAT_REFUSALS(X)
#undef X
};
static const char *const retries[] = {
#define X(symbol, name) name,
	FLOWS_RETRIES(X)
#undef X
};
static const struct {
	const char *name;
	int kind;
} reasons[] = {
#define X(symbol, name, layer, kind) { name, MOAT_KIND_##kind },
	MOAT_REASONS(X)
#undef X
};

const double metrics_buckets[METRICS_BUCKETS] = { 0.005, 0.01, 0.025, 0.05, 0.1,
						  0.25,	 0.5,  1,     2.5,  5 };

void metrics_observe(struct metrics_histogram *h, double seconds)
{
	int i;

	for (i = 0; i < METRICS_BUCKETS; i++)
		if (seconds <= metrics_buckets[i])
			break;
	if (i < METRICS_BUCKETS)
		h->bucket[i]++;
	h->count++;
	h->sum += seconds;
}

static void histogram(struct metrics_out *o, const char *name,
		      const struct metrics_histogram *h)
{
	char bucket[96], sum[96], count[96], le[32];
	uint64_t below = 0;
	int i;

	snprintf(bucket, sizeof(bucket), "%s_bucket", name);
	snprintf(sum, sizeof(sum), "%s_sum", name);
	snprintf(count, sizeof(count), "%s_count", name);
	for (i = 0; i < METRICS_BUCKETS; i++) {
		below += h->bucket[i];
		snprintf(le, sizeof(le), "%g", metrics_buckets[i]);
		metrics_sample(o, bucket, below, "le", le, NULL);
	}
	metrics_sample(o, bucket, h->count, "le", "+Inf", NULL);
	metrics_sample_float(o, sum, h->sum, NULL);
	metrics_sample(o, count, h->count, NULL);
}

static void gauge(struct metrics_out *o, const char *name, const char *help,
		  uint64_t value)
{
	metrics_family(o, name, "gauge", help);
	metrics_sample(o, name, value, NULL);
}

static void counter(struct metrics_out *o, const char *name, const char *help,
		    uint64_t value)
{
	metrics_family(o, name, "counter", help);
	metrics_sample(o, name, value, NULL);
}

static void time_gauge(struct metrics_out *o, const char *name,
		       const char *help, double value)
{
	metrics_family(o, name, "gauge", help);
	metrics_sample_float(o, name, value, NULL);
}

static void about(struct metrics_out *o, const struct metrics_snapshot *s)
{
	metrics_family(o, "moat_build_info", "gauge", "Version of moatd.");
	metrics_sample(o, "moat_build_info", 1, "version", s->version, NULL);
	metrics_family(o, "moat_config_info", "gauge",
		       "SHA-256 of the agent's configuration.");
	metrics_sample(o, "moat_config_info", 1, "sha256", s->config_sha256,
		       NULL);
	metrics_family(o, "moat_policy_info", "gauge",
		       "The policy in force, and the mode that results.");
	if (s->policy)
		metrics_sample(o, "moat_policy_info", 1, "policy", s->policy,
			       "revision", s->revision, "mode", s->mode, NULL);
}

static void policy(struct metrics_out *o, const struct metrics_snapshot *s)
{
	int i;

	gauge(o, "moat_policy_generation",
	      "Generation that judges packets now.", s->generation);
	gauge(o, "moat_policy_last_push_successful",
	      "1 if the last push was taken.", s->last_push_ok);
	time_gauge(o, "moat_policy_last_push_timestamp_seconds",
		   "When the last push came, 0 for never.", s->last_push_time);
	metrics_family(o, "moat_policy_pushes_total", "counter",
		       "Pushes by what became of them.");
	for (i = 0; i < METRICS_PUSH_COUNT; i++)
		metrics_sample(o, "moat_policy_pushes_total", s->pushes[i],
			       "result", pushes[i], NULL);
	metrics_family(o, "moat_policy_push_duration_seconds", "histogram",
		       "From a push received to the policy in force.");
	histogram(o, "moat_policy_push_duration_seconds", &s->push_seconds);
	gauge(o, "moat_policy_file_differs",
	      "1 if the configured policy file is not the policy in force.",
	      s->policy_file_differs);
	time_gauge(o, "moat_confirm_deadline_timestamp_seconds",
		   "When an unconfirmed push will be undone, 0 for none.",
		   s->confirm_deadline);
	gauge(o, "moat_unassigned_addresses", "Local addresses in no group.",
	      s->unassigned_addresses);
	gauge(o, "moat_failsafe_addresses",
	      "Addresses and networks that the failsafe lets in or out.",
	      s->failsafe_peers);
	counter(o, "moat_drift_repairs_total",
		"Programs found missing or replaced, and attached again.",
		s->drift_repairs);
	gauge(o, "moat_image_bytes", "Bytes of the compiled policy in force.",
	      s->image_bytes);
}

static void interfaces(struct metrics_out *o, const struct metrics_snapshot *s)
{
	const struct metrics_iface *i;
	int hook;

	metrics_family(o, "moat_interface_attached", "gauge",
		       "1 where our current program is on the hook.");
	for (i = s->ifaces; i < s->ifaces + s->nifaces; i++)
		for (hook = 0; hook < METRICS_HOOKS; hook++)
			metrics_sample(o, "moat_interface_attached",
				       i->attach[hook] != NULL, "interface",
				       i->name, "hook", hooks[hook], "attach",
				       i->attach[hook] ? i->attach[hook] :
							 "none",
				       NULL);
	metrics_family(o, "moat_interface_enforcing", "gauge",
		       "1 only when what the policy denies is really dropped.");
	for (i = s->ifaces; i < s->ifaces + s->nifaces; i++)
		metrics_sample(o, "moat_interface_enforcing", i->enforcing,
			       "interface", i->name, NULL);
	metrics_family(o, "moat_unenforced_device", "gauge",
		       "Devices whose traffic moat does not judge.");
	for (size_t d = 0; d < s->nunenforced; d++)
		metrics_sample(o, "moat_unenforced_device", 1, "device",
			       s->unenforced[d].device, "kind",
			       s->unenforced[d].kind, NULL);
}

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

static void packet_family(struct metrics_out *o,
			  const struct metrics_snapshot *s, bool bytes)
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

static void rules(struct metrics_out *o, const struct metrics_snapshot *s)
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

static void peer_family(struct metrics_out *o, const struct metrics_snapshot *s,
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

static void refused(struct metrics_out *o, const struct moat_totals *t)
{
	int table, r;

	metrics_family(o, "moat_flow_refused_total", "counter",
		       "Flows that could not be entered in their table.");
	for (table = 0; t && table < MOAT_TABLE_COUNT; table++)
		for (r = 0; r < MOAT_REFUSAL_COUNT; r++)
			metrics_sample(o, "moat_flow_refused_total",
				       t->refused[table][r], "table",
				       tables[table], "reason", refusals[r],
				       NULL);
	metrics_family(o, "moat_flows_created_total", "counter",
		       "Flows entered in a table.");
	for (table = 0; t && table < MOAT_TABLE_COUNT; table++)
		metrics_sample(o, "moat_flows_created_total", t->created[table],
			       "table", tables[table], NULL);
}

static void flow_tables(struct metrics_out *o, const struct metrics_snapshot *s)
{
	size_t i;

	metrics_family(o, "moat_table_entries", "gauge",
		       "Entries of a flow table at the last walk.");
	for (i = 0; i < s->ntables; i++)
		metrics_sample(o, "moat_table_entries", s->tables[i].entries,
			       "table", s->tables[i].name, NULL);
	metrics_family(o, "moat_table_limit", "gauge",
		       "Entries that a flow table holds at most.");
	for (i = 0; i < s->ntables; i++)
		metrics_sample(o, "moat_table_limit", s->tables[i].limit,
			       "table", s->tables[i].name, NULL);
	refused(o, s->totals);
	metrics_family(o, "moat_flows_expired_total", "counter",
		       "Flows removed from the tables by how they had ended.");
	for (i = 0; i < METRICS_EXPIRY_COUNT; i++)
		metrics_sample(o, "moat_flows_expired_total", s->expired[i],
			       "reason", expiries[i], NULL);
	metrics_sample(o, "moat_flows_expired_total", s->killed, "reason",
		       "killed", NULL);
}

static void upkeep(struct metrics_out *o, const struct metrics_upkeep *u)
{
	int i;

	counter(o, "moat_walks_total", "Complete walks over the flow tables.",
		u->walks);
	counter(o, "moat_walk_failures_total",
		"Flow tables that could not be walked to their end.",
		u->failures);
	counter(o, "moat_walk_undeleted_total",
		"Expired flows that could not be deleted, left to the next "
		"walk.",
		u->retries.undeleted);
	metrics_family(o, "moat_walk_retries_total", "counter",
		       "Calls on flow tables made again, by what failed.");
	for (i = 0; i < FLOWS_RETRY_COUNT; i++)
		metrics_sample(o, "moat_walk_retries_total",
			       u->retries.count[i], "reason", retries[i], NULL);
	metrics_family(o, "moat_walk_cpu_seconds_total", "counter",
		       "CPU time that walks took.");
	metrics_sample_float(o, "moat_walk_cpu_seconds_total", u->cpu_seconds,
			     NULL);
	time_gauge(o, "moat_walk_duration_seconds",
		   "From begin to end of the last walk.", u->walk_seconds);
	time_gauge(o, "moat_walk_longest_slice_seconds",
		   "Longest slice of the last walk; the agent answers nobody "
		   "meanwhile.",
		   u->longest_slice);
}

static void totals(struct metrics_out *o, const struct metrics_snapshot *s)
{
	char name[16];
	size_t i;

	if (s->totals) {
		counter(o, "moat_events_suppressed_total",
			"Drops for which no record was kept.",
			s->totals->denied_suppressed);
		counter(o, "moat_xdp_dropped_packets_total",
			"Packets dropped by the XDP program.",
			s->totals->xdp_dropped);
		counter(o, "moat_fallback_packets_total",
			"Packets judged by the previous policy because a "
			"deadline passed.",
			s->totals->fallback);
	}
	metrics_family(o, "moat_map_bytes", "gauge",
		       "Memory of a map as the kernel accounts it.");
	for (i = 0; i < s->nmaps; i++)
		metrics_sample(o, "moat_map_bytes", s->maps[i].bytes, "map",
			       s->maps[i].name, NULL);
	metrics_family(o, "moat_non_ip_packets_total", "counter",
		       "Frames that are not IP, which pass.");
	for (i = 0; i < s->nethertypes; i++) {
		snprintf(name, sizeof(name), "0x%04x",
			 s->ethertypes[i].ethertype);
		metrics_sample(o, "moat_non_ip_packets_total",
			       s->ethertypes[i].count.packets, "ethertype",
			       name, NULL);
	}
}

static void process(struct metrics_out *o, const struct metrics_process *p)
{
	metrics_family(o, "process_cpu_seconds_total", "counter",
		       "CPU time of moatd.");
	metrics_sample_float(o, "process_cpu_seconds_total", p->cpu_seconds,
			     NULL);
	time_gauge(o, "process_start_time_seconds", "When moatd started.",
		   p->start_time);
	gauge(o, "process_resident_memory_bytes", "Resident memory of moatd.",
	      p->resident_bytes);
	gauge(o, "process_virtual_memory_bytes", "Virtual memory of moatd.",
	      p->virtual_bytes);
	gauge(o, "process_open_fds", "Open file descriptors of moatd.",
	      p->open_fds);
	gauge(o, "process_max_fds", "File descriptors moatd may open.",
	      p->max_fds);
}

int metrics_format(const struct metrics_snapshot *s, struct buf *out)
{
	struct metrics_out o = { .buf = out };

	about(&o, s);
	policy(&o, s);
	interfaces(&o, s);
	packet_family(&o, s, false);
	packet_family(&o, s, true);
	rules(&o, s);
	peer_family(&o, s, false);
	peer_family(&o, s, true);
	flow_tables(&o, s);
	upkeep(&o, &s->upkeep);
	totals(&o, s);
	process(&o, &s->process);
	return o.err;
}
