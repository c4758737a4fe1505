/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One file of the state directory: "moat-state 1 SHA256", then JSON with that
 * checksum. A policy document of megabytes is not put into a JSON string:
 * "moat-state 2 SHA256", a line of JSON with that checksum, then the document,
 * whose own checksum is "sha256" in the JSON.
 */
#ifndef MOAT_STATEFILE_H
#define MOAT_STATEFILE_H

#include <jansson.h>

/*
 * Writes the pieces to NAME.tmp, syncs it, renames it, syncs the folder: after
 * any crash the file is the old one or the new one. 0 or -errno.
 */
struct statefile_piece {
	const char *data;
	size_t len;
};
int statefile_replace(int dir, const char *name,
		      const struct statefile_piece *p, size_t n);
/* The same, with a first line and the JSON. */
int statefile_write(int dir, const char *name, const json_t *value);
/* The same for a body that is to be written more than once. */
struct statefile_body {
	char *text;
	char sum[65];
	const char *document; /* NULL: none; borrowed */
};
int statefile_body(const json_t *value, struct statefile_body *ret);
void statefile_body_free(struct statefile_body *b); /* back to {0} */
int statefile_put(int dir, const char *name, const struct statefile_body *b);
/* 0, with the document as "document"; -ENOENT; -EBADMSG where a checksum does
 * not fit. */
int statefile_read(int dir, const char *name, json_t **ret);

#endif
