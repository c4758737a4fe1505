// SPDX-License-Identifier: BSD-2-Clause
/* libmicrohttpd with its epoll descriptor in our loop. */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "svc/http.h"

#define PEM_MAX (1u << 20)
#define CONNECTIONS 32
#define CONNECTIONS_A_PEER 16
#define TIMEOUT_SECONDS 10
#define CONNECTION_BYTES 32768
#define RUNS_A_TURN 16
#define TICK_MS 1000

struct http {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	http_page_fn page;
	void *arg;
	int listen_fd;		/* MHD's once the daemon runs */
	int epoll_fd;
	int timer;
	bool check_client;
	struct buf cert, key, client_ca;
};

static enum MHD_Result answer(struct MHD_Connection *connection,
			      unsigned int status, const char *type,
			      struct buf *body)
{
	size_t len = body->len;
	char *text = buf_take(body);
	struct MHD_Response *response;
	enum MHD_Result r;

	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(len, text,
						   MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection,
				   unsigned int status, const char *text)
{
	struct buf body = {0};
	enum MHD_Result r;

	buf_printf(&body, "%s\n", text);
	r = answer(connection, status, "text/plain; charset=utf-8", &body);
	buf_free(&body);
	return r;
}

/* libmicrohttpd asks for a certificate, but takes any: the check is ours. */
static bool client_is_known(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int status = ~0u;

	return info && info->tls_session &&
	       gnutls_certificate_verify_peers2(info->tls_session,
						&status) == 0 && status == 0;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	static const char type[] =
		"text/plain; version=0.0.4; charset=utf-8";
	struct buf body = {0};
	struct http *h = cls;
	enum MHD_Result r;
	int err;

	/* First called with the headers alone; a body is not for us. */
	if (!*state) {
		*state = h;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "GET and HEAD only");
	if (h->check_client && !client_is_known(connection))
		return answer_text(connection, MHD_HTTP_FORBIDDEN,
				   "no client certificate of our CA");
	err = h->page(url, &body, h->arg);
	if (err == 0)
		r = answer(connection, MHD_HTTP_OK, type, &body);
	else if (err == -ENOENT)
		r = answer_text(connection, MHD_HTTP_NOT_FOUND, "not found");
	else
		r = answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				strerror(-err));
	buf_free(&body);
	return r;
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

/* Timeouts of connections; nothing hangs on their precision. */
static void on_timer(void *arg)
{
	run(arg);
}

/* ADDRESS:PORT or [ADDRESS]:PORT. */
static int parse_listen(const char *text, struct sockaddr_storage *ret,
			socklen_t *ret_len)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	size_t len;
	unsigned long port;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	len = colon - text;
	if (*end || port > 65535 || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	memset(ret, 0, sizeof(*ret));
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = 0;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*v6);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ?
			0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	*ret_len = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

static bool is_loopback(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(
			&((const struct sockaddr_in6 *)addr)->sin6_addr);
	return ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr) >>
		24 == 127;
}

static int open_socket(const struct http_settings *t)
{
	struct sockaddr_storage addr;
	_cleanup_close_ int fd = -1;
	socklen_t len = 0;
	int one = 1;
	int r = parse_listen(t->listen, &addr, &len);

	if (r)
		return r;
	if (!is_loopback(&addr) && !t->tls_cert && !t->allow_remote)
		return -EPERM;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* An address that comes up after us must not fail the start. */
	setsockopt(fd, SOL_IP, IP_FREEBIND, &one, sizeof(one));
	if (addr.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 ||
	    listen(fd, CONNECTIONS) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int read_pem(struct buf *b, const char *path, char *err, size_t errlen)
{
	int r = path ? buf_read_file(b, path, PEM_MAX) : 0;

	if (r)
		snprintf(err, errlen, "%s: %s", path, strerror(-r));
	return r;
}

static int read_keys(struct http *h, const struct http_settings *t, char *err,
		     size_t errlen)
{
	int r = read_pem(&h->cert, t->tls_cert, err, errlen);

	if (!r)
		r = read_pem(&h->key, t->tls_key, err, errlen);
	if (!r)
		r = read_pem(&h->client_ca, t->tls_client_ca, err, errlen);
	h->check_client = t->tls_client_ca != NULL;
	return r;
}

static int start_daemon(struct http *h, bool tls)
{
	struct MHD_OptionItem options[8] = {
		{MHD_OPTION_LISTEN_SOCKET, h->listen_fd, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, NULL},
		{MHD_OPTION_PER_IP_CONNECTION_LIMIT, CONNECTIONS_A_PEER, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem keys[4] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert.data},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, h->key.data},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned int flags = MHD_USE_EPOLL;
	const union MHD_DaemonInfo *info;

	if (h->check_client)
		keys[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST,
						  0, h->client_ca.data};
	if (tls) {
		flags |= MHD_USE_TLS;
		options[5] = (struct MHD_OptionItem){MHD_OPTION_ARRAY, 0,
						     keys};
	}
	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
				     MHD_OPTION_ARRAY, options,
				     MHD_OPTION_END);
	if (!h->daemon)
		return -EINVAL;
	info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -ENOTSUP;
	h->epoll_fd = info->epoll_fd;
	return loop_add_fd(h->loop, h->epoll_fd, EPOLLIN, on_epoll, h);
}

static int start(struct http *h, const struct http_settings *t, char *err,
		 size_t errlen)
{
	int r = read_keys(h, t, err, errlen);

	if (r)
		return r;
	h->listen_fd = open_socket(t);
	if (h->listen_fd < 0) {
		r = h->listen_fd;
		if (r == -EPERM)
			snprintf(err, errlen, "%s: not loopback, and neither "
				 "tls nor allow_remote", t->listen);
		else
			snprintf(err, errlen, "%s: %s", t->listen,
				 strerror(-r));
		return r;
	}
	r = start_daemon(h, t->tls_cert != NULL);
	if (!r) {
		h->timer = loop_add_timer(h->loop, TICK_MS, TICK_MS, on_timer,
					  h);
		r = h->timer < 0 ? h->timer : 0;
	}
	if (r)
		snprintf(err, errlen, "%s: the HTTP server does not start%s",
			 t->listen,
			 t->tls_cert ? " (certificate and key?)" : "");
	return r;
}

int http_new(struct loop *loop, const struct http_settings *settings,
	     struct http **ret, char *err, size_t errlen)
{
	struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->page = settings->page;
	h->arg = settings->arg;
	h->listen_fd = -1;
	h->epoll_fd = -1;
	r = start(h, settings, err, errlen);
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
	if (h->epoll_fd >= 0)
		loop_remove_fd(h->loop, h->epoll_fd);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	else
		closep(&h->listen_fd);
	buf_free(&h->cert);
	if (h->key.data)
		explicit_bzero(h->key.data, h->key.len);
	buf_free(&h->key);
	buf_free(&h->client_ca);
	free(h);
}

unsigned int http_port(const struct http *h)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(h->listen_fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	return addr.ss_family == AF_INET6 ?
		ntohs(((struct sockaddr_in6 *)&addr)->sin6_port) :
		ntohs(((struct sockaddr_in *)&addr)->sin_port);
}
