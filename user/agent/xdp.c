// SPDX-License-Identifier: BSD-2-Clause
/*
 * XDP on devices: an accelerator, so whatever goes wrong is a note, and tc
 * judges all of it. An attach can take a host down, so that each of them is
 * recorded before it is made (boots.h), and none is made that can't be: fail
 * static, and say so.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

/* A driver that refuses is asked again: each time costs two writes. */
#define RETRY_NS (60 * 1000000000ull)

static void because(struct iface *i, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void because(struct iface *i, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(i->xdp_why, sizeof(i->xdp_why), fmt, ap);
	va_end(ap);
}

const char *agent_xdp_word(const struct config *c)
{
	static const char *const words[] = { [XDP_MODE_NONE] = "none",
					     [XDP_MODE_AUTO] = "auto",
					     [XDP_MODE_NATIVE] = "native",
					     [XDP_MODE_GENERIC] = "generic" };

	return words[c->xdp];
}

static bool is_ours(const struct iface *i)
{
	const struct hook_state *h = &i->hook[ATTACH_XDP];

	return h->kind != ATTACH_NONE && h->ours;
}

const char *agent_xdp_held(const struct agent *a, char *buf, size_t len)
{
	return a->config->xdp == XDP_MODE_NONE ? NULL :
						 boots_why(&a->boots, buf, len);
}

/* Each reason once. */
static void tell(struct agent *a)
{
	char why[sizeof(a->xdp_held)];

	if (!agent_xdp_held(a, why, sizeof(why)))
		why[0] = 0;
	if (strcmp(why, a->xdp_held) == 0)
		return;
	if (why[0])
		log_write(LOG_LEVEL_ERROR,
			  "XDP is held off, tc judges alone: %s", why);
	else
		log_notice("XDP is no longer held off");
	snprintf(a->xdp_held, sizeof(a->xdp_held), "%s", why);
}

/* ---- one device ---- */

static int attach(struct agent *a, struct iface *i, enum attach_kind kind)
{
	struct hook_state state = {};
	int r = attach_xdp(a->dp, i->link.ifindex, kind, &state);

	i->hook[ATTACH_XDP] = state;
	i->xdp_why[0] = 0;
	if (r)
		because(i, "%s", state.why[0] ? state.why : strerror(-r));
	return r;
}

/* Refused a while ago for reasons that are still there? */
static bool refused_lately(const struct iface *i)
{
	return i->xdp_refused_ns && i->xdp_refused_mtu == i->link.mtu &&
	       clock_boot_ns() - i->xdp_refused_ns < RETRY_NS;
}

static void attach_recorded(struct agent *a, struct iface *i,
			    enum attach_kind kind)
{
	int r;

	if (boots_held(&a->boots)) {
		because(i, "held off");
		return;
	}
	if (refused_lately(i))
		return;
	r = boots_begin(&a->boots, agent_xdp_word(a->config), i->link.name);
	tell(a);
	if (r) {
		because(i, "its attach can't be recorded: %s", strerror(-r));
		return;
	}
	if (attach(a, i, kind) == 0) {
		i->xdp_refused_ns = 0;
		return;
	}
	boots_refused(&a->boots);
	i->xdp_refused_ns = clock_boot_ns();
	i->xdp_refused_mtu = i->link.mtu;
}

static void attach_one(struct agent *a, struct iface *i, enum attach_kind own)
{
	enum attach_kind kind = a->config->xdp == XDP_MODE_GENERIC ?
					ATTACH_GENERIC :
					ATTACH_NATIVE;
	const struct hook_state *h = &i->hook[ATTACH_XDP];

	/* Of the agent before us: a new program for it is no new attach. */
	if (own == kind)
		attach(a, i, kind);
	else if (own == ATTACH_NONE && h->foreign_prog_id)
		because(i, "%s", h->why);
	else
		attach_recorded(a, i, kind);
}

/* `auto` keeps what it attached while there was no carrier. */
static bool kept(const struct agent *a, const struct iface *i,
		 enum attach_kind own)
{
	return a->config->xdp == XDP_MODE_AUTO && !i->link.kind[0] &&
	       own == ATTACH_NATIVE;
}

void agent_refresh_xdp(struct agent *a, struct iface *i)
{
	enum attach_kind own = is_ours(i) ?
				       i->hook[ATTACH_XDP].kind :
				       attach_xdp_own(a->dp, i->link.ifindex);
	const char *why = "";

	if (select_xdp(a->config->xdp, &i->link, &why) || kept(a, i, own)) {
		if (!is_ours(i))
			attach_one(a, i, own);
		else
			i->xdp_why[0] = 0;
		return;
	}
	if (detach_xdp(a->dp, i->link.ifindex) == 0)
		i->hook[ATTACH_XDP] = (struct hook_state){};
	because(i, "%s", why);
}

/* ---- the record ---- */

void agent_start_xdp(struct agent *a)
{
	char boot[BOOT_ID_SIZE], what[96];

	boot_id(boot);
	boots_load(&a->boots, a->state, boot);
	tell(a);
	if (a->config->xdp != XDP_MODE_NONE && a->boots.unclean &&
	    !boots_held(&a->boots))
		log_warning(
			"the last boot ended uncleanly within 10 minutes of "
			"attaching XDP (%s); once more, and it is held off",
			boots_what(&a->boots, what, sizeof(what)));
}

void agent_check_xdp(struct agent *a)
{
	const struct iface *i;
	bool attached = false;
	int r;

	if (a->pins_hidden)
		return;
	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++)
		attached = attached || is_ours(i);
	r = boots_check(&a->boots, attached, agent_xdp_word(a->config));
	if (r && !a->boots_unwritten)
		log_warning("state: the record of XDP: %s; it says that the "
			    "host has not outlived it yet",
			    strerror(-r));
	a->boots_unwritten = r != 0;
	tell(a);
}

void agent_stop_xdp(struct agent *a)
{
	int r = boots_close(&a->boots);

	if (r)
		log_warning("state: the record of XDP: %s; if the host goes "
			    "down now, that boot counts as unclean",
			    strerror(-r));
}

void agent_forget_xdp(struct state *s)
{
	char boot[BOOT_ID_SIZE];
	struct boots b;

	boot_id(boot);
	boots_load(&b, s, boot);
	if (!b.unreadable && boots_close(&b))
		log_warning("state: the record of XDP is not closed");
}
