/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's end of the control protocol: two unix sockets, one for
 * everything and one for look commands alone. Nothing that a client sends is
 * ever used as a path. A slow, silent or oversized client costs its own
 * connection and nobody else's.
 */
#ifndef MOAT_CTL_SERVER_H
#define MOAT_CTL_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/loop.h"
#include "svc/ctl_proto.h"

/* Who asks (SO_PEERCRED, unix(7)), for the record of changes. */
struct ctl_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	bool read_only; /* came by the read socket */
};

/*
 * A reply of many lines, made as fast as the client reads: next() gives one
 * part (an object without "ok", new reference) or, returning 0, the last
 * object. 1: more to come. end() is called once, whatever happened.
 */
struct ctl_stream {
	int (*next)(void *state, json_t **ret);
	void (*end)(void *state);
	void *state;
};

struct ctl_request {
	const json_t *json;
	const struct ctl_peer *peer;
	void *arg;		  /* of the settings */
	struct ctl_stream stream; /* set by a handler that streams */
};

/* Returns the reply (new reference), or NULL with rq->stream set. */
typedef json_t *(*ctl_handler_fn)(struct ctl_request *rq);

struct ctl_command {
	const char *name;
	bool look; /* allowed on the read socket */
	ctl_handler_fn handle;
};

struct ctl_settings {
	const char *control_path, *read_path; /* read_path may be NULL */
	const char *group; /* of sockets and folder; unknown: root's */
	const struct ctl_command *commands; /* ends with a NULL name */
	void *arg;
	unsigned int max_connections; /* each socket, root's own 8 on top;
					   0: 32. One more hangs up the one
					   that waits longest for its client */
	unsigned int request_ms;      /* to send a request, or to take some
					   of a reply; 0: 30000 */
	unsigned int idle_ms;	      /* between requests; 0: 120000 */
};

struct ctl_server;

/*
 * Makes the folder (0750, root:group) and the sockets (0660, root:group)
 * under a tight umask, and listens. A socket left by a dead agent is
 * replaced; -EADDRINUSE if a living one answers on it. 0 or -errno with a
 * text in err of errlen bytes.
 */
int ctl_server_new(struct loop *loop, const struct ctl_settings *settings,
		   struct ctl_server **ret, char *err, size_t errlen);
/* Closes and unlinks the sockets. */
void ctl_server_free(struct ctl_server *s);
bool ctl_server_group_known(const struct ctl_server *s);
/* Of both sockets, for tests. */
size_t ctl_server_connections(const struct ctl_server *s);

#endif
