/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's one object, shared by the files of this folder. Nothing outside
 * includes it.
 */
#ifndef MOAT_AGENT_H
#define MOAT_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/ahead.h"
#include "agent/boots.h"
#include "agent/held.h"
#include "agent/keep.h"
#include "agent/locals.h"
#include "agent/netfacts.h"
#include "agent/select.h"
#include "agent/state.h"
#include "base/loop.h"
#include "compile/update.h"
#include "kern/attach.h"
#include "kern/datapath.h"
#include "kern/flows.h"
#include "kern/store.h"
#include "svc/ctl_server.h"
#include "svc/flow_delta.h"
#include "svc/flow_series.h"
#include "svc/http.h"
#include "svc/metrics.h"

/* One device of this namespace and what we know of our programs on it. */
struct iface {
	struct net_link link;
	struct selection selection;
	bool known_type, ether;
	bool was_attached; /* seen attached and first since it is here */
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct ahead ahead[ATTACH_HOOK_COUNT];
	char why[192];	   /* why it does not enforce, "" if it does */
	char xdp_why[128]; /* why there is no XDP */
	/* When XDP was refused last, 0: never; since boot. And the frames that
	 * it was refused for. */
	uint64_t xdp_refused_ns;
	uint32_t xdp_refused_mtu;
};

/* What the programs do where no policy is held. */
enum built_in {
	BUILT_IN_NONE,	   /* a policy is held */
	BUILT_IN_FIRST,	   /* nothing was ever committed */
	BUILT_IN_LOCKDOWN, /* something was, and nothing can be read */
};

struct last_push {
	int64_t time_ms; /* 0: never */
	bool ok;
	enum metrics_push result;
	char error[160];
};

struct walk;  /* expiry.c */
struct peers; /* peers.c */
struct explainer;

struct agent {
	struct loop *loop;
	struct config *config;
	const char *config_path;
	struct state *state;
	bool state_damaged;
	struct datapath *dp;
	struct keep keep;
	bool pins_hidden;
	bool attaching;	  /* the image stands: devices may have it */
	json_t *programs; /* programs.json as last written */
	struct boots boots;
	bool boots_unwritten;
	char xdp_held[256]; /* why XDP is held off, as last logged */

	/* Policies. current is what judges; previous what a pending push
	 * falls back to (NULL: the built-in image). */
	struct held *current, *previous;
	enum built_in built_in;
	bool pending;	     /* current waits for its confirmation */
	int64_t deadline_ms; /* since 1970, of the pending push */
	uint32_t last_confirmed, last_undone; /* generations, for `pending` */
	bool pins_broken;  /* missing, and can't be made anew */
	bool corrupt;	   /* the image in force was found damaged */
	struct live *live; /* of current, NULL: a change compiles */
	struct slots slots;
	bool slots_saved; /* slots.json holds these */
	bool slots_lost;  /* those of the image in force are not known */
	/* Counts of former owners, less what growth left out of the maps. */
	struct moat_rule_count *slot_base;
	size_t nslot_base;

	/* This host. */
	struct netfacts facts;
	struct iface *ifaces;
	size_t nifaces;
	struct local *locals;
	size_t nlocals;
	size_t own_left_out;	/* own addresses that the programs don't know */
	size_t ifaces_left_out; /* taken devices that have no entry there */
	struct netmonitor *monitor;
	int refresh_timer;
	uint64_t drift_repairs;

	/* Services. */
	struct ctl_server *ctl;
	struct http *http;
	struct flow_delta *delta;
	struct flow_series *series;
	struct walk *walk;
	struct peers *peers;
	struct explainer *explainer; /* NULL: explain was not used of late */
	int64_t started_ms;
	unsigned int second;

	/* Counts. */
	struct last_push last_push;
	uint64_t pushes[METRICS_PUSH_COUNT];
	struct metrics_histogram push_seconds;
	bool policy_file_differs;
	struct timespec file_seen; /* mtime of the policy file */
	int file_timer, settle_timer;
	bool textfile_failed;
};

/* ---- agent.c ---- */

int agent_main(int argc, char **argv);
/* Certificate and key of the metrics, then the policy file as any push. */
json_t *agent_reload(struct agent *a, uid_t uid);

/* ---- datapath_setup.c ---- */

/* Settings from the configuration; image sizes as given (NULL: least). */
void agent_settings(const struct config *c, struct datapath_settings *ret);
int agent_open_datapath(struct agent *a);
int agent_set_failsafe(struct agent *a);
/* Networks and addresses that the failsafe names. */
size_t agent_failsafe_peers(const struct config *c);

