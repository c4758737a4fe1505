/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent for benchmarks: moatd in the program's own namespaces (place.h),
 * with a folder of its own; asked over its control socket and scraped over
 * HTTP. Failures end the benchmark.
 */
#ifndef MOAT_BENCH_AGENT_BOX_H
#define MOAT_BENCH_AGENT_BOX_H

#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>

struct ctl_client;

struct agent_box {
	char dir[64];	/* configuration, policy, sockets, state */
	char bpffs[96]; /* the agent's pin directory */
	pid_t pid;
};

/* Enters the namespaces and makes the folder; removed at exit. */
void box_new(struct agent_box *b);
/* The file of the policy that box_start() has pushed, and one's own name. */
const char *box_path(const struct agent_box *b, const char *name);
/* Starts moatd with these lines in its configuration; waits for an answer. */
void box_start(struct agent_box *b, const char *config);
void box_stop(struct agent_box *b);

/* A request as JSON text; the reply is the caller's. Not ok: the end. */
json_t *box_call(struct agent_box *b, const char *request);
/* A connection, which the agent ends when it is idle for two minutes. */
struct ctl_client *box_connect(const struct agent_box *b);

struct box_page {
	double ms;    /* from connect to the last byte */
	size_t bytes; /* of the body */
	char *text;   /* NUL-terminated, the caller's */
};
struct box_page box_scrape(const char *path);
/* Value of the first series that begins so ("moat_x{a=\"b\""); -1: none. */
double box_metric(const char *series);

/* What the process used so far: CPU in ns, resident memory in bytes. */
double box_cpu_ns(const struct agent_box *b);
double box_resident(const struct agent_box *b);
/* A pinned map. */
int box_map(const struct agent_box *b, const char *map);

#endif
