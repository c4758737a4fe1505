// SPDX-License-Identifier: BSD-2-Clause
/* Immutable shared sets of small numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile/pset.h"

#define LEFT(v) ((__u32)((v) >> 32))
#define RIGHT(v) ((__u32)(v))
#define PAIR(l, r) ((__u64)(l) << 32 | (r))

int pset_pool_init(struct pset_pool *p, size_t universe)
{
	*p = (struct pset_pool){ 0 };
	while (64ul << p->depth < universe)
		p->depth++;
	if (GROW(p->nodes, p->cap, 64))
		return -ENOMEM;
	p->nodes[0] = (struct pset_node){ 0 };
	p->count = 1;
	return 0;
}

void pset_pool_free(struct pset_pool *p)
{
	free(p->nodes);
	hindex_free(&p->index);
	*p = (struct pset_pool){ 0 };
}

pset pset_node(struct pset_pool *p, __u32 place, __u64 value)
{
	__u32 hash = (__u32)hash_mix(value + place * 0x9e3779b97f4a7c15ull);
	__u32 at = hindex_start(&p->index, hash), id;

	if (!value)
		return 0;
	while ((id = hindex_next(&p->index, hash, &at)) != HINDEX_NONE)
		if (p->nodes[id].value == value && p->nodes[id].place == place)
			return id;
	id = (__u32)p->count;
	if (GROW(p->nodes, p->cap, p->count + 1) ||
	    hindex_add(&p->index, hash, id)) {
		p->failed = true;
		return 0;
	}
	p->nodes[p->count++] = (struct pset_node){ value, place };
	return id;
}

/* The set at this place, level steps above the leaves, with member added. */
static pset add_at(struct pset_pool *p, pset s, __u32 place, __u32 member)
{
	__u64 value = p->nodes[s].value;
	unsigned level = p->depth + (unsigned)__builtin_clz(place) - 31;
	bool right;
	pset child;

	if (level == 0)
		return pset_node(p, place, value | 1ull << (member & 63));
	right = member >> 6 >> (level - 1) & 1;
	child = add_at(p, right ? RIGHT(value) : LEFT(value),
		       2 * place + right, member);
	return pset_node(p, place, right ? PAIR(LEFT(value), child) :
					   PAIR(child, RIGHT(value)));
}

pset pset_add(struct pset_pool *p, pset s, __u32 member)
{
	return pset_has(p, s, member) ? s : add_at(p, s, 1, member);
}

pset pset_union(struct pset_pool *p, pset a, pset b)
{
	__u64 va = p->nodes[a].value, vb = p->nodes[b].value;
	__u32 place = p->nodes[a].place;
	pset l, r;

	if (a == b || !b)
		return a;
	if (!a)
		return b;
	if (place >> p->depth)
		return pset_node(p, place, va | vb);
	l = pset_union(p, LEFT(va), LEFT(vb));
	r = pset_union(p, RIGHT(va), RIGHT(vb));
	return pset_node(p, place, PAIR(l, r));
}

bool pset_has(const struct pset_pool *p, pset s, __u32 member)
{
	for (unsigned level = p->depth; level > 0 && s; level--) {
		__u64 value = p->nodes[s].value;

		s = member >> 6 >> (level - 1) & 1 ? RIGHT(value) : LEFT(value);
	}
	return p->nodes[s].value >> (member & 63) & 1;
}

static __u32 next_at(const struct pset_pool *p, pset s, unsigned level,
		     __u32 from)
{
	__u64 value = p->nodes[s].value;
	__u32 half = level ? 32u << level : 0, found;

	if (!s)
		return PSET_END;
	if (level == 0) {
		value &= ~0ull << from;
		return value ? (__u32)__builtin_ctzll(value) : PSET_END;
	}
	if (from < half) {
		found = next_at(p, LEFT(value), level - 1, from);
		if (found != PSET_END)
			return found;
		from = half;
	}
	found = next_at(p, RIGHT(value), level - 1, from - half);
	return found == PSET_END ? found : found + half;
}

__u32 pset_next(const struct pset_pool *p, pset s, __u32 from)
{
	if (from >= 64u << p->depth)
		return PSET_END;
	return next_at(p, s, p->depth, from);
}

/* An answer not yet known; answers are ids and never that large. */
#define UNKNOWN 0xffffffffu

__u32 pset_fold(struct pset_fold *f, const struct pset_pool *p, pset s)
{
	const struct pset_node *node = &p->nodes[s];
	__u32 l, r, place = node->place;

	if (!s)
		return 0;
	if (s >= f->filled) {
		if (GROW(f->memo, f->cap, p->count)) {
			f->failed = true;
			return 0;
		}
		memset(f->memo + f->filled, 0xff,
		       (p->count - f->filled) * sizeof(*f->memo));
		f->filled = p->count;
	}
	if (f->memo[s] != UNKNOWN)
		return f->memo[s];
	if (place >> p->depth) {
		l = f->leaf(f->arg, (place - (1u << p->depth)) * 64,
			    node->value);
	} else {
		__u64 value = node->value;

		l = pset_fold(f, p, LEFT(value));
		r = pset_fold(f, p, RIGHT(value));
		l = f->join(f->arg, l, r);
	}
	f->memo[s] = l;
	return l;
}

void pset_fold_free(struct pset_fold *f)
{
	free(f->memo);
	f->memo = NULL;
	f->cap = f->filled = 0;
}
