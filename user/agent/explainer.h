/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel engine of explain: an instance of its own, the same programs over
 * maps that nobody else reads, so that live state is never touched. What the
 * verifier took a good part of a second for is kept for the next request, and
 * let go when none has come for a minute.
 */
#ifndef MOAT_EXPLAINER_H
#define MOAT_EXPLAINER_H

#include "agent/agent.h"
#include "policy/probe.h"

#define EXPLAINER_SECONDS 60

/* Makes a->explainer judge by the image. One that is in force goes by its
 * generation and is not copied again; 0: of another. NULL, or the reply. */
json_t *explainer_take(struct agent *a, const struct image *image,
		       uint32_t generation);
/* One packet. Slots are those of the image. 0 or -errno. */
int explainer_judge(struct agent *a, const struct probe *p,
		    const struct slots *slots, struct answer *ret);

#endif
