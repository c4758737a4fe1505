// SPDX-License-Identifier: BSD-2-Clause
/* The /metrics page, family by family: agent, policy, interfaces, maps; the
 * rest in metrics_packets.c and metrics_flows.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "svc/metrics.h"
#include "svc/metrics_parts.h"

static const char *const hooks[METRICS_HOOKS] = { "tc-ingress", "tc-egress",
						  "xdp" };
static const char *const pushes[] = {
#define X(symbol, name) name,
	METRICS_PUSHES(X)
#undef X
};

/* Upper bounds, in seconds. */
static const double bucket_ends[METRICS_BUCKETS] = { 0.005, 0.01, 0.025, 0.05,
						     0.1,   0.25, 0.5,	 1,
						     2.5,   5 };

void metrics_observe(struct metrics_histogram *h, double seconds)
{
	int i;

	for (i = 0; i < METRICS_BUCKETS; i++)
		if (seconds <= bucket_ends[i])
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
		snprintf(le, sizeof(le), "%g", bucket_ends[i]);
		metrics_sample(o, bucket, below, "le", le, NULL);
	}
	metrics_sample(o, bucket, h->count, "le", "+Inf", NULL);
	metrics_sample_float(o, sum, h->sum, NULL);
	metrics_sample(o, count, h->count, NULL);
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

	metrics_gauge(o, "moat_policy_generation",
		      "Generation that judges packets now.", s->generation);
	metrics_gauge(o, "moat_policy_last_push_successful",
		      "1 if the last push was taken.", s->last_push_ok);
	metrics_seconds(o, "moat_policy_last_push_timestamp_seconds",
			"When the last push came, 0 for never.",
			s->last_push_time);
	metrics_family(o, "moat_policy_pushes_total", "counter",
		       "Pushes by what became of them.");
	for (i = 0; i < METRICS_PUSH_COUNT; i++)
		metrics_sample(o, "moat_policy_pushes_total", s->pushes[i],
			       "result", pushes[i], NULL);
	metrics_family(o, "moat_policy_push_duration_seconds", "histogram",
		       "From a push received to the policy in force.");
	histogram(o, "moat_policy_push_duration_seconds", &s->push_seconds);
	metrics_gauge(
		o, "moat_policy_file_differs",
		"1 if the configured policy file is not the policy in force.",
		s->policy_file_differs);
	metrics_seconds(o, "moat_confirm_deadline_timestamp_seconds",
			"When an unconfirmed push will be undone, 0 for none.",
			s->confirm_deadline);
	metrics_gauge(o, "moat_unassigned_addresses",
		      "Local addresses in no group.", s->unassigned_addresses);
	metrics_gauge(
		o, "moat_failsafe_addresses",
		"Addresses and networks that the failsafe lets in or out.",
		s->failsafe_peers);
	metrics_counter(
		o, "moat_drift_repairs_total",
		"Programs found missing or replaced, and attached again.",
		s->drift_repairs);
	metrics_gauge(
		o, "moat_xdp_held_off",
		"1 if XDP is configured and held off, so that tc judges alone.",
		s->xdp_held_off);
	metrics_gauge(o, "moat_xdp_unclean_boots",
		      "Boots in a row that ended uncleanly soon after XDP was "
		      "attached.",
		      s->xdp_unclean_boots);
	metrics_gauge(o, "moat_image_bytes",
		      "Bytes of the compiled policy in force.", s->image_bytes);
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

static void totals(struct metrics_out *o, const struct metrics_snapshot *s)
{
	char name[16];
	size_t i;

	if (s->totals) {
		metrics_counter(o, "moat_events_suppressed_total",
				"Drops for which no record was kept.",
				s->totals->denied_suppressed);
		metrics_counter(o, "moat_xdp_dropped_packets_total",
				"Packets dropped by the XDP program.",
				s->totals->xdp_dropped);
		metrics_counter(
			o, "moat_fallback_packets_total",
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
	metrics_seconds(o, "process_start_time_seconds", "When moatd started.",
			p->start_time);
	metrics_gauge(o, "process_resident_memory_bytes",
		      "Resident memory of moatd.", p->resident_bytes);
	metrics_gauge(o, "process_virtual_memory_bytes",
		      "Virtual memory of moatd.", p->virtual_bytes);
	metrics_gauge(o, "process_open_fds", "Open file descriptors of moatd.",
		      p->open_fds);
	metrics_gauge(o, "process_max_fds", "File descriptors moatd may open.",
		      p->max_fds);
}

int metrics_format(const struct metrics_snapshot *s, struct buf *out)
{
	struct metrics_out o = { .buf = out };

	about(&o, s);
	policy(&o, s);
	interfaces(&o, s);
	metrics_packets(&o, s, false);
	metrics_packets(&o, s, true);
	metrics_rules(&o, s);
	metrics_peers(&o, s, false);
	metrics_peers(&o, s, true);
	metrics_flow_tables(&o, s);
	metrics_upkeep(&o, &s->upkeep);
	totals(&o, s);
	process(&o, &s->process);
	return o.err;
}
