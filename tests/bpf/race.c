// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/race.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "kern/private.h"

/* As the process began: threads inherit what their maker is pinned to. */
static cpu_set_t all;

__attribute__((constructor)) static void remember(void)
{
	if (sched_getaffinity(0, sizeof(all), &all))
		abort();
}

void race_need_cpus(void)
{
	if (CPU_COUNT(&all) < 2)
		skip();
}

void race_pin(unsigned n)
{
	cpu_set_t one;
	int cpu = 0;

	for (;; cpu++)
		if (CPU_ISSET(cpu, &all) && n-- == 0)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one))
		abort();
}

int race_run(struct harness *h, enum attach_hook hook, const struct packet *p,
	     unsigned times)
{
	struct __sk_buff ctx = { .ifindex = HARNESS_IFINDEX };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data,
		    .data_size_in = (__u32)p->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)times);

	if (bpf_prog_test_run_opts(load_prog_fd(h->dp->load, hook), &opts))
		abort();
	return (int)opts.retval;
}

static bool is_drop(unsigned reason)
{
	static const bool drops[MOAT_REASON_MAX] = {
#define X(symbol, name, layer, kind) \
	[MOAT_REASON_##symbol] = MOAT_KIND_##kind == MOAT_KIND_DROP,
		MOAT_REASONS(X)
#undef X
	};

	return drops[reason];
}

struct race_counts race_counts(struct harness *h)
{
	unsigned entry = datapath_iface_index(h->dp, HARNESS_IFINDEX);
	struct race_counts c = {};
	struct iface_stats s;

	assert_int_equal(stats_iface(h->dp, entry, &s), 0);
	for (int dir = 0; dir < 2; dir++)
		for (unsigned r = 0; r < MOAT_REASON_MAX; r++) {
			__u64 n = s.direction[dir].count[r].packets;

			*(is_drop(r) ? &c.dropped : &c.passed) += n;
			c.would_drop += s.direction[dir].would_drop[r].packets;
		}
	return c;
}
