// SPDX-License-Identifier: BSD-2-Clause
/* Sets as ranges, services as spans, and how rules compare. */
#include "policy/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct span span_of(const struct service_match *m)
{
	uint32_t base = (uint32_t)m->proto << 16;

	if (m->proto < 0)
		return (struct span){ 0, SPAN_END };
	if (m->has_ports)
		return (struct span){ base | m->first, base | m->last };
	if (m->proto != 1 && m->proto != 58)
		return (struct span){ base, base | 0xffff };
	if (m->type < 0)
		return (struct span){ base, base | 0xffff };
	base |= (uint32_t)m->type << 8;
	if (m->code < 0)
		return (struct span){ base, base | 0xff };
	return (struct span){ base | (uint32_t)m->code,
			      base | (uint32_t)m->code };
}

static int by_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static int make_spans(struct rule_facts *r, const struct rule *rule)
{
	size_t n = rule->nservices;

	r->spans = calloc(n ? n : 1, sizeof(*r->spans));
	if (!r->spans)
		return -ENOMEM;
	r->nspans = 1;
	r->spans[0].last = SPAN_END;
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		r->spans[i] = span_of(&rule->services[i]);
	qsort(r->spans, n, sizeof(*r->spans), by_first);
	for (size_t i = 1; i < n; i++) {
		struct span *last = &r->spans[r->nspans - 1];

		if (r->spans[i].first > last->last + 1)
			r->spans[r->nspans++] = r->spans[i];
		else if (r->spans[i].last > last->last)
			last->last = r->spans[i].last;
	}
	return 0;
}

static int make_rule(struct rule_facts *r, const struct rule *rule)
{
	r->rule = rule;
	for (size_t i = 0; i < rule->npeers; i++) {
		const struct peer *peer = &rule->peers[i];

		r->any |= peer->kind == PEER_ANY;
		if (peer->kind == PEER_CIDR)
			ranges_add_cidr(&r->cidrs, &peer->cidr);
	}
	ranges_close(&r->cidrs);
	if (r->cidrs.failed)
		return -ENOMEM;
	return make_spans(r, rule);
}

static int make_list(struct list_facts *list, const struct ruleset *set)
{
	int err = 0;

	list->rules = calloc(set->count ? set->count : 1, sizeof(*list->rules));
	if (!list->rules)
		return -ENOMEM;
	list->count = set->count;
	for (size_t i = 0; i < set->count && !err; i++)
		err = make_rule(&list->rules[i], &set->rules[i]);
	return err;
}

static int make_sets(struct facts *f)
{
	const struct policy *p = f->policy;

	f->sets = calloc(p->nsets + 1, sizeof(*f->sets));
	f->subset = calloc(p->nsets * p->nsets + 1, 1);
	if (!f->sets || !f->subset)
		return -ENOMEM;
	for (size_t i = 0; i < p->nsets; i++) {
		ranges_add_set(&f->sets[i], &p->sets[i]);
		ranges_close(&f->sets[i]);
		if (f->sets[i].failed)
			return -ENOMEM;
	}
	return 0;
}

int facts_init(struct facts *f, const struct policy *p)
{
	int err;

	*f = (struct facts){ .policy = p, .steps = FACTS_STEPS };
	f->groups = calloc(p->ngroups + 1, sizeof(*f->groups));
	f->nacls = calloc(p->nnacls + 1, sizeof(*f->nacls));
	if (!f->groups || !f->nacls)
		return -ENOMEM;
	err = make_sets(f);
	for (int d = 0; d < 2 && !err; d++) {
		for (size_t i = 0; i < p->ngroups && !err; i++)
			err = make_list(&f->groups[i][d],
					&p->groups[i].rules[d]);
		for (size_t i = 0; i < p->nnacls && !err; i++)
			err = make_list(&f->nacls[i][d], &p->nacls[i].rules[d]);
	}
	return err ? err : facts_find_carriers(f);
}

