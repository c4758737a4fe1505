/* SPDX-License-Identifier: BSD-2-Clause */
/* The three engines behind `moat explain`. */
#ifndef MOAT_EXPLAIN_H
#define MOAT_EXPLAIN_H

#include "cli/call.h"
#include "cli/load.h"
#include "compile/compile.h"

enum engine { ENGINE_REFERENCE, ENGINE_IMAGE, ENGINE_KERNEL };
extern const char *const engine_names[3];

struct explain {
	enum engine engine;
	struct cli *cli;
	struct loaded files; /* engines of our own: the policy judged by */
	bool live;	     /* the policy in force, as the agent judges */
	bool replies;	     /* judge the replies of an allowed opening */
	/* image */
	struct image *image;
	struct slots slots;
	/* kernel, or live: the agent judges */
	struct ctl_client *client;
	char *document; /* canonical text, NULL: policy in force */
};

/*
 * Makes ready: compiles the image or connects to the agent. hosts of
 * e->files: the own addresses that are asked about. 0 or an exit code, said.
 */
int explain_open(struct explain *e);
void explain_close(struct explain *e);

/*
 * Judges n probes, given as objects of explain --batch, into *ret_answers:
 * an array of the same length, new reference; what can't be judged is
 * {"error": TEXT}. 0 or an exit code, said.
 */
int explain_judge(struct explain *e, const json_t *probes,
		  json_t **ret_answers);

#endif
