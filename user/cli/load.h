/* SPDX-License-Identifier: BSD-2-Clause */
/* Policy files and the agent's configuration, as commands need them. */
#ifndef MOAT_LOAD_H
#define MOAT_LOAD_H

#include "base/addr.h"
#include "cli/cli.h"
#include "policy/config.h"
#include "policy/reader.h"

struct loaded {
	struct diags diags;
	struct policy *policy; /* NULL: errors in diags */
	struct config *config;
	bool config_given; /* by --config, not the defaults */
	struct moat_addr *hosts;
	size_t nhosts;
	int ephemeral_first, ephemeral_last; /* 0: the reader's own */
	bool strict;			     /* warnings are errors */
};
void loaded_free(struct loaded *l); /* back to {0} */

/* Configuration of --config, or the built-in defaults. 0 or CTL_USAGE said. */
int load_config(struct loaded *l, const char *path);
/* Addresses of --host, separated by commas; appended. 0 or CTL_USAGE said. */
int load_hosts(struct loaded *l, const char *text, const char *command);

/*
 * Reads and merges files ("-": standard input). 0: l->policy or diagnostics;
 * CTL_USAGE: a file can't be read, said.
 */
int load_policy(struct loaded *l, const char *const *paths, size_t npaths);
/* The same from a text, named name in diagnostics. */
int load_text(struct loaded *l, const char *name, const char *text);

/*
 * What `check` and `push` ask beyond reading: overlap, tests, never, limits
 * and warnings. Does nothing to a policy that could not be read.
 */
void load_check(struct loaded *l);

/* Of these, overlap, tests and never: what makes a policy wrong. The limits
 * are asked of the agent, which compiles for its own host. */
void load_check_errors(struct loaded *l);
void load_warn(struct loaded *l);

/* No policy, an error, or a warning and strict. */
bool load_failed(const struct loaded *l);
/* Diagnostics to stderr. */
void load_show(const struct loaded *l);
/* read and show; CTL_OK only if there is a policy to work with. */
int load_or_say(struct loaded *l, const char *const *paths, size_t npaths);
/* [{file, line, column, severity, text}], new reference. */
json_t *load_diags_json(const struct loaded *l);

/*
 * A note on stderr if what follows takes more than two seconds, on terminals
 * alone. Ends with progress_end().
 */
void progress_begin(const char *what);
void progress_end(void);

#endif