static void free_lists(struct list_facts (*lists)[2], size_t n)
{
	for (size_t i = 0; lists && i < 2 * n; i++) {
		struct list_facts *list = &lists[i / 2][i % 2];

		for (size_t k = 0; k < list->count; k++) {
			struct rule_facts *r = &list->rules[k];

			free(r->spans);
			ranges_free(&r->cidrs);
			if (r->all)
				ranges_free(r->all);
			free(r->all);
		}
		free(list->rules);
	}
	free(lists);
}

void facts_free(struct facts *f)
{
	if (!f->policy)
		return;
	for (size_t i = 0; f->sets && i < f->policy->nsets; i++)
		ranges_free(&f->sets[i]);
	free(f->sets);
	free(f->subset);
	free_lists(f->groups, f->policy->ngroups);
	free_lists(f->nacls, f->policy->nnacls);
	for (size_t i = 0; i < f->ncarriers; i++) {
		free(f->carriers[i].groups);
		ranges_free(&f->carriers[i].where);
	}
	free(f->carriers);
	free(f->carried);
	free(f->carrier_of);
	*f = (struct facts){ 0 };
}

bool facts_spend(struct facts *f, size_t n)
{
	if (f->steps < n) {
		f->steps = 0;
		f->exhausted = true;
		return false;
	}
	f->steps -= n;
	return true;
}

void facts_finish(const struct facts *f, struct diags *diags)
{
	if (f->exhausted)
		diag_warning(diags, (struct pos){ .file = -1 },
			     "the policy is too entangled to look for every "
			     "warning: the search ended after %d steps",
			     FACTS_STEPS);
}

/* Set a within set b, remembered. */
static bool is_subset(struct facts *f, size_t a, size_t b)
{
	signed char *known = &f->subset[a * f->policy->nsets + b];

	if (a == b)
		return true;
	if (!*known && facts_spend(f, f->sets[a].count + 1))
		*known = ranges_subset(&f->sets[a], &f->sets[b]) ? 1 : -1;
	return *known > 0;
}

static struct ranges *expand(struct facts *f, const struct rule_facts *r)
{
	struct ranges *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	if (r->any)
		ranges_add(all, 0, RANGES_MAX);
	ranges_add_all(all, &r->cidrs);
	for (size_t i = 0; i < r->rule->npeers && !r->any; i++) {
		const struct peer *peer = &r->rule->peers[i];

		if (peer->kind == PEER_SET &&
		    facts_spend(f, f->sets[peer->set].count + 1))
			ranges_add_all(all, &f->sets[peer->set]);
	}
	ranges_close(all);
	return all;
}

const struct ranges *facts_peers(struct facts *f, struct rule_facts *r)
{
	if (r->rule->npeers == 1 && r->rule->peers[0].kind == PEER_SET)
		return &f->sets[r->rule->peers[0].set];
	if (!r->all)
		r->all = expand(f, r);
	if (!r->all || r->all->failed || f->exhausted) {
		f->exhausted = true;
		return NULL;
	}
	return r->all;
}

bool facts_holds_peer(struct facts *f, struct rule_facts *r,
		      const struct peer *peer)
{
	const struct ranges *all;

	if (r->any)
		return true;
	for (size_t i = 0; i < r->rule->npeers; i++) {
		const struct peer *own = &r->rule->peers[i];

		if (own->kind != PEER_SET || peer->kind != PEER_SET)
			continue;
		if (is_subset(f, peer->set, own->set))
			return true;
	}
	all = facts_peers(f, r);
	if (!all)
		return false;
	if (peer->kind == PEER_ANY)
		return ranges_hold(all, 0, RANGES_MAX);
	if (peer->kind == PEER_SET)
		return r->rule->npeers > 1 &&
		       facts_spend(f, f->sets[peer->set].count + 1) &&
		       ranges_subset(&f->sets[peer->set], all);

	struct ranges one = { 0 };
	ranges_add_cidr(&one, &peer->cidr);
	bool held = !one.failed && ranges_subset(&one, all);
	ranges_free(&one);
	return held;
}

