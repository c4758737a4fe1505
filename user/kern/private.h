/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share; nobody outside user/kern includes it,
 * but for tests that look inside.
 */
#ifndef MOAT_KERN_PRIVATE_H
#define MOAT_KERN_PRIVATE_H

#include <limits.h>

#include "base/cleanup.h"
#include "kern/attach.h"
#include "kern/datapath.h"
#include "kern/flows.h"
#include "moat/counters.h"
#include "moat/lease.h"

/* Missing in the UAPI headers of Debian 12 (6.1). */
#define KERN_TCX_INGRESS 46	/* BPF_TCX_INGRESS */
#define KERN_TCX_EGRESS 47	/* BPF_TCX_EGRESS */
#define KERN_F_BEFORE (1u << 3) /* BPF_F_BEFORE */

struct bpf_map;
struct bpf_object;

/* ---- why.c: why something failed, in words ---- */

/* Starts collecting libbpf's own lines, away from stderr. */
void why_begin(void);
/* The text, libbpf's last lines appended; valid until the next call. */
const char *why_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- load.c: one load of the object ---- */

struct load;
struct load_spec {
	const struct datapath_settings *settings;
	/* Sizes of the set's maps that are made anew. */
	__u32 part_bytes[MOAT_PART_COUNT];
	__u32 rule_slots;
	__u32 hz;
	/* A new fd of a map to share, owned by the caller, or -ENOENT. */
	int (*find)(void *arg, const char *map);
	void *arg;
	/* Bit a hook: the programs to load. The verifier takes its time. */
	unsigned hooks;
};
#define LOAD_ALL_HOOKS ((1u << ATTACH_HOOK_COUNT) - 1)
int load_open(const struct load_spec *spec, struct load **ret);
void load_free(struct load *l);
DEFINE_CLEANUP(load, load_free)
struct bpf_object *load_object(const struct load *l);
int load_prog_fd(const struct load *l, enum attach_hook hook);
__u32 load_prog_id(const struct load *l, enum attach_hook hook);
int load_map_fd(const struct load *l, const char *map);

/* An object opened and sized, not loaded: what the plan counts. */
struct bpf_object *object_sized(const struct datapath_settings *s,
				void **ret_owner);
void object_release(void *owner);

/* Names of the maps that datapath_grow() makes anew. */
bool map_in_set(const char *name);
/* Maps of an instance's own, never shared or pinned. */
bool map_is_private(const char *name);
__u64 map_bytes_planned(const struct bpf_map *map);
__u64 object_bytes_planned(struct bpf_object *obj);

/* ---- pins.c: the pin directory ---- */

struct pins {
	char root[PATH_MAX / 2]; /* "" for a private instance */
	char dir[PATH_MAX / 2];	 /* root/vN */
	int lock_fd;
	unsigned set; /* number of the set in use, 0: none */
};
#define PIN_PATH PATH_MAX
int pins_open(struct pins *p, const char *root);
void pins_close(struct pins *p);
bool pins_enabled(const struct pins *p);
/* A map's fd by name, from maps/ or the set in use. */
int pins_map(const struct pins *p, const char *map);
/* Pins maps that are not pinned yet; the set goes to directory number set. */
int pins_add_maps(struct pins *p, struct bpf_object *obj, unsigned set);
/* Pins the programs in place of the former ones. */
int pins_replace_programs(const struct pins *p, const struct load *l);
/* Makes set the one in use and removes all others. */
int pins_use_set(struct pins *p, unsigned set);
int pin_replace(const char *path, int fd);
char *pin_path(const struct pins *p, const char *folder, const char *name,
	       char buf[PIN_PATH]);
int pins_remove_all(struct pins *p);
/* Pins again what somebody unpinned. Number of pins made, or -errno. */
int pins_repair(struct pins *p, const struct load *l);

/* ---- links.c: own attachments, pinned or held ---- */

struct own_link {
	__u32 ifindex;
	enum attach_hook hook;
	int fd; /* link; clsact: -1 */
};
struct links {
	struct own_link *items;
	size_t count;
};
int links_load(struct datapath *dp);
void links_close(struct datapath *dp);
struct own_link *links_find(struct datapath *dp, __u32 ifindex,
			    enum attach_hook hook);
/* Takes fd (also on failure) and pins it. */
int links_add(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
	      int fd);
/* Takes fd over without pinning it. NULL: no memory, fd as it was. */
struct own_link *links_append(struct datapath *dp, __u32 ifindex,
			      enum attach_hook hook, int fd);
/* Detaches a link, removes its pin and forgets it. */
void links_drop(struct datapath *dp, struct own_link *link);
/* Moves every attachment to the programs of l; all or none. */
int links_move(struct datapath *dp, const struct load *l);
/* As pins_repair(), for links and filters. */
int links_repair(struct datapath *dp);
char *link_path(const struct datapath *dp, const struct own_link *l,
		char buf[PIN_PATH]);
int link_ids(int fd, __u32 *ret_link, __u32 *ret_prog, __u32 *ret_ifindex);

/* ---- kept.c: descriptors of a former instance ---- */

/* The latest whole image set among them, 0: none. */
unsigned kept_set(const struct datapath_settings *s);
/* A copy of a map's descriptor, the caller's, or -ENOENT. */
int kept_map(const struct datapath_settings *s, const char *map);
int kept_links(struct datapath *dp);

