// SPDX-License-Identifier: BSD-2-Clause
/* Is the configured policy file what is in force? */
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "policy/reader.h"

/* What was pushed from several files is their canonical form, so policies are
 * compared in that. */
static int canonical(const char *document, struct buf *ret)
{
	const struct document doc = { "policy", document, strlen(document) };
	const struct reader_options options = {};
	struct diags diags = {};
	struct policy *p = policy_read(&doc, 1, &options, &diags);
	int r = p ? policy_print(p, ret) : -1;

	policy_free(p);
	diags_free(&diags);
	return r;
}

static bool same_model(struct agent *a, const char *document)
{
	struct buf file = {}, now = {};
	bool same = canonical(document, &file) == 0 &&
		    policy_print(a->current->policy, &now) == 0 &&
		    strcmp(buf_text(&file), buf_text(&now)) == 0;

	buf_free(&file);
	buf_free(&now);
	return same;
}

void agent_check_file(struct agent *a)
{
	struct buf text = {};
	bool differs = false;

	if (buf_read_file(&text, a->config->policy, MOAT_MAX_DOCUMENT) == 0)
		differs = !a->current || strlen(buf_text(&text)) != text.len ||
			  ((a->current->record->members.count ||
			    strcmp(buf_text(&text),
				   a->current->record->document) != 0) &&
			   !same_model(a, buf_text(&text)));
	a->policy_file_differs = differs;
	buf_free(&text);
}

static void check_now(void *arg)
{
	struct agent *a = arg;

	a->file_timer = 0;
	agent_check_file(a);
}

/* Reading a large file costs as much as the push; whoever pushed need not
 * wait for it. */
void agent_check_file_soon(struct agent *a)
{
	if (a->file_timer <= 0)
		a->file_timer = loop_add_timer(a->loop, 1, 0, check_now, a);
}

/* Has somebody written the policy file? */
void agent_watch_file(struct agent *a)
{
	struct stat st = {};

	if (stat(a->config->policy, &st) < 0)
		st = (struct stat){};
	if (st.st_mtim.tv_sec == a->file_seen.tv_sec &&
	    st.st_mtim.tv_nsec == a->file_seen.tv_nsec)
		return;
	a->file_seen = st.st_mtim;
	agent_check_file(a);
}
