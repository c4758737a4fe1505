// SPDX-License-Identifier: BSD-2-Clause
/* libmicrohttpd with its epoll descriptor in our loop. */
#include "svc/http.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "svc/http_conns.h"
#include "svc/http_listen.h"

#define PEM_MAX (1u << 20)
#define CONNECTIONS 32
/* Those that we hung up stay for a moment. */
#define CONNECTIONS_HARD 64
#define SILENCE_SECONDS 10
#define LIFE_MS 20000
#define CONNECTION_BYTES 32768
#define RUNS_A_TURN 16
#define ACCEPTS_A_TURN 128 /* the backlog */
#define TICK_MS 1000
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct keys {
	struct buf cert, key, client_ca;
};

struct http {
	struct loop *loop;
	struct http_settings settings;
	struct MHD_Daemon *daemon;
	int listen_fd;
	bool paused;  /* until the next tick */
	int epoll_fd; /* the daemon's */
	int timer;
	struct keys keys;
	struct http_conns conns;
	struct http_pages pages;
};

static enum MHD_Result answer_text(struct MHD_Connection *connection,
				   unsigned int status, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type",
				"text/plain; charset=utf-8");
	MHD_add_response_header(response, "Connection", "close");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

/* libmicrohttpd asks for a certificate, but takes any: the check is ours. */
static bool client_is_known(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int status = ~0u;

	return info && info->tls_session &&
	       gnutls_certificate_verify_peers2(info->tls_session, &status) ==
		       0 &&
	       status == 0;
}

/* Answered on the headers: a body is not for us, and not waited for. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct MHD_Response *response = NULL;
	struct http *h = cls;
	int err;

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "GET and HEAD only\n");
	if (h->settings.tls_client_ca && !client_is_known(connection))
		return answer_text(connection, MHD_HTTP_FORBIDDEN,
				   "no client certificate of our CA\n");
	err = http_pages_get(&h->pages, url, &response);
	if (err == 0)
		return MHD_queue_response(connection, MHD_HTTP_OK, response);
	if (err == -ENOENT)
		return answer_text(connection, MHD_HTTP_NOT_FOUND,
				   "not found\n");
	return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "no page now\n");
}

static void on_connection(void *cls, struct MHD_Connection *connection,
			  void **state, enum MHD_ConnectionNotificationCode c)
{
	const union MHD_ConnectionInfo *fd, *peer;
	struct http *h = cls;

	if (c == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*state)
			http_conns_remove(&h->conns, *state);
		return;
	}
	fd = MHD_get_connection_info(connection,
				     MHD_CONNECTION_INFO_CONNECTION_FD);
	peer = MHD_get_connection_info(connection,
				       MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (fd && peer)
		*state = http_conns_add(&h->conns, fd->connect_fd,
					peer->client_addr);
}

/* Paths are compared as they are sent: no %2e, no %00. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *connection,
			       char *text)
{
	return strlen(text);
}

static void run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG wait;
	int n;

	for (n = 0; n < RUNS_A_TURN; n++) {
		MHD_run(h->daemon);
		if (MHD_get_timeout(h->daemon, &wait) != MHD_YES || wait)
			break;
	}
}

static void on_epoll(int fd, uint32_t events, void *arg)
{
	run(arg);
}

/*
 * Accepted here and not by the daemon: without descriptors, and without a
 * connection whose end could give one back, it would ask again and again. It
 * closes what it does not take.
 */
static bool take_one(struct http *h)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	} peer;
	socklen_t len = sizeof(peer);
	int fd = accept4(h->listen_fd, &peer.any, &len,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		MHD_add_connection(h->daemon, fd, &peer.any, len);
		run(h);
		return true;
	}
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		h->paused = !loop_change_fd(h->loop, h->listen_fd, 0);
	return false;
}

static void on_listen(int fd, uint32_t events, void *arg)
{
	int n = 0;

	while (n < ACCEPTS_A_TURN && take_one(arg))
		n++;
}

/* Lives of connections; nothing hangs on their precision. */
static void on_timer(void *arg)
{
	struct http *h = arg;

	if (h->paused)
		h->paused = loop_change_fd(h->loop, h->listen_fd, EPOLLIN) < 0;
	http_conns_expire(&h->conns, h->settings.life_ms);
	http_pages_age(&h->pages);
	run(h);
}

/* ---- certificate and key ---- */

static void keys_free(struct keys *k)
{
	buf_free(&k->cert);
	if (k->key.data)
		explicit_bzero(k->key.data, k->key.len);
	buf_free(&k->key);
	buf_free(&k->client_ca);
}

static int read_pem(struct buf *b, const char *path, char *err, size_t errlen)
{
	int r = path ? buf_read_file(b, path, PEM_MAX) : 0;

	if (r)
		snprintf(err, errlen, "%s: %s", path, strerror(-r));
	return r;
}

static int check_key(const char *path, char *err, size_t errlen)
{
	struct stat st;

	if (!path || stat(path, &st) < 0 || !(st.st_mode & S_IRWXO))
		return 0;
	snprintf(err, errlen,
		 "%s: mode %04o opens the key to everyone: chmod "
		 "600",
		 path, st.st_mode & 07777);
	return -EACCES;
}

