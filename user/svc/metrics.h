/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a snapshot to Prometheus text (exposition format 0.0.4). A pure
 * formatter: whoever fills the snapshot owns everything it points to. Series
 * are bounded by rules, groups, reasons and interfaces, never by traffic.
 */
#ifndef MOAT_METRICS_H
#define MOAT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "kern/flows.h"
#include "kern/stats.h"
#include "moat/counters.h"
#include "moat/reason.h"

/* Results of a push, label of moat_policy_pushes_total. */
#define METRICS_PUSHES(X) \
	X(APPLIED, "applied") \
	X(UNCHANGED, "unchanged") \
	X(REFUSED, "refused") \
	X(FAILED, "failed") \
	X(ROLLED_BACK, "rolled-back")
enum metrics_push {
#define X(symbol, name) METRICS_PUSH_##symbol,
	METRICS_PUSHES(X)
#undef X
		METRICS_PUSH_COUNT
};

#define METRICS_BUCKETS 10
struct metrics_histogram {
	uint64_t bucket[METRICS_BUCKETS]; /* not cumulative */
	uint64_t count;
	double sum;
};
void metrics_observe(struct metrics_histogram *h, double seconds);

/* Why flows expired, label of moat_flows_expired_total. */
#define METRICS_EXPIRIES(X) \
	X(IDLE, "idle") \
	X(CLOSED, "closed") \
	X(RESET, "reset") \
	X(UNANSWERED, "unanswered")
enum metrics_expiry {
#define X(symbol, name) METRICS_EXPIRY_##symbol,
	METRICS_EXPIRIES(X)
#undef X
		METRICS_EXPIRY_COUNT
};

#define METRICS_HOOKS 3 /* tc-ingress, tc-egress, xdp */
struct metrics_iface {
	const char *name;
	const char *attach[METRICS_HOOKS]; /* "tcx", …; NULL: nothing */
	bool enforcing;
	const struct iface_stats *stats; /* NULL: none known */
};

struct metrics_rule {
	bool nacl, deny;
	int direction;
	const char *owner, *rule;
	struct moat_rule_count count;
};

struct metrics_peer {
	const char *group, *peer;
	int direction;
	enum moat_verdict verdict;
	struct moat_count count;
};

struct metrics_table {
	const char *name;
	uint64_t entries, limit;
	bool counted; /* entries, since the agent started */
};

struct metrics_device {
	const char *device, *kind;
};

struct metrics_process {
	double cpu_seconds, start_time;
	uint64_t resident_bytes, virtual_bytes, open_fds, max_fds;
};

/* The walks over the flow tables. */
struct metrics_upkeep {
	uint64_t walks;	      /* complete */
	uint64_t failures;    /* tables that could not be walked to the end */
	double cpu_seconds;   /* of all of them */
	double walk_seconds;  /* the last one, from begin to end */
	double longest_slice; /* of the last one, seconds: nothing else of the
				   agent's runs meanwhile */
	struct flows_retries retries;
};

struct metrics_snapshot {
	const char *version, *config_sha256;
	const char *policy, *revision; /* policy NULL: nothing in force */
	const char *mode;	       /* enforce, audit: max_mode taken in */
	uint32_t generation;
	bool last_push_ok;
	double last_push_time; /* seconds since 1970, 0: none */
	uint64_t pushes[METRICS_PUSH_COUNT];
	struct metrics_histogram push_seconds;
	bool policy_file_differs;
	double confirm_deadline; /* seconds since 1970, 0: none */
	uint64_t unassigned_addresses, failsafe_peers, drift_repairs;
	bool xdp_held_off;
	uint64_t xdp_unclean_boots; /* in a row */
	uint64_t image_bytes;
	uint64_t expired[METRICS_EXPIRY_COUNT], killed;
	struct metrics_upkeep upkeep;
	const struct moat_totals *totals; /* NULL: not readable */
	const struct metrics_iface *ifaces;
	size_t nifaces;
	const struct metrics_rule *rules;
	size_t nrules;
	const struct metrics_peer *peers;
	size_t npeers;
	const struct metrics_table *tables;
	size_t ntables;
	const struct map_bytes *maps;
	size_t nmaps;
	const struct ethertype_count *ethertypes;
	size_t nethertypes;
	const struct metrics_device *unenforced;
	size_t nunenforced;
	struct metrics_process process;
};

/* Appends the page. 0 or -ENOMEM. */
int metrics_format(const struct metrics_snapshot *s, struct buf *out);

#endif
