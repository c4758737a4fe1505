/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the configuration reader share; for config*.c alone. */
#ifndef MOAT_CONFIG_READ_H
#define MOAT_CONFIG_READ_H

#include "policy/config.h"
#include "policy/value.h"

/* Each reads the value of one key over the defaults in c. */
void config_failsafe(struct diags *d, const struct node *node,
		     struct config *c);
void config_essentials(struct diags *d, const struct node *node,
		       struct config *c);
void config_timeouts(struct diags *d, const struct node *node,
		     struct config *c);
void config_tables(struct diags *d, const struct node *node, struct config *c);
void config_control(struct diags *d, const struct node *node, struct config *c);
void config_metrics(struct diags *d, const struct node *node, struct config *c);
void config_flow_log(struct diags *d, const struct node *node,
		     struct config *c);

/* Puts a copy of a text in the place of *field. */
void config_set(struct diags *d, char **field, const char *text);
/* The same for an absolute path; max 0: any length. */
void config_path(struct diags *d, const struct field *f, size_t max,
		 char **ret);
void config_free_failsafe(struct config *c);
/* The built-in way in; 0 or -ENOMEM. */
int config_default_failsafe(struct config *c);

#endif
