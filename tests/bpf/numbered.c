// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/numbered.h"

#include <arpa/inet.h>
#include <string.h>

#define CREATED 1000 /* of entry 0 */

struct harness *numbered_open(__u32 room)
{
	struct datapath_settings s;

	harness_settings(&s);
	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = room;
	return harness_open(&s);
}

struct moat_flow_key numbered_key(unsigned n)
{
	struct moat_flow_key k = harness_key("10.0.0.1", 443, "10.1.0.0",
					     n & 0xffff, 6);

	k.remote.w[3] |= htonl(n >> 16 & 0xff);
	return k;
}

void numbered_put(struct harness *h, enum moat_table table, unsigned n,
		  int seconds)
{
	struct moat_flow_key k = numbered_key(n);
	struct moat_flow f = {
		.word = n,
		.created = CREATED + n,
		.expires = datapath_jiffies(h->dp) +
			   seconds * (__s64)datapath_facts()->hz,
		.layout = MOAT_ABI_VERSION,
	};

	harness_put_flow(h, table, &k, &f);
}

bool numbered_there(struct harness *h, enum moat_table table, unsigned n)
{
	struct moat_flow_key k = numbered_key(n);

	return harness_flow(h, table, &k, NULL);
}

unsigned numbered_of(const struct flow_record *r, unsigned limit)
{
	unsigned n = (unsigned)r->flow.word;
	struct moat_flow_key k = numbered_key(n);

	if (n >= limit || memcmp(&k, &r->key, sizeof(k)) ||
	    r->flow.created != CREATED + n)
		return limit;
	return n;
}

void numbered_expire(struct harness *h, struct flow_slice *s)
{
	int rc;

	do
		rc = flows_expire(h->dp, s);
	while (rc > 0);
	assert_int_equal(rc, 0);
}
