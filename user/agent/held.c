// SPDX-License-Identifier: BSD-2-Clause
/* Documents to models, with every check that needs no host. */
#include "agent/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "policy/reader.h"
#include "reference/reference.h"

void held_free(struct held *h)
{
	if (!h)
		return;
	record_free(h->record);
	if (h->policy)
		policy_free(h->policy);
	free(h);
}

/* No read_list: the agent opens no client's path. */
static struct policy *read_document(const char *document, struct diags *diags)
{
	const struct document doc = { "policy", document, strlen(document) };
	const struct reader_options options = {};

	return policy_read(&doc, 1, &options, diags);
}

static struct held *held_new(const char *document, struct diags *diags)
{
	struct held *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->policy = read_document(document, diags);
	if (h->policy)
		return h;
	held_free(h);
	return NULL;
}

static int fill_record(struct held *h, const char *document)
{
	struct record *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	h->record = r;
	r->document = strdup(document);
	r->policy = strdup(h->policy->name);
	r->revision = strdup(h->policy->revision);
	r->message = strdup("");
	if (!r->document || !r->policy || !r->revision || !r->message)
		return -ENOMEM;
	/* The reader hashed the same bytes, unless the policy names its own
	 * revision. */
	if (*h->policy->sha256)
		memcpy(r->sha256, h->policy->sha256, sizeof(r->sha256));
	else
		sha256_text(document, strlen(document), r->sha256);
	return 0;
}

/* A group that the document does not have has no members to change. */
static int lay_over(struct held *h, const struct member_list *members)
{
	struct members_undo undo = {};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < members->count; i++) {
		r = members_apply(h->policy, &members->item[i], &undo);
		if (r == -ENOENT)
			r = 0;
	}
	members_keep(&undo);
	return r < 0 ? r : 0;
}

int held_read(const char *document, const struct member_list *members,
	      const struct config *config, struct diags *diags,
	      struct held **ret)
{
	CLEANUP(held) struct held *h = held_new(document, diags);
	int r;

	if (!h)
		return diags->errors ? -EINVAL : -ENOMEM;
	r = members ? lay_over(h, members) : 0;
	if (r)
		return r;
	compile_check_overlap(h->policy, diags);
	if (!diags->errors) {
		reference_run_tests(h->policy, config, diags);
		compile_prove_never(h->policy, config, diags);
	}
	if (diags->errors)
		return -EINVAL;
	r = fill_record(h, document);
	if (!r && members)
		r = member_list_copy(members, &h->record->members);
	if (r)
		return r;
	*ret = TAKE_PTR(h);
	return 0;
}

int held_restore(struct record *record, struct diags *diags, struct held **ret)
{
	struct held *h = held_new(record->document, diags);

	int r;

	if (!h)
		return diags->errors ? -EINVAL : -ENOMEM;
	r = lay_over(h, &record->members);
	if (r) {
		held_free(h);
		return r;
	}
	h->record = record;
	*ret = h;
	return 0;
}

bool held_audit(const struct held *h, const struct config *config)
{
	return h->policy->mode == MODE_AUDIT || config->max_mode_audit ||
	       h->record->audit;
}
