// SPDX-License-Identifier: BSD-2-Clause
/* Sets of addresses as sorted, disjoint ranges. */
#include "policy/ranges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

addr_num addr_number(const struct moat_addr *addr)
{
	addr_num n = 0;

	for (int i = 0; i < 16; i++)
		n = n << 8 | addr->b[i];
	return n;
}

struct moat_addr addr_from_number(addr_num number)
{
	struct moat_addr a;

	for (int i = 15; i >= 0; i--, number >>= 8)
		a.b[i] = (__u8)number;
	return a;
}

void ranges_add(struct ranges *r, addr_num first, addr_num last)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 8;
		struct range *items = realloc(r->items, cap * sizeof(*items));

		if (!items) {
			r->failed = true;
			return;
		}
		r->items = items;
		r->cap = cap;
	}
	r->items[r->count++] = (struct range){ first, last };
}

void ranges_add_cidr(struct ranges *r, const struct cidr *cidr)
{
	int bits = 128 - addr_mapped_length(cidr);
	addr_num first = addr_number(&cidr->addr);
	addr_num span = bits == 128 ? RANGES_MAX : ((addr_num)1 << bits) - 1;
	addr_num last = first | span;

	if (cidr->family == 6 && first < RANGES_V4_FIRST &&
	    last > RANGES_V4_LAST) {
		ranges_add(r, first, RANGES_V4_FIRST - 1);
		first = RANGES_V4_LAST + 1;
	}
	ranges_add(r, first, last);
}

void ranges_add_set(struct ranges *r, const struct addr_set *set)
{
	if (set->any)
		ranges_add(r, 0, RANGES_MAX);
	for (size_t i = 0; i < set->ncidrs; i++)
		ranges_add_cidr(r, &set->cidrs[i]);
}

void ranges_add_all(struct ranges *r, const struct ranges *other)
{
	r->failed |= other->failed;
	for (size_t i = 0; i < other->count; i++)
		ranges_add(r, other->items[i].first, other->items[i].last);
}

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void ranges_close(struct ranges *r)
{
	size_t n = 0;

	if (r->count < 2)
		return;
	qsort(r->items, r->count, sizeof(*r->items), by_first);
	for (size_t i = 1; i < r->count; i++) {
		struct range *last = &r->items[n];
		const struct range *next = &r->items[i];

		if (last->last == RANGES_MAX || next->first <= last->last + 1) {
			if (next->last > last->last)
				last->last = next->last;
			continue;
		}
		r->items[++n] = *next;
	}
	r->count = n + 1;
}

void ranges_free(struct ranges *r)
{
	free(r->items);
	*r = (struct ranges){ 0 };
}

/* The first range that ends at n or later; count if none does. */
static size_t find(const struct ranges *r, addr_num n)
{
	size_t lo = 0, hi = r->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->items[mid].last < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool ranges_hold(const struct ranges *r, addr_num first, addr_num last)
{
	size_t i = find(r, first);

	return i < r->count && r->items[i].first <= first &&
	       last <= r->items[i].last;
}

bool ranges_touch(const struct ranges *r, addr_num first, addr_num last)
{
	size_t i = find(r, first);

	return i < r->count && r->items[i].first <= last;
}

bool ranges_subset(const struct ranges *a, const struct ranges *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!ranges_hold(b, a->items[i].first, a->items[i].last))
			return false;
	return true;
}

bool ranges_overlap(const struct ranges *a, const struct ranges *b)
{
	const struct ranges *few = a->count < b->count ? a : b;
	const struct ranges *many = few == a ? b : a;

	for (size_t i = 0; i < few->count; i++)
		if (ranges_touch(many, few->items[i].first, few->items[i].last))
			return true;
	return false;
}

/* As a CIDR where it is one, else FIRST-LAST; buf of 2 * ADDR_TEXT bytes. */
static char *range_print(const struct range *x, char *buf)
{
	addr_num span = x->last - x->first;
	bool v4 = x->first >= RANGES_V4_FIRST && x->last <= RANGES_V4_LAST;
	struct cidr cidr = { .addr = addr_from_number(x->first),
			     .family = v4 ? 4 : 6 };
	struct moat_addr last = addr_from_number(x->last);
	int length = v4 ? 32 : 128;

	if ((span & (span + 1)) == 0 && (x->first & span) == 0) {
		for (; span; span >>= 1)
			length--;
		cidr.length = (__u8)length;
		return cidr_print(&cidr, true, buf);
	}
	addr_print(&cidr.addr, buf);
	buf[strlen(buf) + 1] = '\0';
	buf[strlen(buf)] = '-';
	addr_print(&last, buf + strlen(buf));
	return buf;
}

static void count_print(addr_num n, char *buf, size_t len)
{
	int bits = 0;

	if (n <= 1000000000) {
		snprintf(buf, len, "%u address%s", (unsigned int)n,
			 n == 1 ? "" : "es");
		return;
	}
	while (n >> bits > 1)
		bits++;
	snprintf(buf, len, "%s2^%d addresses",
		 n == (addr_num)1 << bits ? "" : "over ", bits);
}

char *ranges_print(const struct ranges *r, char *buf)
{
	char where[2 * ADDR_TEXT] = "none", many[40], more[40] = "";
	addr_num n = 0;

	for (size_t i = 0; i < r->count; i++) {
		addr_num span = r->items[i].last - r->items[i].first;

		/* All 2^128 do not fit; nor does it matter in a message. */
		n = span >= RANGES_MAX - n ? RANGES_MAX : n + span + 1;
	}
	if (r->count)
		range_print(&r->items[0], where);
	if (r->count > 1)
		snprintf(more, sizeof(more), " and %zu more range%s",
			 r->count - 1, r->count == 2 ? "" : "s");
	count_print(n, many, sizeof(many));
	snprintf(buf, RANGES_TEXT, "%s (%s%s)", many, where, more);
	return buf;
}
