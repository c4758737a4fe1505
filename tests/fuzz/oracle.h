/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the design says of one packet that no flow speaks for: sections 3.1 to
 * 3.3 over its bytes, written from the text and not from bpf/, then the
 * reference evaluator for everything that a policy decides.
 */
#ifndef MOAT_FUZZ_ORACLE_H
#define MOAT_FUZZ_ORACLE_H

#include "fuzz/world.h"

struct oracle_packet {
	const unsigned char *frame; /* from the Ethernet header on */
	size_t len;
	int direction;
	bool forwarded; /* egress: came in by another device */
};
void oracle_judge(const struct world *w, const struct oracle_packet *p,
		  struct answer *ret);

/* ---- oracle_parse.c ---- */

/* A packet read so far. */
struct reading {
	const unsigned char *frame;
	size_t len;	    /* of the frame */
	size_t l3, l4, end; /* offsets; end: behind the IP packet */
	bool addresses;	    /* those of probe are known */
	bool fragment_header, first, later, group;
	int hops;
	struct probe probe;
};
/* The reason for which it can't be accepted, NON_IP, or NONE. A later fragment
 * is read up to its payload, r->later then says so. */
enum moat_reason oracle_read(struct reading *r);

#endif
