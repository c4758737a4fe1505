/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flood of UDP over a veth pair: sender threads in a namespace of their own
 * (10.0.0.9), sockets here (10.0.0.1). Never more on its way than the queues
 * hold, so that whatever is missing was dropped by the programs.
 */
#ifndef MOAT_TEST_FLOOD_H
#define MOAT_TEST_FLOOD_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bpf/harness.h"

#define FLOOD_PORTS 4
#define FLOOD_FIRST 1001 /* ports 1001 ... 1004 */
#define FLOOD_SENDERS 2

struct flood {
	struct harness *h;
	__u32 ifindex; /* our end, enforced */
	pid_t peer;
	unsigned paced; /* port (0 ...) whose packets all arrive */
	int socket[FLOOD_PORTS];
	volatile bool stop, drained;
	volatile unsigned long received[FLOOD_PORTS];
	/* By sender: nobody else writes them. */
	volatile unsigned long sent[FLOOD_SENDERS][FLOOD_PORTS];
	pthread_t receiver, sender[FLOOD_SENDERS];
	struct {
		struct flood *flood;
		int number;
	} who[FLOOD_SENDERS];
};

/* The pair, the instance attached to our end; before any policy. */
void flood_open(struct flood *f);
void flood_start(struct flood *f, unsigned paced);
/* Ends the senders, then waits until the programs have seen all that was sent
 * and nothing arrives any more. */
void flood_stop(struct flood *f);
void flood_close(struct flood *f);
unsigned long flood_sent(const struct flood *f, unsigned port);

#endif
