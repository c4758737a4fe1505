/* SPDX-License-Identifier: BSD-2-Clause */
/* One file of the state directory: a checksum line, then JSON. */
#ifndef MOAT_STATEFILE_H
#define MOAT_STATEFILE_H

#include <jansson.h>

/*
 * Writes NAME.tmp, syncs it, renames it, syncs the folder: after any crash
 * the file is the old one or the new one. 0 or -errno.
 */
int statefile_write(int dir, const char *name, const json_t *value);
/* 0; -ENOENT; -EBADMSG where the first line does not fit what follows. */
int statefile_read(int dir, const char *name, json_t **ret);

#endif
