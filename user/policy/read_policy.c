// SPDX-License-Identifier: BSD-2-Clause
/* policy_read(): documents to trees, merged, to a model. */
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "moat/base.h"
#include "policy/read.h"

DEFINE_CLEANUP(policy, policy_free)

static const struct key_def top_keys[TOP_COUNT] = {
	[TOP_VERSION] = { "version", false, NULL },
	[TOP_NAME] = { "name", false, NULL },
	[TOP_REVISION] = { "revision", false, NULL },
	[TOP_MODE] = { "mode", false, NULL },
	[TOP_ON_TIGHTEN] = { "on_tighten", false, NULL },
	[TOP_SERVICES] = { "services", false, NULL },
	[TOP_PREFIX_LISTS] = { "prefix_lists", false, NULL },
	[TOP_GROUPS] = { "security_groups", false, NULL },
	[TOP_NACLS] = { "network_acls", false, NULL },
	[TOP_TESTS] = { "tests", false, NULL },
	[TOP_NEVER] = { "never", false, NULL },
};
static const struct object_def top_def = OBJECT_DEF("a policy", top_keys);

static bool read_trees(struct reader *r, const struct document *docs)
{
	bool ok = true;

	for (size_t i = 0; i < r->ndocs; i++) {
		int file = diags_add_source(r->diags, docs[i].name,
					    docs[i].text, docs[i].len);

		if (file < 0) {
			error_out_of_memory(r->diags);
			return false;
		}
		if (!i)
			r->whole = (struct pos){ .file = file };
		r->trees[i] = tree_read(r->diags, file);
		ok = ok && r->trees[i];
	}
	return ok;
}

static bool read_top(struct reader *r, size_t doc)
{
	const struct node *root = tree_root(r->trees[doc]);

	if (root)
		return read_object(r->diags, root, &top_def, r->top[doc]);
	diag_error(r->diags, (struct pos){ .file = r->whole.file + (int)doc },
		   "the document is empty");
	return false;
}

/* A scalar of the top level: in one document only. */
static const struct field *top_scalar(struct reader *r, enum top_key key,
				      bool needed)
{
	static const struct field none = { 0 };
	const struct field *found = NULL;

	for_each_document(i, r) {
		const struct field *f = &r->top[i][key];

		if (!f->key)
			continue;
		if (found)
			diag_error(r->diags, node_pos(f->key),
				   "`%s` stands in %s:%d already",
				   top_keys[key].name,
				   r->diags->files[found->key->file].name,
				   found->key->line);
		else
			found = f;
	}
	if (!found && needed)
		diag_error(r->diags, r->whole, "a policy needs `%s`",
			   top_keys[key].name);
	return found ? found : &none;
}

static void read_version(struct reader *r)
{
	const struct field *f = top_scalar(r, TOP_VERSION, true);
	static const uint64_t range[2] = { 0, UINT64_MAX };
	uint64_t version;

	if (f->value &&
	    read_number(r->diags, f->value, "version", range, &version) &&
	    version != 1)
		diag_error(r->diags, node_pos(f->value),
			   "version %llu: this agent reads 1",
			   (unsigned long long)version);
}

static void read_scalars(struct reader *r)
{
	struct policy *p = r->policy;

	read_version(r);
	const struct field *f = top_scalar(r, TOP_NAME, true);
	const char *name = f->value ? read_name(r->diags, f->value, "name") :
				      NULL;
	if (name)
		p->name = strdup(name);
	f = top_scalar(r, TOP_REVISION, false);
	if (f->value)
		p->revision = read_copy(r->diags, f->value, "revision", 64);
	if (p->revision && (!*p->revision || strpbrk(p->revision, "\n\t")))
		diag_error(
			r->diags, node_pos(f->value),
			"revision must be one line without tabs, and not empty");
	read_mode(r, top_scalar(r, TOP_MODE, true), &p->mode);
	p->on_tighten = TIGHTEN_KEEP;
	read_on_tighten(r, top_scalar(r, TOP_ON_TIGHTEN, false),
			&p->on_tighten);
}

static void check_limits(struct reader *r)
{
	if (r->rules > MOAT_MAX_RULES)
		diag_error(r->diags, r->whole,
			   "the policy has %zu rules, above %d", r->rules,
			   MOAT_MAX_RULES);
	if (r->cidrs > MOAT_MAX_CIDRS)
		diag_error(
			r->diags, r->whole,
			"the policy has %zu addresses and CIDRs, above %d (a list counts again where it makes up a group)",
			r->cidrs, MOAT_MAX_CIDRS);
	if (r->matches > MATCHES_MAX)
		diag_error(
			r->diags, r->whole,
			"the policy's rules have %zu protocols and ports, above %d",
			r->matches, MATCHES_MAX);
}

/* The bytes that were read: sha256sum of one file says the same. */
static void set_revision(struct reader *r)
{
	struct sha256 hash;

	if (r->policy->revision)
		return;
	sha256_init(&hash);
	for (size_t i = (size_t)r->whole.file; i < r->diags->nfiles; i++)
		sha256_add(&hash, r->diags->files[i].text,
			   r->diags->files[i].len);
	r->policy->revision = strndup(sha256_end(&hash, r->policy->sha256), 12);
	if (!r->policy->revision)
		error_out_of_memory(r->diags);
}

static void read_all(struct reader *r)
{
	bool ok = true;

	for_each_document(i, r)
		ok = read_top(r, i) && ok;
	if (!ok)
		return;
	read_scalars(r);
	read_own_services(r);
	if (!declare_names(r))
		return;
	read_prefix_lists(r);
	read_groups(r);
	read_nacls(r);
	read_tests(r);
	read_nevers(r);
	check_limits(r);
	if (!r->diags->errors)
		check_nacl_overlap(r);
	set_revision(r);
}

static bool begin(struct reader *r, const struct document *docs)
{
	size_t bytes = 0;

	for (size_t i = 0; i < r->ndocs; i++)
		bytes += docs[i].len;
	r->policy = calloc(1, sizeof(*r->policy));
	r->trees = calloc(r->ndocs + 1, sizeof(struct tree *));
	r->top = calloc(r->ndocs + 1, sizeof(*r->top));
	if (!r->policy || !r->trees || !r->top) {
		error_out_of_memory(r->diags);
		return false;
	}
	if (bytes <= MOAT_MAX_DOCUMENT && r->ndocs < 60000)
		return true;
	diag_error(r->diags, (struct pos){ .file = -1 },
		   "the policy has %zu bytes in %zu files, above %u in 60000",
		   bytes, r->ndocs, MOAT_MAX_DOCUMENT);
	return false;
}

static void finish(struct reader *r)
{
	for (size_t i = 0; r->trees && i < r->ndocs; i++)
		tree_free(r->trees[i]);
	for (size_t i = 0; i < r->nown; i++)
		matches_free(&r->own[i].matches);
	free(r->own);
	free(r->trees);
	free(r->top);
	free(r->set_nodes);
	strmap_free(&r->names);
	strmap_free(&r->services);
}

struct policy *policy_read(const struct document *docs, size_t ndocs,
			   const struct reader_options *options,
			   struct diags *diags)
{
	int errors = diags->errors;
	struct reader r = { .diags = diags,
			    .options = options,
			    .ndocs = ndocs };

	if (begin(&r, docs) && read_trees(&r, docs))
		read_all(&r);
	finish(&r);

	CLEANUP(policy) struct policy *policy = r.policy;
	return diags->errors == errors && policy ? TAKE_PTR(policy) : NULL;
}
