// SPDX-License-Identifier: BSD-2-Clause
/* Field by field comparison of two models. */
#include "support/equal.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_cidr(const struct cidr *a, const struct cidr *b)
{
	return a->family == b->family && a->length == b->length &&
	       addr_equal(&a->addr, &b->addr);
}

static bool same_sets(const struct policy *a, const struct policy *b)
{
	if (a->nsets != b->nsets)
		return false;
	for (size_t i = 0; i < a->nsets; i++) {
		const struct addr_set *x = &a->sets[i], *y = &b->sets[i];

		if (x->kind != y->kind || !same_text(x->name, y->name) ||
		    x->any != y->any || x->ncidrs != y->ncidrs)
			return false;
		for (size_t j = 0; j < x->ncidrs; j++)
			if (!same_cidr(&x->cidrs[j], &y->cidrs[j]))
				return false;
	}
	return true;
}

static bool same_peers(const struct peer *a, const struct peer *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (a[i].kind != b[i].kind || a[i].self != b[i].self ||
		    (a[i].kind == PEER_SET && a[i].set != b[i].set) ||
		    (a[i].kind == PEER_CIDR &&
		     !same_cidr(&a[i].cidr, &b[i].cidr)))
			return false;
	return true;
}

static bool same_services(const struct service_match *a,
			  const struct service_match *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (a[i].proto != b[i].proto ||
		    a[i].has_ports != b[i].has_ports ||
		    a[i].first != b[i].first || a[i].last != b[i].last ||
		    a[i].type != b[i].type || a[i].code != b[i].code)
			return false;
	return true;
}

static bool same_limit(const struct rate_limit *a, const struct rate_limit *b)
{
	return a->present == b->present &&
	       (!a->present || (a->rate == b->rate && a->burst == b->burst &&
				a->per_source == b->per_source));
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	return same_text(a->name, b->name) && a->number == b->number &&
	       a->deny == b->deny && a->npeers == b->npeers &&
	       same_peers(a->peers, b->peers, a->npeers) &&
	       a->nservices == b->nservices &&
	       same_services(a->services, b->services, a->nservices) &&
	       same_limit(&a->limit, &b->limit) &&
	       same_text(a->description, b->description);
}

static bool same_rules(const struct ruleset *a, const struct ruleset *b)
{
	for (int d = 0; d < 2; d++) {
		if (a[d].absent != b[d].absent || a[d].count != b[d].count)
			return false;
		for (size_t i = 0; i < a[d].count; i++)
			if (!same_rule(&a[d].rules[i], &b[d].rules[i]))
				return false;
	}
	return true;
}

static bool same_groups(const struct policy *a, const struct policy *b)
{
	if (a->ngroups != b->ngroups)
		return false;
	for (size_t i = 0; i < a->ngroups; i++) {
		const struct group *x = &a->groups[i], *y = &b->groups[i];

		if (!same_text(x->name, y->name) || x->set != y->set ||
		    x->mode != y->mode || x->on_tighten != y->on_tighten ||
		    !same_text(x->description, y->description) ||
		    !same_text(x->owner, y->owner) ||
		    !same_rules(x->rules, y->rules))
			return false;
	}
	return true;
}

static bool same_nacls(const struct policy *a, const struct policy *b)
{
	if (a->nnacls != b->nnacls)
		return false;
	for (size_t i = 0; i < a->nnacls; i++) {
		const struct nacl *x = &a->nacls[i], *y = &b->nacls[i];

		if (!same_text(x->name, y->name) || x->set != y->set ||
		    x->mode != y->mode ||
		    !same_text(x->description, y->description) ||
		    !same_text(x->owner, y->owner) ||
		    !same_rules(x->rules, y->rules))
			return false;
	}
	return true;
}

static bool same_tests(const struct policy *a, const struct policy *b)
{
	if (a->ntests != b->ntests)
		return false;
	for (size_t i = 0; i < a->ntests; i++) {
		const struct policy_test *x = &a->tests[i], *y = &b->tests[i];

		if (!addr_equal(&x->src, &y->src) ||
		    !addr_equal(&x->dst, &y->dst) || x->family != y->family ||
		    x->proto != y->proto || x->sport != y->sport ||
		    x->dport != y->dport || x->type != y->type ||
		    x->code != y->code || x->expect_allow != y->expect_allow ||
		    !same_text(x->description, y->description))
			return false;
	}
	return true;
}

static bool same_nevers(const struct policy *a, const struct policy *b)
{
	if (a->nnevers != b->nnevers)
		return false;
	for (size_t i = 0; i < a->nnevers; i++) {
		const struct policy_never *x = &a->nevers[i];
		const struct policy_never *y = &b->nevers[i];

		if (x->nfrom != y->nfrom || x->nto != y->nto ||
		    !same_peers(x->from, y->from, x->nfrom) ||
		    !same_peers(x->to, y->to, x->nto) ||
		    x->nservices != y->nservices ||
		    !same_services(x->services, y->services, x->nservices) ||
		    !same_text(x->description, y->description))
			return false;
	}
	return true;
}

const char *policy_difference(const struct policy *a, const struct policy *b)
{
	if (!same_text(a->name, b->name) ||
	    !same_text(a->revision, b->revision) || a->mode != b->mode ||
	    a->on_tighten != b->on_tighten)
		return "top level";
	if (!same_sets(a, b))
		return "sets";
	if (!same_groups(a, b))
		return "groups";
	if (!same_nacls(a, b))
		return "network ACLs";
	if (!same_tests(a, b))
		return "tests";
	return same_nevers(a, b) ? NULL : "nevers";
}
