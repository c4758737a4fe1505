/* SPDX-License-Identifier: BSD-2-Clause */
/* Policy documents to a model. */
#ifndef MOAT_READER_H
#define MOAT_READER_H

#include "policy/diag.h"
#include "policy/model.h"

/* One document as read by the caller; text need not end in NUL. */
struct document {
	const char *name; /* as shown in diagnostics */
	const char *text;
	size_t len;
};

struct reader_options {
	/*
	 * Reads a {file: PATH} list. NULL: {file: …} is an error (the agent
	 * opens no client's path). path is relative to the document's folder.
	 */
	int (*read_list)(const char *document, const char *path,
			 struct buf *ret, void *arg);
	void *arg;
	int ephemeral_first, ephemeral_last; /* 0: 32768-60999 */
};

/*
 * Reads and merges documents, resolves names, checks limits. All errors of
 * one run are in *diags; the model is returned only if there are none, else
 * NULL. Free with policy_free().
 */
struct policy *policy_read(const struct document *docs, size_t ndocs,
			   const struct reader_options *options,
			   struct diags *diags);

/*
 * The warnings of interface.md section 1 that need the model alone. hosts are
 * the addresses asked for with --host (may be none).
 */
void policy_warn(const struct policy *p, const struct reader_options *options,
		 const struct moat_addr *hosts, size_t nhosts,
		 struct diags *diags);

/*
 * The merged document in canonical form, {file: …} lists inlined: what the
 * CLI pushes, what the agent stores, and what policy_read() reads back to an
 * equal model. Appends JSON text (which is YAML). 0 or -errno.
 */
int policy_print(const struct policy *p, struct buf *out);

/* The closed table of services, for `moat schema --services`. */
struct service_entry {
	const char *name;
	const char *text; /* "tcp 988, 1018-1023" */
};
size_t service_table(const struct service_entry **ret);

#endif
