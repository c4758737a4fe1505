/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loaded datapath: programs, maps, load-time constants. The only file
 * that knows the skeleton. No libbpf type leaves user/kern.
 */
#ifndef MOAT_DATAPATH_H
#define MOAT_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>

#include "moat/flow.h"
#include "moat/host.h"
#include "moat/image.h"
#include "moat/knobs.h"

struct datapath;

/*
 * A map or an attachment whose descriptor outlives the agent in other hands,
 * by a name of its own (F21). An attachment by a filter has a program's.
 */
#define KEPT_NAME 64
struct kept_fd {
	char name[KEPT_NAME];
	int fd;
	__u32 id; /* of the map, link or program */
};

struct datapath_settings {
	/*
	 * Pin directory on a bpffs, made 0700. Maps already pinned there are
	 * reused (their contents live on); NULL: a private instance, nothing
	 * pinned (explain, tests).
	 */
	const char *pin_dir;
	/* Of a former instance: used where nothing is pinned, or where they
	 * are of a later image set. Borrowed while datapath_open() runs. */
	const struct kept_fd *kept;
	size_t nkept;
	/* Sizes of maps made anew. Maps that live keep theirs, and the flows in
	 * them, until a boot or `moatd --detach-all`. */
	__u32 part_bytes[MOAT_PART_COUNT]; /* wanted at least, per slot */
	__u32 rule_slots;		   /* wanted at least */
	__u32 table_entries[MOAT_TABLE_COUNT];
	__u64 memory_limit; /* bytes over all maps; stops the making of
				   maps, not the reuse of those that live */
	__u32 timeout_seconds[MOAT_TIMEOUT_COUNT];
	__u32 lease_after; /* packets of a flow before its first lease */
	bool essential[MOAT_ESSENTIAL_COUNT];
	bool midstream_drop, unassigned_allow, forwarding_judge;
	/*
	 * A private instance for packets one by one (explain): a hook's program
	 * is loaded when run_packet() first needs it, and one bucket serves all
	 * limits, for flows_clear() to fill again.
	 */
	bool one_by_one;
	bool trace;	/* every decision to the trace map: tests, explain */
	bool long_way;	/* tests: every packet through the whole pipeline */
	bool xdp_quick; /* tests: XDP drops by its short way what it can */
	bool clsact;	/* tests: attach as on kernels before 6.6 */
	int fault;	/* tests: flow inserts fail with -fault */
};

/*
 * Loads fresh programs over the pinned (or new) maps and pins the programs.
 * Attaches nothing. 0; -ENOSPC over memory_limit; -EBUSY if another agent
 * holds the pin directory; another -errno, with *ret_why (static or owned by
 * the datapath layer, valid until the next call) saying what failed and what
 * to do.
 */
int datapath_open(const struct datapath_settings *s, struct datapath **ret,
		  const char **ret_why);
/* Closes file descriptors; pins, links and maps stay. */
void datapath_close(struct datapath *dp);

/*
 * Larger image arrays or more rule slots (F17): a second set of maps is
 * filled with the policy in force under the same generation, then every link
 * is moved to the new programs. 0 or -errno; on failure the old set goes on.
 */
int datapath_grow(struct datapath *dp, const __u32 part_bytes[MOAT_PART_COUNT],
		  __u32 rule_slots);
bool datapath_fits(const struct datapath *dp,
		   const __u32 part_bytes[MOAT_PART_COUNT], __u32 rule_slots);

/* Which maps these are, of those that growing leaves: a number never used again
 * until the next boot. */
__u32 datapath_maps_id(const struct datapath *dp);

/*
 * Makes pins that somebody removed anew: without them everything would end
 * with the agent. Number of pins made, or -errno.
 */
int datapath_repair_pins(struct datapath *dp);

/* All that the next instance needs to go on without pins; the descriptors stay
 * the datapath's. Their number, at most max. */
size_t datapath_keepable(struct datapath *dp, struct kept_fd *ret, size_t max);
/* Are all maps among them? Is an attachment to the interface? */
bool kept_complete(const struct kept_fd *kept, size_t n);
bool kept_attached(const struct kept_fd *kept, size_t n, __u32 ifindex);
/* What kept_fd.id is for a descriptor; 0: it is none of those. */
__u32 kept_id(int fd);

/* Facts about the kernel that doctor and status print. */
struct kernel_facts {
	bool tcx;	      /* 6.6 */
	bool xdp_frags;	      /* 5.18 */
	bool xdp_load_bytes;  /* 5.18 */
	bool memlock_limited; /* before 5.11 and RLIMIT_MEMLOCK is finite */
	__u32 hz;
	char release[65];
};
const struct kernel_facts *datapath_facts(void);

/* jiffies64 now, and jiffies to CLOCK_BOOTTIME nanoseconds and back (F35). */
__u64 datapath_jiffies(struct datapath *dp);
__u64 datapath_boot_ns(struct datapath *dp, __u64 jiffies);
/* Seconds of moat's own epoch now, the unit of the deadline. */
__u32 datapath_epoch_seconds(struct datapath *dp);
/* Checks the calibration again; call once a minute. */
int datapath_recalibrate(struct datapath *dp);

/* Own addresses, interfaces, failsafe: replaced as a whole, by diff. */
struct own_entry {
	struct moat_addr addr;
	struct moat_own own;
};
int datapath_set_own(struct datapath *dp, const struct own_entry *e, size_t n);
/* Whether routes take in whole networks as this host's own. */
int datapath_set_local_networks(struct datapath *dp, bool some);
int datapath_set_ifaces(struct datapath *dp, const struct moat_iface *e,
			size_t n);
/* Entry of an ifindex in the counters, or MOAT_IFACES - 1. */
unsigned datapath_iface_index(const struct datapath *dp, __u32 ifindex);
int datapath_set_failsafe(struct datapath *dp, const struct moat_failsafe *f);
/* Tells the programs that the agent lives; call once a second. */
void datapath_heartbeat(struct datapath *dp);

#endif
