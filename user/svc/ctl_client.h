/* SPDX-License-Identifier: BSD-2-Clause */
/* The CLI's end of the control protocol: blocking, with a deadline. */
#ifndef MOAT_CTL_CLIENT_H
#define MOAT_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "svc/ctl_proto.h"

struct ctl_client;

/*
 * Connects. 0; -EACCES: permission denied on the socket or its folder;
 * -ENOENT, -ECONNREFUSED, -ETIMEDOUT, -ENAMETOOLONG, …: not reachable.
 */
int ctl_connect(const char *path, int timeout_ms, struct ctl_client **ret);
void ctl_close(struct ctl_client *c);
DEFINE_CLEANUP(ctl_client, ctl_close)
/* For each call from now on; before: the timeout of ctl_connect(). */
void ctl_set_timeout(struct ctl_client *c, int timeout_ms);

/* One part line of a reply, borrowed. Return false to stop listening. */
typedef bool (*ctl_part_fn)(const json_t *part, void *arg);

/*
 * Sends a request and waits for the line with "ok", at most the timeout
 * altogether. part may be NULL where no parts are expected (they are then
 * dropped). 0 with *ret_reply, a new reference; -ETIMEDOUT; -ECONNRESET: the
 * agent hung up; -EBADMSG: not the protocol; -EMSGSIZE: request too long;
 * -ECANCELED: part said stop (the connection is of no more use).
 * A reply with "ok": false is a reply: 0, see ctl_reply_code().
 */
int ctl_call(struct ctl_client *c, const json_t *request, ctl_part_fn part,
	     void *arg, json_t **ret_reply);

/* "moatd is not running (no /run/moat/control.sock)" and the like, for an
 * error of the two functions above; into buf, returns buf. */
char *ctl_explain_error(int err, const char *path, char *buf, size_t len);

#endif
