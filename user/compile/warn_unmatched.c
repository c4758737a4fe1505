// SPDX-License-Identifier: BSD-2-Clause
/*
 * NACL rules that can never match, exactly: a rule matches if somewhere in
 * the plane of services and addresses it has the lowest number. One sweep
 * over the services; at each combination of rules that was not seen yet, one
 * over the addresses with the open rules in a heap by number.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "compile/warnings.h"

/* Where a rule begins or ends, among services or among addresses. */
struct bound {
	addr_num at;
	addr_num last; /* of the address range that begins here */
	size_t rule;   /* index into plane.rules */
	bool open;
};

struct bounds {
	struct bound *items;
	size_t count, cap;
	bool failed;
};

struct open_rule {
	size_t rule;
	addr_num last;
};

struct plane {
	struct facts *f;
	struct rule_facts **rules; /* ascending numbers */
	size_t count;
	struct bounds services, addresses;
	bool *active; /* by rule: holds the service being swept */
	bool *alive;  /* has the lowest number somewhere */
	bool *met;    /* has an address at all */
	size_t living;
	struct open_rule *heap;
	size_t nheap;
	bool v4, v6;	/* families of applies_to */
	uint64_t *seen; /* combinations swept; hash table */
	size_t size;
};

static void add_bound(struct bounds *b, struct bound bound)
{
	if (b->count == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 64;
		struct bound *items = realloc(b->items, cap * sizeof(*items));

		if (!items) {
			b->failed = true;
			return;
		}
		b->items = items;
		b->cap = cap;
	}
	b->items[b->count++] = bound;
}

static int by_place(const void *a, const void *b)
{
	const struct bound *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->open - y->open;
}

static int by_number(const void *a, const void *b)
{
	const struct rule_facts *const *x = a, *const *y = b;

	return (*x)->rule->number - (*y)->rule->number;
}

static void push(struct plane *p, struct open_rule o)
{
	size_t i = p->nheap++;

	for (; i && p->heap[(i - 1) / 2].rule > o.rule; i = (i - 1) / 2)
		p->heap[i] = p->heap[(i - 1) / 2];
	p->heap[i] = o;
}

static void pop(struct plane *p)
{
	struct open_rule o = p->heap[--p->nheap];
	size_t i = 0;

	for (;;) {
		size_t c = 2 * i + 1;

		if (c + 1 < p->nheap && p->heap[c + 1].rule < p->heap[c].rule)
			c++;
		if (c >= p->nheap || p->heap[c].rule >= o.rule)
			break;
		p->heap[i] = p->heap[c];
		i = c;
	}
	p->heap[i] = o;
}

/* The families that packets of a service can have. */
static void families(const struct plane *p, uint32_t service, bool *v4,
		     bool *v6)
{
	uint32_t proto = service >> 16;

	*v4 = p->v4 && proto != 58;
	/* Extension headers are walked, never a packet's protocol (F42). */
	*v6 = p->v6 && proto != 0 && proto != 1 && proto != 43 && proto != 44 &&
	      proto != 51 && proto != 60;
}

static void begin(struct plane *p, const struct bound *b, bool v4, bool v6)
{
	bool in4 = b->last >= RANGES_V4_FIRST && b->at <= RANGES_V4_LAST;
	bool in6 = b->at < RANGES_V4_FIRST || b->last > RANGES_V4_LAST;

	p->met[b->rule] |= (in4 && v4) || (in6 && v6);
	push(p, (struct open_rule){ b->rule, b->last });
}

