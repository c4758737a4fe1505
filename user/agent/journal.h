/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of JSON entries in one file that grows at its end: "moat-journal 1",
 * then a line an entry, "SHA256 JSON". Zeros follow, written beforehand: an
 * entry changes neither the file's length nor its place on the disk, and is
 * durable after one fdatasync of one block.
 *
 * The entry that a crash interrupts holds zeros still, or no end of line, and
 * is last: it was never acted upon and is left out. Any other line that does
 * not fit its checksum is damage.
 */
#ifndef MOAT_JOURNAL_H
#define MOAT_JOURNAL_H

#include <jansson.h>
#include <stddef.h>

/*
 * 0 with the entries, and in *ret_end where the next one goes (0: nowhere,
 * write it all); -ENOENT; -EBADMSG. What versions before this format wrote is
 * read as well.
 */
int journal_read(int dir, const char *name, json_t **ret, size_t *ret_end);
/* The file with these entries in place of what it was, as
 * statefile_replace(). */
int journal_write(int dir, const char *name, const json_t *list,
		  size_t *ret_end);
/*
 * Puts an entry at *end and moves that. -ENOSPC: no room was left, nothing was
 * written; other failures: whatever is there, write it all.
 */
int journal_append(int dir, const char *name, const json_t *entry, size_t *end);

#endif