/* ---- attach_*.c ---- */

#define HOOK_PROGRAMS_MAX 64
struct hook_programs {
	__u32 count;
	__u32 prog_id[HOOK_PROGRAMS_MAX];
	__u32 link_id[HOOK_PROGRAMS_MAX];
};
int tcx_list(__u32 ifindex, enum attach_hook hook, struct hook_programs *ret);
int tcx_attach(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
	       struct hook_state *ret);
/* To the head, past whoever is there; ours has to be on the hook. */
int tcx_go_ahead(struct datapath *dp, __u32 ifindex, enum attach_hook hook);
int tcx_query(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
	      struct hook_state *ret);
int clsact_attach(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
		  struct hook_state *ret);
int clsact_go_ahead(struct datapath *dp, __u32 ifindex, enum attach_hook hook);
int clsact_query(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
		 struct hook_state *ret);
/* Filters of ours that are there; none is no error. */
int clsact_move(__u32 ifindex, enum attach_hook hook, int prog_fd);
int clsact_detach(__u32 ifindex, enum attach_hook hook);
int xdp_query_hook(struct datapath *dp, __u32 ifindex, struct hook_state *ret);
void hook_why(struct hook_state *state, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
extern const char *const hook_names[ATTACH_HOOK_COUNT];

/* ---- clocks.c ---- */

struct clocks {
	struct load *load;
	int prog_fd;
	int map_fd;
	__u32 hz;
	__u64 jiffies; /* one pair: these jiffies began ... */
	__u64 boot_ns; /* ... at or before this boot time */
};
int clocks_open(struct clocks *c);
void clocks_close(struct clocks *c);
__u32 clocks_hz(void);
int load_clock(struct load **ret, int *ret_prog_fd, int *ret_map_fd);

/* ---- grace.c ---- */

/* Returns when every program run that began before the call has ended. */
int grace_wait(void);

/* ---- store.c ---- */

struct store {
	struct moat_control *control;	   /* mapped */
	struct moat_image *headers;	   /* mapped, MOAT_SLOTS elements */
	void *part[MOAT_PART_COUNT];	   /* mapped, MOAT_SLOTS elements */
	__u32 part_bytes[MOAT_PART_COUNT]; /* of one element */
	__u32 rule_slots;
	/* Bit a slot: programs may be reading it though it is idle. */
	unsigned stale;
};
int store_open(struct store *st, const struct load *l);
void store_close(struct store *st);
/* Copies every slot and the word into a larger, still unused set. */
void store_copy(const struct store *from, struct store *to);

/* ---- leases.c ---- */

struct leases {
	struct moat_leases *map; /* mapped */
	__u32 buckets;
	__u64 key[MOAT_LEASE_KEYS];
};
int leases_open(struct leases *l, const struct load *load);
void leases_close(struct leases *l);
/* Fetches what leases_add() of that flow will look at into the cache. */
void leases_ahead(const struct leases *l, const struct moat_flow_key *key);
/* Adds to a record of flows or udp what its lease has counted since. */
void leases_add(const struct leases *l, const struct moat_flow_key *key,
		struct moat_flow *f);
/* Ends every lease: after a record or an own address was changed. Flows that
 * pass get new ones with their next packets. */
void leases_void(struct datapath *dp);
/* Forgets all. Only where no program runs. */
void leases_clear(struct leases *l);
/* How long a lease is, in jiffies (load.c). */
__u64 load_lease_time(const struct datapath_settings *s, __u32 hz);
/* Secret factors of the hash, steady until the next boot (load.c). */
void load_lease_keys(__u64 ret[MOAT_LEASE_KEYS]);

/* ---- stats.c ---- */

/* Sums of one load's rule slots, without dp->carry. */
int rules_read(const struct load *l, struct moat_rule_count *ret, size_t count);
/* to += sign * more. */
void rules_add(struct moat_rule_count *to, const struct moat_rule_count *more,
	       size_t count, int sign);

/* ---- twins.c: second loads, to be on a hook twice for a moment ---- */

struct twin {
	struct load *load;
	__u64 used_ns;
};
/* Loads it if need be; the datapath's. */
int twin_take(struct datapath *dp, enum attach_hook hook, int *ret_prog);
/* Those unused for a minute, or all: they read the maps of their time. */
void twins_free(struct datapath *dp, bool all);

/* ---- datapath.c ---- */

struct datapath {
	struct datapath_settings settings;
	struct pins pins;
	struct load *load;
	struct twin twin[ATTACH_HOOK_COUNT];
	struct clocks clocks;
	struct store store;
	struct leases leases;
	struct links links;
	struct moat_iface ifaces[MOAT_IFACES];
	/* What the programs counted in a former set after it was copied. */
	struct moat_rule_count *carry;
	size_t ncarry;
	struct flows_retries retries; /* flows.c */
	__u32 reserved;		      /* generations up to here are used */
};
/* A second load of that hook's program, or of all of them with
 * ATTACH_HOOK_COUNT, over the same maps. */
int datapath_load_again(struct datapath *dp, enum attach_hook hook,
			struct load **ret);
int datapath_map_fd(const struct datapath *dp, const char *map);
unsigned possible_cpus(void);

#endif