/* Sweeps all addresses for one service. */
static void sweep_addresses(struct plane *p, uint32_t service)
{
	const struct bounds *b = &p->addresses;
	bool v4, v6;

	families(p, service, &v4, &v6);
	p->nheap = 0;
	if (!facts_spend(p->f, b->count))
		return;
	for (size_t i = 0; i < b->count && p->living < p->count; i++) {
		addr_num at = b->items[i].at;
		bool is4 = at >= RANGES_V4_FIRST && at <= RANGES_V4_LAST;

		if (b->items[i].open && p->active[b->items[i].rule])
			begin(p, &b->items[i], v4, v6);
		if (i + 1 < b->count && b->items[i + 1].at == at)
			continue;
		while (p->nheap && p->heap[0].last < at)
			pop(p);
		if (!p->nheap || !(is4 ? v4 : v6) || p->alive[p->heap[0].rule])
			continue;
		p->alive[p->heap[0].rule] = true;
		p->living++;
	}
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* True the first time a combination of rules and families is met. */
static bool first_time(struct plane *p, uint64_t key, uint32_t service)
{
	bool v4, v6;
	size_t i;

	families(p, service, &v4, &v6);
	key ^= mix(UINT64_MAX - (v4 | v6 << 1));
	key |= key == 0;
	for (i = key & (p->size - 1); p->seen[i]; i = (i + 1) & (p->size - 1))
		if (p->seen[i] == key)
			return false;
	p->seen[i] = key;
	return true;
}

static void sweep_services(struct plane *p)
{
	const struct bounds *b = &p->services;
	uint64_t key = 0;
	size_t open = 0;

	for (size_t i = 0; i < b->count && p->living < p->count; i++) {
		const struct bound *x = &b->items[i];

		if (x->rule < p->count) {
			key ^= mix(x->rule);
			p->active[x->rule] = x->open;
			open += x->open ? 1 : -1;
		}
		if (i + 1 < b->count && b->items[i + 1].at == x->at)
			continue;
		if (open && x->at <= SPAN_END &&
		    first_time(p, key, (uint32_t)x->at))
			sweep_addresses(p, (uint32_t)x->at);
	}
}

static void add_rule(struct plane *p, size_t i)
{
	struct rule_facts *r = p->rules[i];
	const struct ranges *peers = facts_peers(p->f, r);

	for (size_t k = 0; k < r->nspans; k++) {
		add_bound(&p->services, (struct bound){ .at = r->spans[k].first,
							.rule = i,
							.open = true });
		add_bound(&p->services,
			  (struct bound){ .at = r->spans[k].last + 1,
					  .rule = i });
	}
	if (!peers || !facts_spend(p->f, peers->count))
		return;
	for (size_t k = 0; k < peers->count; k++) {
		addr_num last = peers->items[k].last;

		add_bound(&p->addresses,
			  (struct bound){ .at = peers->items[k].first,
					  .last = last,
					  .rule = i,
					  .open = true });
		if (last != RANGES_MAX)
			add_bound(&p->addresses,
				  (struct bound){ .at = last + 1, .rule = i });
	}
}

/* Bounds that no rule has: protocols of one family, and the IPv4 block. */
static void add_fixed(struct plane *p)
{
	static const uint8_t protos[] = { 0, 1, 43, 44, 51, 58, 60 };

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		for (unsigned int k = 0; k < 2; k++)
			add_bound(&p->services,
				  (struct bound){ .at = (protos[i] + k) << 16,
						  .rule = p->count });
	add_bound(&p->addresses,
		  (struct bound){ .at = RANGES_V4_FIRST, .rule = p->count });
	add_bound(&p->addresses,
		  (struct bound){ .at = RANGES_V4_LAST + 1, .rule = p->count });
}

static bool make_plane(struct plane *p)
{
	size_t n = p->count;

	qsort(p->rules, n, sizeof(*p->rules), by_number);
	for (size_t i = 0; i < n; i++)
		add_rule(p, i);
	add_fixed(p);
	for (p->size = 64; p->size < 4 * p->services.count; p->size *= 2)
		;
	p->active = calloc(n + 1, sizeof(*p->active));
	p->alive = calloc(n + 1, sizeof(*p->alive));
	p->met = calloc(n + 1, sizeof(*p->met));
	p->seen = calloc(p->size, sizeof(*p->seen));
	p->heap = calloc(p->addresses.count + 1, sizeof(*p->heap));
	if (p->services.failed || p->addresses.failed || !p->active ||
	    !p->alive || !p->met || !p->seen || !p->heap || p->f->exhausted)
		return false;
	qsort(p->services.items, p->services.count, sizeof(struct bound),
	      by_place);
	qsort(p->addresses.items, p->addresses.count, sizeof(struct bound),
	      by_place);
	return true;
}

static void free_plane(struct plane *p)
{
	free(p->services.items);
	free(p->addresses.items);
	free(p->active);
	free(p->alive);
	free(p->met);
	free(p->seen);
	free(p->heap);
	free(p->rules);
}

/* policy_warn() tells of ICMP for the other family at its peers. */
static bool is_icmp(const struct rule_facts *r)
{
	uint32_t proto = r->spans[0].first >> 16;

	return (proto == 1 || proto == 58) &&
	       r->spans[r->nspans - 1].last >> 16 == proto;
}

static void warn_dead(struct plane *p, const char *nacl, size_t i,
		      struct diags *diags)
{
	struct rule_facts *r = p->rules[i];
	char name[FACTS_TEXT], by[FACTS_TEXT];

	rule_print(nacl, r->rule, name);
	if (!p->met[i]) {
		if (!is_icmp(r))
			diag_warning(diags, r->rule->pos,
				     "rule %s can never match: no address "
				     "family is its peers', its protocol's "
				     "and applies_to's",
				     name);
		return;
	}
	for (size_t k = 0; k < i; k++) {
		if (!facts_spend(p->f, 1))
			return;
		if (!spans_within(r, p->rules[k]) ||
		    !facts_peers_within(p->f, r, p->rules[k]))
			continue;
		diag_warning(diags, r->rule->pos,
			     "rule %s can never match: %s decides all it would",
			     name, rule_print(nacl, p->rules[k]->rule, by));
		return;
	}
	diag_warning(diags, r->rule->pos,
		     "rule %s can never match: rules with lower numbers "
		     "decide all it would",
		     name);
}

static void warn_list(struct facts *f, size_t n, int direction,
		      struct diags *diags)
{
	const struct nacl *nacl = &f->policy->nacls[n];
	const struct ranges *own = &f->sets[nacl->set];
	struct list_facts *list = &f->nacls[n][direction];
	struct plane p = {
		.f = f,
		.count = list->count,
		.rules = calloc(list->count + 1, sizeof(*p.rules)),
		.v4 = ranges_touch(own, RANGES_V4_FIRST, RANGES_V4_LAST),
		.v6 = ranges_touch(own, 0, RANGES_V4_FIRST - 1) ||
		      ranges_touch(own, RANGES_V4_LAST + 1, RANGES_MAX),
	};

	for (size_t i = 0; p.rules && i < list->count; i++)
		p.rules[i] = &list->rules[i];
	if (p.rules && make_plane(&p))
		sweep_services(&p);
	else
		f->exhausted = true;
	for (size_t i = 0; !f->exhausted && i < p.count; i++)
		if (!p.alive[i])
			warn_dead(&p, nacl->name, i, diags);
	free_plane(&p);
}

void warn_unmatched(struct facts *f, struct diags *diags)
{
	for (size_t n = 0; n < f->policy->nnacls; n++)
		for (int d = 0; d < 2; d++)
			if (f->nacls[n][d].count)
				warn_list(f, n, d, diags);
}
