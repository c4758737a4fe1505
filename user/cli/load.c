// SPDX-License-Identifier: BSD-2-Clause
/* Policy files from disk to a checked model. */
#include "cli/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "reference/reference.h"

#define CONFIG_MAX (1u << 20)

void loaded_free(struct loaded *l)
{
	policy_free(l->policy);
	config_free(l->config);
	diags_free(&l->diags);
	free(l->hosts);
	*l = (struct loaded){};
}

static int cannot_read(const char *path, int err)
{
	if (err == -EFBIG)
		talk("%s: larger than moat takes", path);
	else
		talk("%s: %s", path, strerror(-err));
	return CTL_USAGE;
}

int load_config(struct loaded *l, const char *path)
{
	_cleanup_(buf_free) struct buf text = {}, out = {};
	struct diags diags = {};
	int err;

	if (!path) {
		l->config = config_default();
		return l->config ? 0 : cannot_read("defaults", -ENOMEM);
	}
	l->config_given = true;
	err = buf_read_file(&text, path, CONFIG_MAX);
	if (err)
		return cannot_read(path, err);
	l->config = config_read(path, buf_text(&text), text.len, &diags);
	diags_render(&diags, &out);
	fputs(buf_text(&out), stderr);
	diags_free(&diags);
	return l->config ? 0 : CTL_USAGE;
}

static int add_host(struct loaded *l, const char *text, const char *command)
{
	struct moat_addr addr, *hosts;
	int family;

	if (addr_parse(text, &addr, &family))
		return usage_error(command, "\"%s\" is no address", text);
	hosts = reallocarray(l->hosts, l->nhosts + 1, sizeof(*hosts));
	if (!hosts)
		return cannot_read(text, -ENOMEM);
	hosts[l->nhosts++] = addr;
	l->hosts = hosts;
	return 0;
}

int load_hosts(struct loaded *l, const char *text, const char *command)
{
	_cleanup_free_ char *copy = text ? strdup(text) : NULL;
	char *rest = copy, *one;
	int err = 0;

	while (!err && (one = strsep(&rest, ",")))
		err = add_host(l, one, command);
	return err;
}

/* {file: PATH} is relative to the folder of the document that names it. */
static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	const char *slash = strrchr(document, '/');
	_cleanup_(buf_free) struct buf full = {};
	int err;

	if (path[0] == '/' || !slash)
		return buf_read_file(ret, path, MOAT_MAX_DOCUMENT);
	err = buf_add(&full, document, (size_t)(slash - document) + 1);
	if (!err)
		err = buf_puts(&full, path);
	return err ? err : buf_read_file(ret, full.data, MOAT_MAX_DOCUMENT);
}

static struct reader_options reader_options(const struct loaded *l)
{
	return (struct reader_options){
		.read_list = read_list,
		.ephemeral_first = l->ephemeral_first,
		.ephemeral_last = l->ephemeral_last,
	};
}

static int read_documents(struct loaded *l, const char *const *paths,
			  struct buf *texts, size_t npaths)
{
	struct reader_options options = reader_options(l);
	_cleanup_free_ struct document *docs = calloc(npaths, sizeof(*docs));

	if (!docs)
		return cannot_read(paths[0], -ENOMEM);
	for (size_t i = 0; i < npaths; i++) {
		bool standard_input = !strcmp(paths[i], "-");
		int err = standard_input ? buf_read_fd(&texts[i], STDIN_FILENO,
						       MOAT_MAX_DOCUMENT) :
					   buf_read_file(&texts[i], paths[i],
							 MOAT_MAX_DOCUMENT);

		if (err)
			return cannot_read(paths[i], err);
		docs[i].name = standard_input ? "standard input" : paths[i];
		docs[i].text = buf_text(&texts[i]);
		docs[i].len = texts[i].len;
	}
	l->policy = policy_read(docs, npaths, &options, &l->diags);
	return 0;
}

int load_policy(struct loaded *l, const char *const *paths, size_t npaths)
{
	_cleanup_free_ struct buf *texts = calloc(npaths, sizeof(*texts));
	int err;

	if (!texts)
		return cannot_read(paths[0], -ENOMEM);
	err = read_documents(l, paths, texts, npaths);
	for (size_t i = 0; i < npaths; i++)
		buf_free(&texts[i]);
	return err;
}

