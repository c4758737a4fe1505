// SPDX-License-Identifier: BSD-2-Clause
/* Making pages within a budget of time. */
#include "svc/http_pages.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define SHARE 5			  /* one part in so many */
#define BUDGET_MAX_NS 200000000ll /* of one second's */
#define HELD_MAX (16u << 20)
#define AGE_NS 2000000000ull

static bool may_make(struct http_pages *p)
{
	uint64_t now = clock_boot_ns();

	p->budget_ns += (int64_t)((now - p->at_ns) / SHARE);
	if (!p->at_ns || p->budget_ns > BUDGET_MAX_NS)
		p->budget_ns = BUDGET_MAX_NS;
	p->at_ns = now;
	return p->budget_ns > 0 && p->held_bytes <= HELD_MAX;
}

struct held_page {
	struct http_pages *pages;
	size_t len;
	char *text;
};

/* Neither the pages nor any connection has a use for it. */
static void let_go(void *arg)
{
	struct held_page *h = arg;

	h->pages->held_bytes -= h->len;
	free(h->text);
	free(h);
}

static struct MHD_Response *respond(struct http_pages *p, struct buf *body)
{
	_cleanup_free_ struct held_page *h = malloc(sizeof(*h));
	struct MHD_Response *r;

	if (!h)
		return NULL;
	*h = (struct held_page){ p, body->len, buf_take(body) };
	r = h->text ? MHD_create_response_from_buffer_with_free_callback_cls(
			      h->len, h->text, let_go, h) :
		      NULL;
	if (!r) {
		free(h->text);
		return NULL;
	}
	p->held_bytes += h->len;
	h = NULL;
	MHD_add_response_header(r, "Content-Type",
				"text/plain; version=0.0.4; charset=utf-8");
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "Connection", "close");
	return r;
}

static int make(struct http_pages *p, const char *path,
		struct MHD_Response **ret)
{
	uint64_t before = clock_boot_ns();
	struct MHD_Response *response;
	struct buf body = { 0 };
	int r = p->make(path, &body, p->arg);

	p->budget_ns -= (int64_t)(clock_boot_ns() - before);
	if (r) {
		buf_free(&body);
		return r;
	}
	response = respond(p, &body);
	buf_free(&body);
	if (!response)
		return -ENOMEM;
	if (*ret)
		MHD_destroy_response(*ret);
	*ret = response;
	return 0;
}

/* Where the page lies, or may: a free place, or the last one. */
static int place_of(const struct http_pages *p, const char *path)
{
	int i, place = HTTP_PAGES - 1;

	for (i = HTTP_PAGES - 1; i >= 0; i--)
		if (!p->page[i].path[0])
			place = i;
	for (i = 0; i < HTTP_PAGES; i++)
		if (strcmp(p->page[i].path, path) == 0)
			place = i;
	return place;
}

int http_pages_get(struct http_pages *p, const char *path,
		   struct MHD_Response **ret)
{
	bool may = may_make(p);
	int i = place_of(p, path), r;

	if (strcmp(p->page[i].path, path) != 0)
		may = true;
	if (may || !p->page[i].response) {
		r = make(p, path, &p->page[i].response);
		if (r)
			return r;
		snprintf(p->page[i].path, sizeof(p->page[i].path), "%s", path);
		p->page[i].made_ns = clock_boot_ns();
	}
	*ret = p->page[i].response;
	return 0;
}

static void drop(struct http_pages *p, int i)
{
	if (p->page[i].response)
		MHD_destroy_response(p->page[i].response);
	memset(&p->page[i], 0, sizeof(p->page[i]));
}

void http_pages_age(struct http_pages *p)
{
	uint64_t now = clock_boot_ns();
	int i;

	for (i = 0; i < HTTP_PAGES; i++)
		if (now - p->page[i].made_ns > AGE_NS)
			drop(p, i);
}

void http_pages_free(struct http_pages *p)
{
	int i;

	for (i = 0; i < HTTP_PAGES; i++)
		drop(p, i);
}
