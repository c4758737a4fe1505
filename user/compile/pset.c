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

static pset make_node(struct pset_pool *p, __u32 place, __u64 value)
{
	__u32 hash = (__u32)hash_mix(value + place * 0x9e3779b97f4a7c15ull);
	__u32 at = hindex_start(&p->index, hash), id;

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

static __u32 leaf_place(const struct pset_pool *p, __u32 member)
{
	return (1u << p->depth) + (member >> 6);
}

pset pset_add(struct pset_pool *p, pset s, __u32 member)
{
	pset one = make_node(p, leaf_place(p, member), 1ull << (member & 63));

	return pset_union(p, s, one);
}

/* Steps from the root. */
static unsigned level_of(__u32 place)
{
	return 31 - (unsigned)__builtin_clz(place);
}

static bool is_above(__u32 upper, __u32 lower)
{
	unsigned a = level_of(upper), b = level_of(lower);

	return a < b && lower >> (b - a) == upper;
}

/* The child of upper under which lower is: 1 is the right one. */
static unsigned side_of(__u32 upper, __u32 lower)
{
	return lower >> (level_of(lower) - level_of(upper) - 1) & 1;
}

/* upper with b, which belongs under it. */
static pset add_below(struct pset_pool *p, pset upper, pset b)
{
	__u64 value = p->nodes[upper].value;
	__u32 place = p->nodes[upper].place;

	if (side_of(place, p->nodes[b].place))
		value = PAIR(LEFT(value), pset_union(p, RIGHT(value), b));
	else
		value = PAIR(pset_union(p, LEFT(value), b), RIGHT(value));
	return make_node(p, place, value);
}

/* A new node over two that lie apart. */
static pset join_apart(struct pset_pool *p, pset a, pset b)
{
	__u32 x = p->nodes[a].place, y = p->nodes[b].place;
	unsigned i = level_of(x), k = level_of(y);

	if (i > k)
		x >>= i - k;
	else
		y >>= k - i;
	return make_node(p, x >> (level_of(x ^ y) + 1),
			 x < y ? PAIR(a, b) : PAIR(b, a));
}

pset pset_union(struct pset_pool *p, pset a, pset b)
{
	__u64 va = p->nodes[a].value, vb = p->nodes[b].value;
	__u32 x = p->nodes[a].place, y = p->nodes[b].place;
	pset l, r;

	if (a == b || !b)
		return a;
	if (!a)
		return b;
	if (is_above(x, y))
		return add_below(p, a, b);
	if (is_above(y, x))
		return add_below(p, b, a);
	if (x != y)
		return join_apart(p, a, b);
	if (x >> p->depth)
		return make_node(p, x, va | vb);
	l = pset_union(p, LEFT(va), LEFT(vb));
	r = pset_union(p, RIGHT(va), RIGHT(vb));
	return make_node(p, x, PAIR(l, r));
}

bool pset_has(const struct pset_pool *p, pset s, __u32 member)
{
	__u32 leaf = leaf_place(p, member);

	while (s && !(p->nodes[s].place >> p->depth)) {
		__u32 place = p->nodes[s].place;
		__u64 value = p->nodes[s].value;

		if (!is_above(place, leaf))
			return false;
		s = side_of(place, leaf) ? RIGHT(value) : LEFT(value);
	}
	return s && p->nodes[s].place == leaf &&
	       p->nodes[s].value >> (member & 63) & 1;
}

__u32 pset_next(const struct pset_pool *p, pset s, __u32 from)
{
	__u64 value = p->nodes[s].value;
	__u32 place = p->nodes[s].place, first, found;
	unsigned below;

	if (!s)
		return PSET_END;
	below = p->depth - level_of(place);
	first = ((place << below) - (1u << p->depth)) * 64;
	if (from >= first + (64ull << below))
		return PSET_END;
	if (below) {
		found = pset_next(p, LEFT(value), from);
		return found != PSET_END ? found :
					   pset_next(p, RIGHT(value), from);
	}
	if (from > first)
		value &= ~0ull << (from - first);
	return value ? first + (__u32)__builtin_ctzll(value) : PSET_END;
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
