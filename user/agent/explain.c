// SPDX-License-Identifier: BSD-2-Clause
/* The command explain, by any of the three engines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/explainer.h"
#include "reference/reference.h"

#define PROBES_MAX 100000

enum engine { ENGINE_REFERENCE, ENGINE_IMAGE, ENGINE_KERNEL };

struct explaining {
	struct agent *agent;
	enum engine engine;
	bool replies;
	const struct held *held; /* what is judged by */
	struct held *own;	 /* if it came with the request */
	struct config config;	 /* modes taken in */
	uint32_t generation;
	/* Of the policy in force, or of compiled. */
	struct image *image;
	const struct slots *slots;
	struct compiled compiled;
};

static void explaining_done(struct explaining *e)
{
	agent_compiled_free(&e->compiled);
	held_free(e->own);
}

/* ---- setting up ---- */

static json_t *refuse(struct diags *diags, const char *what, int err)
{
	json_t *reply = ctl_error(CTL_REFUSED, "%s: %s", what,
				  err == -EINVAL ? "the policy is refused" :
						   strerror(-err));
	struct buf text = {};

	if (diags->errors && diags_render(diags, &text) == 0)
		json_object_set_new(reply, "diagnostics",
				    json_string(buf_text(&text)));
	buf_free(&text);
	return reply;
}

/* What is in force was compiled, and is kept, unless a change took it away. */
static int set_image(struct explaining *e, bool in_force, struct diags *diags)
{
	struct agent *a = e->agent;
	int r;

	if (in_force && a->live) {
		e->image = live_image(a->live);
		e->slots = &a->slots;
		return 0;
	}
	r = agent_compile(a, e->held, e->held ? BUILT_IN_NONE : a->built_in,
			  diags, &e->compiled);
	e->image = e->compiled.image;
	e->slots = &e->compiled.slots;
	return r;
}

static json_t *set_policy(struct explaining *e, const char *document)
{
	struct agent *a = e->agent;
	struct diags diags = {};
	json_t *error = NULL;
	int r = 0;

	e->held = a->current;
	e->generation = a->current ? a->current->record->generation : 0;
	if (document) {
		r = held_read(document, NULL, a->config, &diags, &e->own);
		e->held = e->own;
		e->generation = 0;
	}
	if (!r && e->engine != ENGINE_REFERENCE)
		r = set_image(e, !document, &diags);
	if (r)
		error = refuse(&diags, "explain", r);
	e->config = *a->config;
	e->config.max_mode_audit |= e->held && e->held->record->audit;
	diags_free(&diags);
	return error;
}

static int judge(struct explaining *e, const struct probe *p,
		 struct answer *ret)
{
	const struct policy *policy = e->held ? e->held->policy : NULL;
	struct image_view view = { .slots = e->slots, .config = &e->config };
	struct answer reply;
	int i, r = 0;

	if (e->engine == ENGINE_KERNEL) {
		r = explainer_judge(e->agent, p, e->slots, ret);
	} else if (e->engine == ENGINE_IMAGE) {
		view.header = &e->image->header;
		for (i = 0; i < MOAT_PART_COUNT; i++)
			view.part[i] = e->image->part[i];
		image_judge(&view, p, ret);
	} else {
		reference_judge(policy, &e->config, p, ret);
	}
	/* Replies meet the NACL alone, which every engine reads the same. */
	if (!r && e->replies && ret->verdict == MOAT_ALLOW &&
	    !reference_reply(policy, &e->config, p, &reply))
		*ret = reply;
	ret->generation = e->generation;
	return r;
}

static json_t *explain_one(struct explaining *e, const json_t *object)
{
	_cleanup_free_ char *line = json_dumps(object, JSON_COMPACT);
	_cleanup_free_ char *text = NULL;
	struct answer answer = {};
	struct probe probe;
	char err[160];
	int r;

	if (!line)
		return json_pack("{s:s}", "error", "not a JSON object");
	if (probe_from_json(line, &probe, err, sizeof(err)))
		return json_pack("{s:s}", "error", err);
	r = judge(e, &probe, &answer);
	if (r)
		return json_pack("{s:s}", "error", strerror(-r));
	text = answer_to_json(&answer);
	return text ? json_loads(text, 0, NULL) : NULL;
}

static json_t *answer_all(struct explaining *e, const json_t *probes)
{
	json_t *answers = json_array(), *reply = ctl_ok();
	const json_t *one;
	size_t i;

	json_array_foreach(probes, i, one)
		json_array_append_new(answers, explain_one(e, one));
	json_object_set_new(reply, "answers", answers);
	json_object_set_new(reply, "generation", json_integer(e->generation));
	return reply;
}

static json_t *get_engine(const json_t *rq, enum engine *ret)
{
	static const char *const names[] = { "reference", "image", "kernel" };
	const char *name = "kernel";
	int i;

	if (ctl_get_string(rq, "engine", &name))
		name = "";
	for (i = 0; i < 3; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum engine)i;
			return NULL;
		}
	}
	return ctl_error(CTL_USAGE, "engine: reference, image or kernel");
}

json_t *agent_explain(struct ctl_request *rq)
{
	const json_t *probes = json_object_get(rq->json, "probes");
	struct explaining e = { .agent = rq->arg };
	const char *document = NULL;
	json_t *reply;

	if (!json_is_array(probes) || json_array_size(probes) > PROBES_MAX)
		return ctl_error(CTL_USAGE, "probes: a list of at most %d",
				 PROBES_MAX);
	if (ctl_get_string(rq->json, "document", &document) ||
	    ctl_get_bool(rq->json, "replies", &e.replies))
		return ctl_error(CTL_USAGE, "document or replies: wrong type");
	reply = get_engine(rq->json, &e.engine);
	if (!reply)
		reply = set_policy(&e, document);
	if (!reply && e.engine == ENGINE_KERNEL)
		reply = explainer_take(e.agent, e.image,
				       e.compiled.live ? 0 : e.generation);
	if (!reply)
		reply = answer_all(&e, probes);
	explaining_done(&e);
	return reply;
}
