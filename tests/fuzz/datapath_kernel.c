// SPDX-License-Identifier: BSD-2-Clause
/* See datapath_kernel.h. One private instance, nothing pinned. */
#include "fuzz/datapath_kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "kern/private.h"
#include "kern/store.h"

static struct datapath *dp;

static const char *const tables[] = {
	"flows",	"udp",	   "other",  "embryonic_out",
	"embryonic_in", "closing", "denied", "fragments",
};

static void settings_of(const struct config *c, struct datapath_settings *ret)
{
	static const __u32 seconds[] = {
#define X(symbol, name, s) s,
		MOAT_TIMEOUTS(X)
#undef X
	};
	struct datapath_settings s = {
		.memory_limit = 1u << 30,
		.midstream_drop = c->midstream_drop,
		.unassigned_allow = c->unassigned_allow,
		.forwarding_judge = c->forwarding_judge,
		.trace = true,
		.lease_after = WORLD_LEASE_AFTER,
	};

	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = 64; /* and 16 buckets of leases */
	for (int i = 0; i < MOAT_TIMEOUT_COUNT; i++)
		s.timeout_seconds[i] = seconds[i];
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		s.essential[i] = c->essential[i];
	*ret = s;
}

bool datapath_kernel_open(const struct world *w, const char **ret_why)
{
	struct datapath_settings s;
	const char *why = "";
	__u32 generation;

	if (geteuid() != 0) {
		*ret_why = "needs root";
		return false;
	}
	settings_of(w->config, &s);
	if (datapath_open(&s, &dp, &why)) {
		fprintf(stderr, "datapath: %s\n", why);
		exit(1);
	}
	must(datapath_set_own(dp, w->own, w->nown) == 0);
	must(datapath_set_ifaces(dp, &w->iface, 1) == 0);
	must(datapath_set_failsafe(dp, &w->failsafe) == 0);
	must(store_push(dp, w->engines.image, 0, &generation) == 0);
	/* Own addresses have just changed, which keeps leases out for 2 s. */
	dp->store.control->lease_floor = 0;
	return true;
}

void datapath_kernel_close(void)
{
	datapath_close(dp);
	dp = NULL;
}

static void flush(const char *table)
{
	int fd = datapath_map_fd(dp, table);
	char key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		must(bpf_map_delete_elem(fd, key) == 0);
}

static void clear_budget(void)
{
	static __u64 *none;
	__u32 zero = 0;

	if (!none)
		none = calloc((size_t)libbpf_num_possible_cpus(),
			      2 * sizeof(*none));
	must(none && !bpf_map_update_elem(datapath_map_fd(dp, "denied_budgets"),
					  &zero, none, 0));
}

void datapath_kernel_clear(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		flush(tables[i]);
	clear_budget();
	leases_clear(&dp->leases);
	datapath_heartbeat(dp);
}

/* Frames must hold a link header, newer kernels want some of the next one. */
bool datapath_kernel_run(const struct run_packet *p, struct run_result *ret)
{
	int err = run_packet(dp, p, ret);

	must(!err || (err == -EINVAL && p->len < 14 + 40));
	return !err;
}

int datapath_kernel_flow(const char *table, const struct moat_flow_key *key,
			 struct moat_flow *ret)
{
	return bpf_map_lookup_elem(datapath_map_fd(dp, table), key, ret) ?
		       -errno :
		       0;
}