/* ---- image.c ---- */

/* A compiled policy with the slots it was compiled for. */
struct compiled {
	struct live *live; /* owner of image; NULL: not ours */
	struct image *image;
	struct slots slots;
	struct compile_stats stats;
};
void agent_compiled_free(struct compiled *c); /* back to {0} */
/* h NULL: the built-in image. -EINVAL with errors in *diags. */
int agent_compile(struct agent *a, const struct held *h, enum built_in built_in,
		  struct diags *diags, struct compiled *ret);
/* Is that image, byte for byte, the one that judges now? */
bool agent_in_force(struct agent *a, const struct compiled *c);
/* Is the change in force with live brought up to date? 0, or a compilation is
 * needed and live is gone. */
int agent_update(struct agent *a, const struct member_list *changes);
void agent_forget_live(struct agent *a);
/* Of what is in force: its slots and what is live are the agent's from now. */
void agent_adopt(struct agent *a, struct compiled *c);
/* Makes room if need be, switches, adopts. */
int agent_switch(struct agent *a, struct compiled *c, uint32_t deadline_seconds,
		 uint32_t *ret_generation);
/* Waits for readers of slots that fell idle once the reply at hand is sent. */
void agent_settle_soon(struct agent *a);

/* ---- slotfile.c ---- */

/* What is subtracted from a slot's counters; NULL: no memory. */
struct moat_rule_count *agent_slot_base(struct agent *a, size_t slot);
int agent_save_slots(struct agent *a, const struct slots *slots);
int agent_load_slots(struct agent *a);
/* After the maps have grown: what the new ones did not take over goes into the
 * bases and to disk, with these slots, of what is switched to next. */
void agent_keep_carried(struct agent *a, const struct slots *slots);

/* ---- restore.c ---- */

/* What a compiled image depends on beside document and host. */
void agent_made_by(const struct agent *a, char ret[65]);
/* At start: the maps' policy if they live, else the one on disk. -errno where
 * the maps live and the disk can't say by what: nothing was changed. */
int agent_restore(struct agent *a);
/* The policy in force becomes the committed one on disk. */
int agent_write_policy(struct agent *a);
/* Every few seconds: what is in force and could not be written is written. */
void agent_write_unwritten(struct agent *a);
/* In force and confirmed, and not on disk? */
bool agent_unwritten(const struct agent *a);
/* After a change of own addresses, where the image holds the profiles of
 * these alone: compiles anew and switches; nothing while a push waits. */
int agent_recompile(struct agent *a);
/* What is held judges again, after a push was undone: its rules are those in
 * force, and it fits the addresses of now. */
int agent_take_up(struct agent *a);
/* Switches to a new image of what is held, whatever is in force. */
int agent_replace_image(struct agent *a);

/* ---- push.c ---- */

struct push_request {
	const char *document, *message;
	const struct member_list *members; /* laid over it; NULL: none */
	uint32_t confirm_seconds;	   /* 0: now */
	bool dry_run, audit, allow_unassigned, refuse_cuts;
	uid_t uid;
};
/* The reply of ctl_proto.h. */
json_t *agent_push(struct agent *a, const struct push_request *rq);
/* Pushes the configured policy file, confirmed at once. */
json_t *agent_push_file(struct agent *a, uid_t uid);

/* ---- file.c ---- */

/* Compares the configured file with the policy in force; soon: once the reply
 * at hand is sent. */
void agent_check_file(struct agent *a);
void agent_check_file_soon(struct agent *a);
/* Once every few seconds: compares if somebody has written the file. */
void agent_watch_file(struct agent *a);

/* ---- member.c ---- */

struct member_request {
	const char *group, *message;
	const struct cidr *cidrs;
	size_t ncidrs;
	bool remove, allow_unassigned;
	uid_t uid;
};
/* The reply of ctl_proto.h. */
json_t *agent_member(struct agent *a, const struct member_request *rq);
/* Writes the policy with its changes as one, once they have become many. */
void agent_fold_members(struct agent *a);

/* ---- confirm.c ---- */

json_t *agent_confirm(struct agent *a, uint32_t generation);
/* Undoes the pending push; why is logged. */
int agent_undo(struct agent *a, const char *why);
/* Once a second: has a deadline passed? */
void agent_check_deadline(struct agent *a);
json_t *agent_rollback(struct agent *a, uint32_t generation,
		       uint32_t confirm_seconds, uid_t uid);
