// SPDX-License-Identifier: BSD-2-Clause
/*
 * Start-up in an order that leaves no gap: host facts, then the image, then
 * programs on devices, then the world may ask. Then one loop.
 */
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/notify.h"
#include "agent/options.h"
#include "base/clock.h"
#include "base/log.h"

#define CONFIG_MAX (1u << 20)
#define MMAP_THRESHOLD (256 << 10) /* bytes */
#define HEALTH_SECONDS 5
#define TEXTFILE_SECONDS 15
#define TRIM_SECONDS 10
#define CALIBRATE_SECONDS 60

/* ---- configuration ---- */

static struct config *read_config(const char *path, bool needed)
{
	struct diags diags = {};
	struct buf text = {}, complaints = {};
	struct config *c;
	int r = buf_read_file(&text, path, CONFIG_MAX);

	if (r == -ENOENT && !needed)
		return config_default();
	if (r) {
		log_write(LOG_LEVEL_ERROR, "%s: %s", path, strerror(-r));
		return NULL;
	}
	c = config_read(path, buf_text(&text), text.len, &diags);
	if (diags_render(&diags, &complaints) == 0)
		fputs(buf_text(&complaints), stderr);
	diags_free(&diags);
	buf_free(&text);
	buf_free(&complaints);
	return c;
}

/* ---- timers and signals ---- */

static void on_second(void *arg)
{
	struct agent *a = arg;

	a->second++;
	datapath_heartbeat(a->dp);
	/* After a push, off its path: the next one finds an idle slot. */
	store_settle(a->dp);
	agent_check_deadline(a);
	agent_rest_explain(a);
	if (a->second % HEALTH_SECONDS == 0) {
		agent_check_health(a);
		agent_watch_file(a);
		agent_write_unwritten(a);
		agent_fold_members(a);
	}
	if (a->second % TEXTFILE_SECONDS == 0)
		agent_write_textfile(a);
	if (a->second % CALIBRATE_SECONDS == 0)
		datapath_recalibrate(a->dp);
#ifdef __GLIBC__
	/* What a large policy or a flood of requests took goes back. */
	if (a->second % TRIM_SECONDS == 0)
		malloc_trim(0);
#endif
}

static void log_refusal(const char *what, const json_t *reply,
			const char *error)
{
	log_write(LOG_LEVEL_ERROR, "%s: %s", what, error);
	log_lines(LOG_LEVEL_ERROR,
		  json_string_value(json_object_get(reply, "diagnostics")) ?:
									     "");
}

static void on_hangup(int sig, void *arg)
{
	struct agent *a = arg;
	const char *error = "";
	json_t *reply;

	notify_reloading();
	reply = agent_reload(a, 0);
	if (ctl_reply_code(reply, &error) == CTL_OK)
		log_notice("reload: %s",
			   json_is_true(json_object_get(reply, "changed")) ?
				   "pushed" :
				   "nothing changed");
	else
		log_refusal("reload", reply, error);
	notify("READY=1\nSTATUS=reload: %s", *error ? error : "done");
	json_decref(reply);
}

static void on_stop(int sig, void *arg)
{
	struct agent *a = arg;

	log_notice("stopping; what is attached goes on judging");
	notify("STOPPING=1");
	loop_stop(a->loop);
}

static int add_sources(struct agent *a)
{
	int r = loop_add_signal(a->loop, SIGTERM, on_stop, a);

	if (!r)
		r = loop_add_signal(a->loop, SIGINT, on_stop, a);
	if (!r)
		r = loop_add_signal(a->loop, SIGHUP, on_hangup, a);
	if (!r) {
		r = loop_add_timer(a->loop, 1000, 1000, on_second, a);
		r = r < 0 ? r : 0;
	}
	return r;
}

/* ---- services ---- */

static char *rule_name(unsigned int slot, char *buf, size_t len, void *arg)
{
	const struct agent *a = arg;

	return slot_name(&a->slots, slot, buf, len);
}

static int start_ctl(struct agent *a)
{
	const struct ctl_settings settings = {
		.control_path = a->config->control_socket,
		.read_path = a->config->read_socket,
		.group = a->config->control_group,
		.commands = agent_commands,
		.arg = a,
	};
	char err[256];
	int r = ctl_server_new(a->loop, &settings, &a->ctl, err, sizeof(err));

	return r ? log_error(r, "control socket: %s", err) : 0;
}

/* A port that is taken must not keep the host without enforcement. */
static int start_http(struct agent *a, char *err, size_t errlen)
{
	const struct http_settings settings = {
		.listen = a->config->metrics_listen,
		.tls_cert = a->config->tls_cert,
		.tls_key = a->config->tls_key,
		.tls_client_ca = a->config->tls_client_ca,
		.allow_remote = a->config->allow_remote,
		.page = agent_page,
		.arg = a,
	};

	return http_new(a->loop, &settings, &a->http, err, errlen);
}

/* A certificate that is no good changes nothing, not the policy either. */
json_t *agent_reload(struct agent *a, uid_t uid)
{
	char err[512] = "";
	int r = a->http ? http_reload(a->http, err, sizeof(err)) :
			  start_http(a, err, sizeof(err));

	return r ? ctl_error(CTL_REFUSED, "metrics: %s", err) :
		   agent_push_file(a, uid);
}

