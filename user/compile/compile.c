// SPDX-License-Identifier: BSD-2-Clause
/* image_compile(): the order of the steps, and what does not fit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/compiler.h"
#include "compile/overlap.h"
#include "compile/row_private.h"
#include "compile/slot.h"

DEFINE_CLEANUP(image, image_free)

/*
 * Profiles of all members are compiled (F36) while their share of the row map
 * stays below this many entries; beyond, those of the host's own addresses.
 */
#define ALL_PROFILES_ENTRIES (1536u << 10)

static const struct pos nowhere = { .file = -1 };

static int misfit(struct compiler *c, const char *what, size_t need,
		  size_t limit)
{
	c->misfit = (struct misfit){ what, false, need, limit, NULL };
	return -E2BIG;
}

static void attempt_done(struct compiler *c)
{
	rows_done(&c->rows);
	free(c->rules);
	free(c->limits);
	free(c->slot_flags);
	free(c->rowmap);
	c->rules = c->limits = NULL;
	c->slot_flags = NULL;
	c->rowmap = NULL;
	c->nrules = c->nlimits = 0;
}

static void compiler_freep(struct compiler *c)
{
	attempt_done(c);
	profiles_done(&c->profiles);
	plan_free(c->plan);
	space_free(c->space);
}

static void add_reachable(struct compiler *c, struct plan_range range,
			  bool *done)
{
	for (__u32 i = range.first; i < range.first + range.count; i++) {
		if (done[i])
			continue;
		done[i] = true;
		c->rules[c->nrules++] = &c->plan->rules[i];
	}
}

/* The rules that an address of some profile can meet. */
static int reachable(struct compiler *c)
{
	_cleanup_free_ bool *done = calloc(c->plan->nrules + 1, sizeof(*done));

	c->rules = calloc(c->plan->nrules + 1, sizeof(*c->rules));
	c->limits = calloc(c->plan->nrules + 1, sizeof(*c->limits));
	if (!done || !c->rules || !c->limits)
		return -ENOMEM;
	for (size_t i = 0; i < c->profiles.count; i++) {
		const struct profile *f = &c->profiles.item[i];

		for (int dir = 0; dir < 2; dir++) {
			for (size_t g = 0; g < f->ngroups; g++)
				add_reachable(
					c, c->plan->groups[f->groups[g]][dir],
					done);
			if (f->nacl != NACL_NONE)
				add_reachable(c, c->plan->nacls[f->nacl][dir],
					      done);
		}
	}
	return 0;
}

/* Slots, and limits numbered by identity. */
static int number_rules(struct compiler *c)
{
	int r = slots_assign(c->in->slots, c->rules, c->nrules);

	if (r == -ENOSPC)
		return misfit(c, "rule counter slots",
			      c->in->slots->count + c->nrules,
			      MOAT_RULE_SLOTS_MAX);
	if (r)
		return r;
	for (size_t i = 0; i < c->nrules; i++) {
		struct plan_rule *rule = c->rules[i];

		rule->limit = LIMIT_NONE;
		if (!rule->rule || !rule->rule->limit.present)
			continue;
		if (rule->rule->limit.rate > 0xffffffff)
			return misfit(c, "rate (connections per 1000 seconds)",
				      rule->rule->limit.rate, 0xffffffff);
		rule->limit = (__u32)c->nlimits;
		c->limits[c->nlimits++] = rule;
	}
	return 0;
}

static __u32 name_hash(const char *name)
{
	return hash_bytes(name, strlen(name));
}

/* Flags of every slot, those of rules that are gone too: their flows follow
 * the group while it exists, else the policy. */
static int flag_slots(struct compiler *c)
{
	const struct policy *p = c->policy;
	const struct slots *s = c->in->slots;
	struct hindex names = { 0 };
	int r = 0;

	c->nslots = s->count;
	c->slot_flags = calloc(s->count + 1, sizeof(*c->slot_flags));
	if (!c->slot_flags)
		return -ENOMEM;
	for (size_t g = 0; !r && g < p->ngroups; g++)
		r = hindex_add(&names, name_hash(p->groups[g].name), (__u32)g);
	for (size_t i = 0; !r && i < s->count; i++) {
		enum on_tighten tighten = p->on_tighten;
		__u32 hash, at, g;

		if (!s->ids[i].owner || s->ids[i].nacl)
			continue;
		hash = name_hash(s->ids[i].owner);
		at = hindex_start(&names, hash);
		while ((g = hindex_next(&names, hash, &at)) != HINDEX_NONE)
			if (!strcmp(p->groups[g].name, s->ids[i].owner))
				tighten = group_on_tighten(p, &p->groups[g]);
		if (tighten == TIGHTEN_REEVALUATE)
			c->slot_flags[i] = MOAT_SLOT_REEVALUATE;
	}
	for (size_t i = 0; i < c->nrules; i++)
		c->slot_flags[c->rules[i]->slot] |= MOAT_SLOT_EXISTS;
	hindex_free(&names);
	return r;
}

