/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps and links in the service manager's descriptor store (F21). */
#ifndef MOAT_KEEP_H
#define MOAT_KEEP_H

#include "kern/datapath.h"

struct keep {
	/* Of a former agent, until the datapath has taken its copies. */
	struct kept_fd *given;
	size_t ngiven;
	/* Names and ids that the manager holds; the fds mean nothing. */
	struct kept_fd *stored;
	size_t nstored;
};

/* Takes what the manager gave at start; before any descriptor is opened for
 * children. 0 or -ENOMEM. */
int keep_take(struct keep *k);
/* Closes what was given: the datapath is open, with copies of its own. */
void keep_opened(struct keep *k);
/* Tells the manager what changed; does nothing where nobody listens. */
void keep_now(struct keep *k, struct datapath *dp);
void keep_free(struct keep *k);

#endif