static int start_services(struct agent *a)
{
	char err[512] = "";
	int r;

	a->delta = flow_delta_new();
	a->series = flow_series_new(a->config->flows_max_series, rule_name, a);
	a->peers = peers_new();
	if (!a->delta || !a->series || !a->peers)
		return -ENOMEM;
	r = start_ctl(a);
	if (!r)
		r = agent_start_expiry(a);
	if (!r && start_http(a, err, sizeof(err)))
		log_write(LOG_LEVEL_ERROR, "metrics: %s", err);
	return r;
}

/* ---- start and stop ---- */

static int open_state(struct agent *a)
{
	int r = state_open(a->config->state, &a->state);

	if (r == -EBUSY || r == -EPERM)
		return log_error(r, "state in %s: %s", a->config->state,
				 r == -EBUSY ? "another agent uses it" :
					       "belongs to another user");
	return r ? log_error(r, "state in %s, or /etc/machine-id: %s",
			     a->config->state, strerror(-r)) :
		   0;
}

static void push_first(struct agent *a)
{
	const char *error = "";
	json_t *reply;

	if (a->built_in != BUILT_IN_FIRST ||
	    access(a->config->policy, F_OK) < 0)
		return;
	reply = agent_push_file(a, 0);
	if (ctl_reply_code(reply, &error) != CTL_OK)
		log_refusal(a->config->policy, reply, error);
	json_decref(reply);
}

static int start_enforcing(struct agent *a)
{
	int r = agent_set_failsafe(a);

	if (!r)
		r = agent_refresh_net(a);
	if (!r && !a->pins_hidden)
		r = agent_restore(a);
	if (r)
		return r;
	datapath_heartbeat(a->dp);
	a->attaching = true;
	r = agent_watch_net(a);
	if (!r)
		r = agent_refresh_net(a);
	if (!r && !a->pins_hidden)
		push_first(a);
	/* What the agent before us attached may have its record closed. */
	if (!r)
		agent_check_xdp(a);
	return r;
}

static int start(struct agent *a)
{
	int r;

	a->started_ms = clock_wall_ms();
	a->loop = loop_new();
	if (!a->loop)
		return log_error(-errno, "loop: %s", strerror(errno));
	r = keep_take(&a->keep);
	if (!r)
		r = open_state(a);
	if (!r)
		r = agent_find_hidden(a);
	if (!r)
		agent_start_xdp(a);
	if (!r && !a->dp)
		r = agent_open_datapath(a);
	keep_opened(&a->keep);
	if (!r)
		r = start_enforcing(a);
	if (!r)
		r = start_services(a);
	if (!r)
		r = add_sources(a);
	if (!r)
		agent_check_file(a);
	return r;
}

/* Closes what is ours in this process; the kernel keeps the rest. */
static void stop(struct agent *a)
{
	http_free(a->http);
	ctl_server_free(a->ctl);
	agent_stop_expiry(a);
	agent_end_explain(a);
	flow_delta_free(a->delta);
	flow_series_free(a->series);
	peers_free(a->peers);
	agent_free_net(a);
	agent_forget_live(a);
	held_free(a->current);
	held_free(a->previous);
	slots_free(&a->slots);
	free(a->slot_base);
	json_decref(a->programs);
	keep_free(&a->keep);
	datapath_close(a->dp);
	state_close(a->state);
	loop_free(a->loop);
}

static int run(struct config *config, const char *path)
{
	struct agent a = { .config = config, .config_path = path };
	int r = start(&a);

	if (!r) {
		log_notice("moatd " MOAT_VERSION " ready");
		notify("READY=1\nSTATUS=%s",
		       a.current ? "policy in force" : "no policy");
		r = loop_run(a.loop);
		if (r)
			log_error(r,
				  "loop: %s; what is attached goes on judging",
				  strerror(-r));
		else
			agent_stop_xdp(&a);
	} else {
		log_error(r, "not started: %s", strerror(-r));
	}
	stop(&a);
	return r ? 2 : 0;
}

static int detach(const struct config *c)
{
	struct state *s = NULL;
	int r = detach_all(c->bpffs);

	if (r)
		log_write(LOG_LEVEL_ERROR, "%s: %s", c->bpffs,
			  r == -EBUSY ? "an agent is running, stop it first" :
					strerror(-r));
	else if (state_open(c->state, &s) == 0) {
		agent_forget_programs(s);
		agent_forget_xdp(s);
	}
	state_close(s);
	return r ? 2 : 0;
}

static int retry_xdp(const struct config *c)
{
	int r = boots_forget(c->state);

	if (r == -ENOENT)
		puts("nothing held XDP off");
	else if (r)
		log_write(LOG_LEVEL_ERROR, "%s: %s", c->state, strerror(-r));
	else
		puts("XDP is tried again, by an agent that runs within seconds");
	return r && r != -ENOENT ? 2 : 0;
}

int agent_main(int argc, char **argv)
{
	struct agent_options o;
	struct config *config;
	int code = 0;

	agent_options(argc, argv, &o);
	if (o.action == AGENT_EXIT)
		return o.exit_code;
	log_set_level(o.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	/* glibc would raise it with use, and keep what large requests took. */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	config = read_config(o.config ? o.config : AGENT_CONFIG_PATH,
			     o.config != NULL);
	if (!config)
		return o.action == AGENT_CHECK_CONFIG ? 1 : 2;
	if (o.action == AGENT_DETACH_ALL)
		code = detach(config);
	else if (o.action == AGENT_RETRY_XDP)
		code = retry_xdp(config);
	else if (o.action == AGENT_RUN)
		code = run(config, o.config ? o.config : AGENT_CONFIG_PATH);
	config_free(config);
	return code;
}