static int rows_misfit(struct compiler *c)
{
	switch (c->rows.error) {
	case -ERANGE:
		misfit(c, "rows", c->rows.nrows + 1, c->rows.rows_max);
		break;
	case -EFBIG:
		misfit(c, "bytes of part rows", MOAT_PART_MAX + 1,
		       MOAT_PART_MAX);
		break;
	case -ENOSPC:
		misfit(c, "chains of limits", c->rows.nchains + 1,
		       MOAT_CELL_NONE);
		break;
	case -EMLINK:
		misfit(c, "limits that one packet may meet",
		       c->rows.error_chain, MOAT_CHAIN_MAX);
		c->misfit.hint = c->rows.error_rule;
		strcpy(c->hint, c->rows.error_rule);
		c->misfit.hint = c->hint;
		return -E2BIG;
	default:
		return c->rows.error;
	}
	c->misfit.at_least = true;
	return -E2BIG;
}

static int make_rows(struct compiler *c)
{
	size_t n = c->space->nclasses;
	__u16 *to;

	if (rows_init(&c->rows, c->space, c->plan, &c->profiles))
		return -ENOMEM;
	c->rows.words_max = MOAT_PART_MAX / sizeof(__u32);
	c->rows.rows_max = 0xffff;
	c->rowmap = to = malloc((c->profiles.count * 2 * n + 1) * sizeof(*to));
	if (!to)
		return -ENOMEM;
	for (__u32 p = 0; p < c->profiles.count; p++) {
		for (int dir = 0; dir < 2; dir++) {
			if (rows_pass(&c->rows, p, dir))
				return -ENOMEM;
			for (__u32 class = 0; class < n; class ++) {
				__u32 row = rows_of(&c->rows, class);

				if (row == ROW_ERROR)
					return rows_misfit(c);
				*to++ = (__u16)row;
			}
		}
	}
	/* Without a profile no row is read; one is there all the same. */
	if (!c->rows.nrows && row_make(&c->rows, NULL, 0) == ROW_ERROR)
		return c->rows.error;
	return 0;
}

static int take_part(struct compiler *c, struct image *image, enum moat_part i,
		     int failed, struct part *part)
{
	static const char *const names[] = {
#define X(symbol, name) "bytes of part " name,
		MOAT_PARTS(X)
#undef X
	};

	if (failed == -EFBIG)
		return misfit(c, names[i], part->bytes, MOAT_PART_MAX);
	if (failed)
		return failed;
	image->part[i] = part->data;
	image->header.used[i] = (__u32)part->bytes;
	return 0;
}

struct layout compiler_layout(struct compiler *c)
{
	return (struct layout){
		.space = c->space,
		.plan = c->plan,
		.profiles = &c->profiles,
		.rows = &c->rows,
		.rowmap = c->rowmap,
		.limits = c->limits,
		.nlimits = c->nlimits,
		.slot_flags = c->slot_flags,
		.nslots = c->nslots,
	};
}

static int lay_out(struct compiler *c, struct image *image)
{
	struct layout l = compiler_layout(c);
	struct part part = { 0 };
	size_t total = 0;
	int r;

	r = layout_addr4(c->space, &part);
	r = take_part(c, image, MOAT_PART_ADDR4, r, &part);
	if (r)
		return r;
	r = layout_addr6(c->space, &image->header, &part);
	r = take_part(c, image, MOAT_PART_ADDR6, r, &part);
	if (r)
		return r;
	r = layout_classes(&l, &image->header, &part);
	r = take_part(c, image, MOAT_PART_CLASSES, r, &part);
	if (r)
		return r;
	r = layout_rows(&l, &image->header, &part);
	r = take_part(c, image, MOAT_PART_ROWS, r, &part);
	for (int i = 0; !r && i < MOAT_PART_COUNT; i++)
		total += image->header.used[i];
	if (!r && total > MOAT_SLOT_MAX)
		r = misfit(c, "bytes of the image", total, MOAT_SLOT_MAX);
	return r;
}

static void seal_header(const struct compiler *c, struct image *image)
{
	struct moat_image *h = &image->header;
	bool ceiling = c->in->config->max_mode_audit;

	h->abi = MOAT_ABI_VERSION;
	if (!c->in->policy) {
		h->flags |= MOAT_IMAGE_BUILT_IN;
		/* Nothing is dropped before the first policy, not even what
		 * can't be parsed. */
		if (c->in->config->before_first_pass)
			h->flags |= MOAT_IMAGE_PASS | MOAT_IMAGE_AUDIT;
	}
	if (ceiling || c->policy->mode == MODE_AUDIT)
		h->flags |= MOAT_IMAGE_AUDIT;
	if (c->policy->on_tighten == TIGHTEN_REEVALUATE)
		h->flags |= MOAT_IMAGE_REEVALUATE;
	for (size_t i = 0; i < c->profiles.count; i++)
		h->profile_flags[i] = (__u8)profile_flags(
			c->policy, &c->profiles.item[i], ceiling);
	h->checksum = image_checksum(h, (const void *const *)image->part);
}

