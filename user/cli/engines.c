// SPDX-License-Identifier: BSD-2-Clause
/* Reference, image and kernel behind one call. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/explain.h"
#include "reference/reference.h"

/* The kernel engine loads programs: on a slow machine for half a minute. */
#define EXPLAIN_TIMEOUT_MS 120000

const char *const engine_names[] = { "reference", "image", "kernel" };

static int compile(struct explain *e)
{
	struct compile_stats stats;
	struct compile_input input = {
		.policy = e->files.policy,
		.config = e->files.config,
		.hosts = e->files.hosts,
		.nhosts = e->files.nhosts,
		.slots = &e->slots,
	};

	e->image = image_compile(&input, &stats, &e->files.diags);
	if (e->image)
		return CTL_OK;
	load_show(&e->files);
	return CTL_NO;
}

static int canonical(struct explain *e)
{
	struct buf text = {};
	int err = policy_print(e->files.policy, &text);

	e->document = err ? NULL : buf_take(&text);
	buf_free(&text);
	if (e->document)
		return CTL_OK;
	talk("out of memory");
	return CTL_USAGE;
}

int explain_open(struct explain *e)
{
	int code = CTL_OK;

	if (e->engine != ENGINE_KERNEL && !e->live)
		return e->engine == ENGINE_IMAGE ? compile(e) : CTL_OK;
	/* What is in force depends on the agent's configuration as well. */
	if (!e->live)
		code = canonical(e);
	if (!code)
		e->client = call_connect(e->cli, true);
	if (e->client)
		ctl_set_timeout(e->client, EXPLAIN_TIMEOUT_MS);
	return code ? code : e->client ? CTL_OK : CTL_UNREACHABLE;
}

void explain_close(struct explain *e)
{
	image_free(e->image);
	slots_free(&e->slots);
	if (e->client)
		ctl_close(e->client);
	free(e->document);
	loaded_free(&e->files);
}

static json_t *error_object(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static json_t *judge_one(struct explain *e, const json_t *object)
{
	_cleanup_free_ char *line = json_dumps(object, JSON_COMPACT);
	_cleanup_free_ char *text = NULL;
	struct answer answer, reply;
	struct probe probe;
	char err[160];

	if (!line)
		return error_object("not a JSON object");
	if (probe_from_json(line, &probe, err, sizeof(err)))
		return error_object(err);
	if (e->engine == ENGINE_IMAGE) {
		struct image_view view = {
			.header = &e->image->header,
			.slots = &e->slots,
			.config = e->files.config,
		};

		memcpy(view.part, e->image->part, sizeof(view.part));
		image_judge(&view, &probe, &answer);
	} else {
		reference_judge(e->files.policy, e->files.config, &probe,
				&answer);
	}
	/* Replies meet the NACL alone, which every engine reads the same. */
	if (e->replies && answer.verdict == MOAT_ALLOW &&
	    !reference_reply(e->files.policy, e->files.config, &probe, &reply))
		answer = reply;
	text = answer_to_json(&answer);
	return text ? json_loads(text, 0, NULL) : error_object("out of memory");
}

static int ask_agent(struct explain *e, const json_t *probes,
		     json_t **ret_answers)
{
	_cleanup_json_ json_t *reply = NULL;
	json_t *request = json_pack("{s:s,s:s,s:b,s:O}", "cmd", "explain",
				    "engine", engine_names[e->engine],
				    "replies", e->replies, "probes",
				    (json_t *)probes);
	json_t *answers;
	int code;

	if (request && e->document)
		json_object_set_new(request, "document",
				    json_string(e->document));
	code = call_on(e->cli, e->client, request, &reply);
	answers = json_object_get(reply, "answers");
	if (json_array_size(answers) == json_array_size(probes)) {
		*ret_answers = json_incref(answers);
		return CTL_OK;
	}
	if (!code)
		talk("the agent answered something else");
	return code ? code : CTL_USAGE;
}

int explain_judge(struct explain *e, const json_t *probes, json_t **ret_answers)
{
	json_t *answers;
	const json_t *probe;
	size_t i;

	if (e->client)
		return ask_agent(e, probes, ret_answers);
	answers = json_array();
	json_array_foreach((json_t *)probes, i, probe)
		json_array_append_new(answers, judge_one(e, probe));
	*ret_answers = answers;
	return CTL_OK;
}
