/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of the source tree inside the program, so that it needs no folder. */
#ifndef MOAT_EMBED_H
#define MOAT_EMBED_H

extern const char embed_demo[];	  /* user/cli/demo.sh */
extern const char embed_policy[]; /* policies/training-cluster.yaml */
extern const char embed_schema[]; /* policies/policy.schema.json */

#endif