int load_text(struct loaded *l, const char *name, const char *text)
{
	struct reader_options options = reader_options(l);
	struct document doc = { .name = name,
				.text = text,
				.len = strlen(text) };

	l->policy = policy_read(&doc, 1, &options, &l->diags);
	return 0;
}

/*
 * A policy's tests are about the policy: they are judged without the built-in
 * failsafe, which lets ssh in from all private addresses, unless an agent's
 * own configuration was given.
 */
static void run_tests(struct loaded *l)
{
	size_t nfailsafe = l->config->nfailsafe;

	if (!l->config_given)
		l->config->nfailsafe = 0;
	reference_run_tests(l->policy, l->config, &l->diags);
	l->config->nfailsafe = nfailsafe;
}

void load_check_errors(struct loaded *l)
{
	if (!l->policy)
		return;
	compile_check_overlap(l->policy, &l->diags);
	if (l->diags.errors)
		return;
	compile_prove_never(l->policy, l->config, &l->diags);
	run_tests(l);
}

void load_warn(struct loaded *l)
{
	struct reader_options options = reader_options(l);

	if (!l->policy)
		return;
	policy_warn(l->policy, &options, l->hosts, l->nhosts, &l->diags);
	compile_warn(l->policy, &l->diags);
}

void load_check(struct loaded *l)
{
	struct slots slots = {};
	struct compile_stats stats;
	struct compile_input input = {
		.policy = l->policy,
		.config = l->config,
		.hosts = l->hosts,
		.nhosts = l->nhosts,
		.slots = &slots,
	};

	if (!l->policy)
		return;
	progress_begin("checking the policy");
	load_check_errors(l);
	if (!l->diags.errors)
		image_free(image_compile(&input, &stats, &l->diags));
	load_warn(l);
	slots_free(&slots);
	progress_end();
}

bool load_failed(const struct loaded *l)
{
	return !l->policy || l->diags.errors ||
	       (l->strict && l->diags.warnings);
}

void load_show(const struct loaded *l)
{
	_cleanup_(buf_free) struct buf out = {};

	diags_render(&l->diags, &out);
	fputs(buf_text(&out), stderr);
}

int load_or_say(struct loaded *l, const char *const *paths, size_t npaths)
{
	int err = load_policy(l, paths, npaths);

	if (err)
		return err;
	if (!l->policy)
		load_show(l);
	return l->policy ? CTL_OK : CTL_NO;
}

static int by_place(const void *left, const void *right)
{
	const struct diag *const *a = left, *const *b = right;

	if ((*a)->pos.file != (*b)->pos.file)
		return (*a)->pos.file < (*b)->pos.file ? -1 : 1;
	if ((*a)->pos.line != (*b)->pos.line)
		return (*a)->pos.line < (*b)->pos.line ? -1 : 1;
	if ((*a)->pos.column != (*b)->pos.column)
		return (*a)->pos.column < (*b)->pos.column ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

json_t *load_diags_json(const struct loaded *l)
{
	const struct diags *d = &l->diags;
	_cleanup_free_ const struct diag **sorted = calloc(d->count + 1,
							   sizeof(*sorted));
	json_t *list = json_array();

	for (size_t i = 0; sorted && i < d->count; i++)
		sorted[i] = &d->items[i];
	if (sorted)
		qsort(sorted, d->count, sizeof(*sorted), by_place);
	for (size_t i = 0; sorted && i < d->count; i++) {
		const struct pos *pos = &sorted[i]->pos;
		const char *file = pos->file >= 0 && (size_t)pos->file <
							     d->nfiles ?
					   d->files[pos->file].name :
					   NULL;

		json_array_append_new(
			list, json_pack("{s:s?,s:i,s:i,s:s,s:s}", "file", file,
					"line", pos->line, "column",
					pos->column, "severity",
					sorted[i]->severity == SEVERITY_ERROR ?
						"error" :
						"warning",
					"text", sorted[i]->text));
	}
	return list;
}
