/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cost of one program run by BPF_PROG_TEST_RUN, each run with another packet:
 * the programs of cost.bpf.c over the maps of a harness, so that its policy
 * and its flows are theirs. Failures end the program.
 */
#ifndef MOAT_BENCH_COST_H
#define MOAT_BENCH_COST_H

#include <stddef.h>

#include "bpf/harness.h"

/* The host of every cost; flow n's remote address and port follow from n. */
#define COST_LOCAL4 "10.1.0.1"
#define COST_LOCAL6 "fd00:1::1"
#define COST_PORT 443

struct cost;

struct cost_options {
	int family;	     /* 4 or 6 */
	int dir;	     /* MOAT_INGRESS, MOAT_EGRESS */
	unsigned char flags; /* TCP's */
	int fault;	     /* as in datapath_settings */
};

enum cost_program {
	COST_EMPTY,	 /* takes the next packet, and passes it */
	COST_MOAT,	 /* and goes through the datapath's entry */
	COST_PARSE,	 /* the short way's parse alone */
	COST_PARSE_LONG, /* the long way's, which every opening takes */
	COST_BARE,	 /* the same and one lookup in a kernel hash */
	COST_LEAN,	 /* the least parse, and the lookup */
	COST_FILL,	 /* the least parse, and an entry made on the stack */
	COST_INSERT,	 /* the same, inserted into a kernel hash */
	COST_PROGRAMS
};

/* A host with both addresses and one group that lets TCP in to every port,
 * with tables of these many entries. */
struct harness *cost_harness(size_t flows, size_t embryonic);
struct cost *cost_open(struct harness *h, const struct cost_options *o);
void cost_close(struct cost *c);

/* Flow n's key. */
struct moat_flow_key cost_key(int family, size_t n);
/* The record of flow 0 after a handshake and a segment of data and its
 * acknowledgement through the programs. */
struct moat_flow cost_handshake(struct harness *h, int family);
/* Puts flows [from, to) into the established table, each with that record, and
 * into the peer's hash. */
void cost_establish(struct cost *c, const struct moat_flow *record, size_t from,
		    size_t to);
/* Runs go through the flows [first, first + n) in random order, each order
 * another. */
void cost_sequence(struct cost *c, size_t first, size_t n);
/* From the sequence's beginning. */
void cost_rewind(struct cost *c);
/* Takes flows [from, to) out of the hash that COST_INSERT fills. */
void cost_clear(struct cost *c, size_t from, size_t to);
/* The same of a flow table of the harness. */
void cost_forget(struct cost *c, const char *table, size_t from, size_t to);

/*
 * ns a run, of the CPU time of this thread. Every run must pass; those of
 * COST_MOAT count under reason, no packet elsewhere.
 */
double cost_run(struct cost *c, enum cost_program which, unsigned repeat,
		enum moat_reason reason);

/* One CPU from here on. */
void cost_pin(void);

#endif
