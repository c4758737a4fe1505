/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A private instance of the datapath under BPF_PROG_TEST_RUN: policy in,
 * packet in, verdict with reason, rule and counters out. Everything here ends
 * the running cmocka test on failure.
 */
#ifndef MOAT_TEST_HARNESS_H
#define MOAT_TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "compile/compile.h"
#include "policy/config.h"
#include "kern/attach.h"
#include "kern/flows.h"
#include "kern/run.h"
#include "kern/stats.h"
#include "kern/store.h"
#include "support/frame.h"

#define HARNESS_IFINDEX 1 /* lo: TEST_RUN's device in every namespace */

struct harness {
	struct datapath *dp;
	struct own_entry own[64];
	size_t nown;
	struct moat_iface ifaces[8];
	size_t nifaces;
	__u32 generation;     /* of the last push */
	struct slots slots;   /* rule counters, kept over policies */
	struct config config; /* for the next harness_policy() */
	/* Of the next packets; kept until changed. */
	__u32 ifindex, ingress_ifindex, gso_segs, gso_size, linear;
};

struct outcome {
	int action; /* as the program returned it */
	struct moat_trace trace;
	/* How much this packet moved the counter of trace.reason, and all
	 * counters of its interface and direction together. */
	struct moat_count counted, would_drop, all;
};

/* Small tables, trace on, conventional timeouts, all essentials. */
void harness_settings(struct datapath_settings *ret);
struct harness *harness_open(const struct datapath_settings *s); /* NULL: so */
/* The usual host: these two addresses (or NULL) on its one device, the agent
 * alive. */
struct harness *harness_host(const char *own4, const char *own6);
void harness_close(struct harness *h);
/* Other load-time constants over the same maps, e.g. settings.fault. */
void harness_reload(struct harness *h, const struct datapath_settings *s);

/* The host: own addresses by text; alias may be NULL. */
void harness_own(struct harness *h, const char *addr, const char *alias);
void harness_broadcast(struct harness *h, const char *addr);
void harness_iface(struct harness *h, __u32 ifindex, const char *first4,
		   const char *first6);
/* Its MAC address (0 in harness_iface(), as TEST_RUN's device has it), and
 * the bond whose port it is, or 0. */
void harness_mac(struct harness *h, __u32 ifindex, const __u8 mac[6],
		 __u32 port_of);
/* One more entry: any peer of IPv4. */
void failsafe_add4(struct moat_failsafe *f, int direction, __u8 proto,
		   __u16 first, __u16 last);
void harness_failsafe(struct harness *h, const struct moat_failsafe *f);

void harness_push(struct harness *h, struct image *image);
/* As harness_push(), to be confirmed within ten minutes. */
void harness_push_waiting(struct harness *h, struct image *image);
/* Its deadline is in a second from now, and has passed on return. */
void harness_pass_deadline(struct harness *h);
/* Reads, compiles for the own addresses set so far, grows, pushes. */
void harness_policy(struct harness *h, const char *yaml);
/* The image of a policy, for those who push it themselves. */
struct image *harness_compile(struct harness *h, const char *yaml);
/* The built-in image that is in force before any policy. */
void harness_built_in(struct harness *h);

/* Runs a frame; the packet of a description. */
struct outcome harness_frame(struct harness *h, enum attach_hook hook,
			     const struct packet *p);
struct outcome harness_run(struct harness *h, enum attach_hook hook,
			   const struct packet_spec *s);

/*
 * Runs and asserts: verdict, reason, the action that belongs to it, that
 * exactly this counter moved by one packet (or gso_segs), and no other.
 */
#define expect(h, hook, spec, verdict, reason) \
	harness_expect(h, hook, spec, \
		       (struct expected){ verdict, reason, __FILE__, __LINE__, \
					  NULL })
struct expected {
	enum moat_verdict verdict;
	enum moat_reason reason;
	const char *file;
	int line;
	const char *rule; /* "trainers/ssh", "front/110", "" for none */
};
/* The same, and the credited or denying rule with its counter. */
#define expect_rule(h, hook, spec, verdict, reason, name) \
	harness_expect_rule(h, hook, spec, \
			    (struct expected){ verdict, reason, __FILE__, \
					       __LINE__, name })
struct outcome harness_expect_rule(struct harness *h, enum attach_hook hook,
				   const struct packet_spec *s,
				   struct expected e);
struct outcome harness_expect(struct harness *h, enum attach_hook hook,
			      const struct packet_spec *s, struct expected e);

/* "trainers/ssh" of a slot, in a static buffer; and back, or fails. */
const char *harness_rule_name(struct harness *h, __u32 slot);
__u32 harness_slot(struct harness *h, const char *rule, int direction);
struct moat_rule_count harness_rule_count(struct harness *h, __u32 slot);

/* Flows. */
struct moat_flow_key harness_key(const char *local, uint16_t lport,
				 const char *remote, uint16_t rport,
				 uint8_t proto);
bool harness_flow(struct harness *h, enum moat_table table,
		  const struct moat_flow_key *key, struct moat_flow *ret);
/* Writes a flow as it is; creates it if need be. */
void harness_put_flow(struct harness *h, enum moat_table table,
		      const struct moat_flow_key *key,
		      const struct moat_flow *flow);
/* Makes it expire this many seconds from now, or so many ago. */
void harness_age(struct harness *h, enum moat_table table,
		 const struct moat_flow_key *key, int seconds);
size_t harness_count(struct harness *h, enum moat_table table);
int harness_map(struct harness *h, const char *name);

#endif