/* Everything that depends on which profiles are in. NULL: *ret_error. */
static struct image *attempt(struct compiler *c, int *ret_error)
{
	CLEANUP(image) struct image *image = calloc(1, sizeof(*image));
	int r = image ? 0 : -ENOMEM;

	attempt_done(c);
	if (!r && c->profiles.count > MOAT_MAX_PROFILES)
		r = misfit(c, "profiles of this host", c->profiles.count,
			   MOAT_MAX_PROFILES);
	if (!r)
		r = reachable(c);
	if (!r)
		r = number_rules(c);
	if (!r)
		r = flag_slots(c);
	if (!r)
		r = make_rows(c);
	if (!r)
		r = lay_out(c, image);
	if (r) {
		*ret_error = r;
		return NULL;
	}
	seal_header(c, image);
	return TAKE_PTR(image);
}

static int own_profiles(struct compiler *c)
{
	_cleanup_free_ bool *wanted = calloc(c->space->nclasses,
					     sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < c->in->nhosts; i++)
		wanted[space_class_of(c->space, &c->in->hosts[i])] = true;
	return profiles_keep(&c->profiles, c->space->nclasses, wanted);
}

static struct image *compile(struct compiler *c, bool *ret_all, int *ret_error)
{
	struct image *image;
	size_t entries = c->profiles.count * 2 * c->space->nclasses;

	if (c->space->nclasses > 0xffff) {
		*ret_error = misfit(c, "address classes", c->space->nclasses,
				    0xffff);
		return NULL;
	}
	*ret_all = c->profiles.count <= MOAT_MAX_PROFILES &&
		   entries <= ALL_PROFILES_ENTRIES;
	if (*ret_all) {
		image = attempt(c, ret_error);
		if (image || *ret_error != -E2BIG)
			return image;
		*ret_all = false;
	}
	*ret_error = own_profiles(c);
	return *ret_error ? NULL : attempt(c, ret_error);
}

static void say_misfit(const struct compiler *c, int error, struct diags *d)
{
	const struct misfit *m = &c->misfit;

	if (error != -E2BIG || !m->what)
		diag_error(d, nowhere, "out of memory while compiling");
	else
		diag_error(d, nowhere, "%s: %s%zu needed, the limit is %zu%s%s",
			   m->what, m->at_least ? "at least " : "", m->need,
			   m->limit, m->hint ? ", beginning with " : "",
			   m->hint ? m->hint : "");
}

void compiler_count(const struct live *l, struct compile_stats *ret)
{
	const struct compiler *c = &l->c;

	*ret = (struct compile_stats){
		.cidrs = c->space->ncidrs,
		.classes = c->space->nclasses,
		.profiles = c->profiles.count,
		.rows = c->rows.nrows,
		.row_words = c->rows.nwords,
		.cells = c->rows.ncells,
		.chains = c->rows.nchains,
		.limits = c->nlimits,
		.slots = c->nslots,
		.all_profiles = l->all,
	};
	for (size_t i = 0; i < c->plan->nrules; i++)
		ret->rules += c->plan->rules[i].rule != NULL;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		ret->bytes[i] = l->image->header.used[i];
}

static int prepare(struct compiler *c)
{
	c->space = space_new(c->policy);
	if (!c->space)
		return -ENOMEM;
	c->plan = plan_new(c->policy, c->space);
	if (!c->plan || space_build(c->space))
		return -ENOMEM;
	return profiles_find(c->space, c->plan, &c->profiles);
}

void live_free(struct live *l)
{
	if (!l)
		return;
	compiler_freep(&l->c);
	image_free(l->image);
	free(l);
}

struct live *live_compile(const struct compile_input *in,
			  struct compile_stats *ret_stats, struct diags *diags)
{
	static const struct policy nothing = { .mode = MODE_ENFORCE };
	CLEANUP(live) struct live *l = calloc(1, sizeof(*l));
	struct compiler *c;
	int r;

	if (!l) {
		diag_error(diags, nowhere, "out of memory while compiling");
		return NULL;
	}
	c = &l->c;
	c->in = in;
	c->policy = in->policy ? in->policy : &nothing;
	r = prepare(c);
	if (!r && overlap_report(c->policy, c->space, &c->profiles, diags))
		return NULL;
	if (!r)
		l->image = compile(c, &l->all, &r);
	if (!l->image) {
		say_misfit(c, r, diags);
		return NULL;
	}
	slots_settle(in->slots, c->rules, c->nrules);
	if (ret_stats)
		compiler_count(l, ret_stats);
	/* The caller's; nothing asks for it later. */
	c->in = NULL;
	return TAKE_PTR(l);
}

struct image *image_compile(const struct compile_input *in,
			    struct compile_stats *ret_stats,
			    struct diags *diags)
{
	CLEANUP(live) struct live *l = live_compile(in, ret_stats, diags);

	return l ? TAKE_PTR(l->image) : NULL;
}