/* What became of a generation: "pending", "confirmed", … */
const char *agent_fate(const struct agent *a, uint32_t generation);

/* ---- netwatch.c ---- */

/* Looks at the namespace and makes the datapath fit it. */
int agent_refresh_net(struct agent *a);
int agent_watch_net(struct agent *a);
/* Recomputes groups and aliases of own addresses after a policy change. */
int agent_refresh_locals(struct agent *a);
void agent_free_net(struct agent *a);

/* ---- health.c ---- */

/* Attaches what is missing on one device and notes why not. */
void agent_attach(struct agent *a, struct iface *i);
/* Every 5 s: programs, image; repairs are counted. */
void agent_check_health(struct agent *a);
bool agent_iface_enforcing(const struct agent *a, const struct iface *i);
/* Texts that `status` shows as reasons for being degraded. New reference. */
json_t *agent_degraded(const struct agent *a);

/* ---- xdp.c ---- */

void agent_start_xdp(struct agent *a);
/* Attaches XDP to one device, or takes it away, as the configuration says. */
void agent_refresh_xdp(struct agent *a, struct iface *i);
/* Every 5 s: has the host outlived it? */
void agent_check_xdp(struct agent *a);
/* An orderly stop. */
void agent_stop_xdp(struct agent *a);
/* Why XDP is configured and held off, in buf; NULL: it isn't. */
const char *agent_xdp_held(const struct agent *a, char *buf, size_t len);
const char *agent_xdp_word(const struct config *c);
/* `moatd --detach-all` has taken XDP away. */
void agent_forget_xdp(struct state *s);

/* ---- hidden.c ---- */

/* Sets pins_hidden, and dp to an instance of no effect, if our programs run
 * without our pins. */
int agent_find_hidden(struct agent *a);
void agent_save_programs(struct agent *a);
void agent_forget_programs(struct state *s);

/* ---- textfile.c ---- */

void agent_write_textfile(struct agent *a);

/* ---- expiry.c ---- */

int agent_start_expiry(struct agent *a);
void agent_stop_expiry(struct agent *a);
/* Entries of a table as counted by the last walk; false: by none yet. */
bool agent_table_entries(const struct agent *a, enum moat_table t, size_t *ret);
size_t agent_table_limit(const struct agent *a, enum moat_table t);
uint64_t agent_expired(const struct agent *a, enum metrics_expiry e);
uint64_t agent_killed(const struct agent *a);
void agent_count_killed(struct agent *a, uint64_t n);
void agent_upkeep(const struct agent *a, struct metrics_upkeep *ret);

/* ---- peers.c ---- */

struct peers *peers_new(void);
void peers_free(struct peers *p);
/* Adds what a flow gained to (group, peer) of its credited rule. */
void peers_add(struct agent *a, const struct flow_record *r,
	       const struct moat_count gained[2]);
size_t peers_list(const struct peers *p, const struct metrics_peer **ret);

/* ---- cuts.c ---- */

struct cuts {
	uint64_t by_state; /* go on though the new rules would not open
				   them again */
	uint64_t cut;	   /* end with the switch */
	bool complete;
	json_t *kill; /* filters for `flows kill`, new reference */
};
/* Judges live flows by an image not yet in force. */
int agent_count_cuts(struct agent *a, const struct held *h,
		     const struct compiled *c, bool all, struct cuts *ret);

/* ---- snapshot.c ---- */

int agent_page(const char *path, struct buf *out, void *arg);
/* Counts of the rules in force, by slot; owned by the caller. */
int agent_rule_counts(struct agent *a, struct metrics_rule **ret,
		      size_t *ret_n);

/* ---- status.c ---- */

json_t *agent_status(struct agent *a);
json_t *agent_rules(struct agent *a, const char *group, const char *layer);
json_t *agent_drops(struct agent *a);

/* ---- flow_cmds.c ---- */

json_t *agent_flows(struct ctl_request *rq);
json_t *agent_kill(struct ctl_request *rq);
/* One flow as JSON, new reference. */
json_t *agent_flow_json(struct agent *a, const struct flow_record *r);

/* ---- explain.c, explainer.c, doctor.c ---- */

json_t *agent_explain(struct ctl_request *rq);
/* Once a second: lets programs go that were kept for the next one. */
void agent_rest_explain(struct agent *a);
void agent_end_explain(struct agent *a);
json_t *agent_doctor(struct agent *a);

/* ---- handlers.c ---- */

extern const struct ctl_command agent_commands[];

#endif