static int read_keys(struct keys *k, const struct http_settings *t, char *err,
		     size_t errlen)
{
	int r = read_pem(&k->cert, t->tls_cert, err, errlen);

	if (!r)
		r = read_pem(&k->key, t->tls_key, err, errlen);
	if (!r)
		r = check_key(t->tls_key, err, errlen);
	if (!r)
		r = read_pem(&k->client_ca, t->tls_client_ca, err, errlen);
	return r;
}

static bool same_keys(const struct keys *a, const struct keys *b)
{
	return strcmp(buf_text(&a->cert), buf_text(&b->cert)) == 0 &&
	       strcmp(buf_text(&a->key), buf_text(&b->key)) == 0 &&
	       strcmp(buf_text(&a->client_ca), buf_text(&b->client_ca)) == 0;
}

/* ---- the daemon ---- */

static struct MHD_Daemon *new_daemon(struct http *h, const struct keys *k)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, k->cert.data },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, k->key.data },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, PRIORITIES },
		{ k->client_ca.data ? MHD_OPTION_HTTPS_MEM_TRUST :
				      MHD_OPTION_END,
		  0, k->client_ca.data },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_HARD, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_SECONDS, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, h },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)unescape_nothing,
		  NULL },
		{ k->cert.data ? MHD_OPTION_ARRAY : MHD_OPTION_END, 0, tls },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
					(k->cert.data ? MHD_USE_TLS : 0),
				0, NULL, NULL, on_request, h, MHD_OPTION_ARRAY,
				options, MHD_OPTION_END);
}

/* Starts a daemon; the former one ends. */
static int replace_daemon(struct http *h, const struct keys *k)
{
	struct MHD_Daemon *fresh = new_daemon(h, k);
	const union MHD_DaemonInfo *info;

	if (!fresh)
		return -EINVAL;
	info = MHD_get_daemon_info(fresh, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info ||
	    loop_add_fd(h->loop, info->epoll_fd, EPOLLIN, on_epoll, h)) {
		MHD_stop_daemon(fresh);
		return -ENOMEM;
	}
	if (h->daemon) {
		loop_remove_fd(h->loop, h->epoll_fd);
		MHD_stop_daemon(h->daemon);
	}
	h->daemon = fresh;
	h->epoll_fd = info->epoll_fd;
	return 0;
}

static int use_keys(struct http *h, struct keys *k, char *err, size_t errlen)
{
	int r = replace_daemon(h, k);

	if (r) {
		snprintf(err, errlen, "%s: the HTTP server does not start%s",
			 h->settings.listen,
			 k->cert.data ?
				 " (do certificate and key belong together?)" :
				 "");
		return r;
	}
	keys_free(&h->keys);
	h->keys = *k;
	*k = (struct keys){};
	return 0;
}

int http_reload(struct http *h, char *err, size_t errlen)
{
	_cleanup_(keys_free) struct keys k = {};
	int r = read_keys(&k, &h->settings, err, errlen);

	if (r || same_keys(&k, &h->keys))
		return r;
	return use_keys(h, &k, err, errlen);
}

/* ---- start and end ---- */

static int start(struct http *h, char *err, size_t errlen)
{
	const struct http_settings *t = &h->settings;
	unsigned int tick = t->life_ms / 2 < TICK_MS ? t->life_ms / 2 : TICK_MS;
	_cleanup_(keys_free) struct keys k = {};
	int r = read_keys(&k, t, err, errlen);

	if (r)
		return r;
	h->listen_fd = http_listen(t->listen, t->tls_cert || t->allow_remote);
	if (h->listen_fd < 0) {
		r = h->listen_fd;
		if (r == -EPERM)
			snprintf(err, errlen,
				 "%s: not loopback, and neither "
				 "tls nor allow_remote",
				 t->listen);
		else
			snprintf(err, errlen, "%s: %s", t->listen,
				 strerror(-r));
		return r;
	}
	r = use_keys(h, &k, err, errlen);
	if (r)
		return r;
	r = loop_add_fd(h->loop, h->listen_fd, EPOLLIN, on_listen, h);
	if (r) {
		snprintf(err, errlen, "%s: %s", t->listen, strerror(-r));
		return r;
	}
	h->timer = loop_add_timer(h->loop, tick, tick, on_timer, h);
	if (h->timer < 0)
		snprintf(err, errlen, "%s: out of memory", t->listen);
	return h->timer < 0 ? h->timer : 0;
}

int http_new(struct loop *loop, const struct http_settings *settings,
	     struct http **ret, char *err, size_t errlen)
{
	struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->settings = *settings;
	if (!h->settings.life_ms)
		h->settings.life_ms = LIFE_MS;
	h->pages.make = settings->page;
	h->pages.arg = settings->arg;
	h->conns.max = CONNECTIONS;
	h->listen_fd = -1;
	r = start(h, err, errlen);
	if (r) {
		http_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->timer > 0)
		loop_remove_timer(h->loop, h->timer);
	if (h->daemon) {
		loop_remove_fd(h->loop, h->epoll_fd);
		MHD_stop_daemon(h->daemon);
	}
	loop_remove_fd(h->loop, h->listen_fd);
	closep(&h->listen_fd);
	http_pages_free(&h->pages);
	keys_free(&h->keys);
	free(h);
}

unsigned int http_port(const struct http *h)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = { .v6 = { 0 } };
	socklen_t len = sizeof(addr);

	if (getsockname(h->listen_fd, &addr.any, &len) < 0)
		return 0;
	return ntohs(addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port :
						      addr.v4.sin_port);
}
