// SPDX-License-Identifier: BSD-2-Clause
#include "bench/many_flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bench/bar.h"
#include "kern/datapath.h"
#include "moat/reason.h"

#define BATCH 4096

static struct moat_addr v4(__u32 host)
{
	return (struct moat_addr){ .w = { 0, 0, htonl(0xffff), htonl(host) } };
}

/* Peers all over 64/8, one service port: as a busy server sees them. */
static struct moat_flow_key key_of(size_t n)
{
	return (struct moat_flow_key){
		.local = v4(0x0a140001),
		.remote = v4(0x40000000 | ((__u32)n * 2654435761u & 0xffffff)),
		.lport = htons(443),
		.rport = htons((__u16)(1024 + n % 60000)),
		.proto = IPPROTO_TCP,
	};
}

static struct moat_flow flow_of(const struct many_flows *m, size_t n)
{
	return (struct moat_flow){
		.word = MOAT_WORD(2, m->slots ? n % m->slots : 0,
				  MOAT_REASON_SG_ALLOW, 0, 0, 0),
		.expires = m->expires,
		.created = m->created,
		.packets = { m->packets, m->packets },
		.bytes = { m->packets * 1500, m->packets * 64 },
		.state = MOAT_FLOW_ESTABLISHED,
		.direction = MOAT_INGRESS,
		.seen = { 0xf, 0xf },
		.layout = MOAT_ABI_VERSION,
	};
}

struct many_flows many_flows_of(struct datapath *dp, size_t places, int seconds)
{
	__u64 now = datapath_jiffies(dp);

	return (struct many_flows){
		.count = places - places / 64,
		.slots = 1,
		.created = now,
		.packets = 5,
		.expires = now + (__s64)seconds * datapath_facts()->hz
	};
}

static void put_batch(int fd, struct moat_flow_key *keys,
		      struct moat_flow *flows, __u32 n)
{
	if (n && bpf_map_update_batch(fd, keys, flows, &n, NULL))
		bench_fail("filling the flow table: %s", strerror(errno));
}

void many_flows_put(int map_fd, const struct many_flows *m, size_t nth)
{
	struct moat_flow_key *keys = calloc(BATCH, sizeof(*keys));
	struct moat_flow *flows = calloc(BATCH, sizeof(*flows));
	__u32 n = 0;

	if (!keys || !flows)
		bench_fail("out of memory");
	for (size_t i = 0; i < m->count; i += nth) {
		keys[n] = key_of(i);
		flows[n++] = flow_of(m, i);
		if (n == BATCH) {
			put_batch(map_fd, keys, flows, n);
			n = 0;
		}
	}
	put_batch(map_fd, keys, flows, n);
	free(keys);
	free(flows);
}