bool facts_touches_peer(struct facts *f, struct rule_facts *r,
			const struct peer *peer)
{
	struct ranges one = { 0 };
	const struct ranges *all, *other = &one;
	bool touches;

	if (r->any || peer->kind == PEER_ANY)
		return true;
	all = facts_peers(f, r);
	if (!all)
		return false;
	if (peer->kind == PEER_SET)
		other = &f->sets[peer->set];
	else
		ranges_add_cidr(&one, &peer->cidr);
	touches = facts_spend(f,
			      1 + (all->count < other->count ? all->count :
							       other->count)) &&
		  ranges_overlap(all, other);
	ranges_free(&one);
	return touches;
}

bool facts_peers_within(struct facts *f, const struct rule_facts *inner,
			struct rule_facts *outer)
{
	for (size_t i = 0; i < inner->rule->npeers; i++)
		if (!facts_holds_peer(f, outer, &inner->rule->peers[i]))
			return false;
	return true;
}

bool spans_hold(const struct rule_facts *r, struct span span)
{
	for (size_t i = 0; i < r->nspans; i++)
		if (r->spans[i].first <= span.first &&
		    span.last <= r->spans[i].last)
			return true;
	return false;
}

bool spans_touch(const struct rule_facts *r, struct span span)
{
	for (size_t i = 0; i < r->nspans; i++)
		if (r->spans[i].first <= span.last &&
		    span.first <= r->spans[i].last)
			return true;
	return false;
}

bool spans_within(const struct rule_facts *inner,
		  const struct rule_facts *outer)
{
	for (size_t i = 0; i < inner->nspans; i++)
		if (!spans_hold(outer, inner->spans[i]))
			return false;
	return true;
}

bool rule_allows_all(const struct rule_facts *r)
{
	bool everybody = r->any || ranges_hold(&r->cidrs, 0, RANGES_MAX);

	return everybody && !r->rule->limit.present && !r->rule->deny &&
	       spans_hold(r, (struct span){ 0, SPAN_END });
}

char *rule_print(const char *owner, const struct rule *rule, char *buf)
{
	if (rule->number)
		snprintf(buf, FACTS_TEXT, "%s/%d", owner, rule->number);
	else
		snprintf(buf, FACTS_TEXT, "%s/%s", owner, rule->name);
	return buf;
}

char *span_print(struct span span, char *buf)
{
	char name[16];
	int proto = (int)(span.first >> 16);
	unsigned int first = span.first & 0xffff, last = span.last & 0xffff;
	const char *text = proto_print(proto, name);

	if (span.first == 0 && span.last == SPAN_END)
		snprintf(buf, FACTS_TEXT, "every protocol");
	else if (span.first >> 16 != span.last >> 16)
		snprintf(buf, FACTS_TEXT, "protocols %d-%d", proto,
			 (int)(span.last >> 16));
	else if (first == 0 && last == 0xffff)
		snprintf(buf, FACTS_TEXT, "%s", text);
	else if ((proto == 1 || proto == 58) && first >> 8 == last >> 8)
		snprintf(buf, FACTS_TEXT, "%s type %u", text, first >> 8);
	else if (first == last)
		snprintf(buf, FACTS_TEXT, "%s %u", text, first);
	else
		snprintf(buf, FACTS_TEXT, "%s %u-%u", text, first, last);
	return buf;
}

char *peer_print(const struct policy *p, const struct peer *peer, char *buf)
{
	char text[ADDR_TEXT];

	if (peer->self)
		snprintf(buf, FACTS_TEXT, "self");
	else if (peer->kind == PEER_ANY)
		snprintf(buf, FACTS_TEXT, "any");
	else if (peer->kind == PEER_SET)
		snprintf(buf, FACTS_TEXT, "%s", p->sets[peer->set].name);
	else
		snprintf(buf, FACTS_TEXT, "%s",
			 cidr_print(&peer->cidr, true, text));
	return buf;
}
