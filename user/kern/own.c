// SPDX-License-Identifier: BSD-2-Clause
/* What the programs know of this host: addresses, interfaces, failsafe. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/private.h"

static int compare_own(const void *a, const void *b)
{
	return memcmp(&((const struct own_entry *)a)->addr,
		      &((const struct own_entry *)b)->addr,
		      sizeof(struct moat_addr));
}

/* Addresses in the map that are not among the sorted entries. */
static int remove_stale(int fd, const struct own_entry *sorted, size_t n)
{
	_cleanup_free_ struct moat_addr *stale = calloc(MOAT_OWN_MAX,
							sizeof(*stale));
	struct own_entry probe = {};
	struct moat_addr *last = NULL, key;
	size_t count = 0;
	int err = 0;

	if (!stale)
		return -ENOMEM;
	while (count < MOAT_OWN_MAX) {
		err = bpf_map_get_next_key(fd, last, &key) ? -errno : 0;
		if (err)
			break;
		probe.addr = key;
		if (!bsearch(&probe, sorted, n, sizeof(*sorted), compare_own))
			stale[count++] = key;
		last = &key;
	}
	if (err && err != -ENOENT)
		return err;
	/* Deleting while walking would start the walk anew. */
	for (size_t i = 0; i < count; i++)
		if (bpf_map_delete_elem(fd, &stale[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

/* What programs remember of this host is void from here on. */
static int host_changed(struct datapath *dp, struct moat_host *host)
{
	__u32 zero = 0;

	host->epoch++;
	return bpf_map_update_elem(datapath_map_fd(dp, "host"), &zero, host,
				   BPF_ANY) ?
		       -errno :
		       0;
}

static int host_read(struct datapath *dp, struct moat_host *ret)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(datapath_map_fd(dp, "host"), &zero, ret) ?
		       -errno :
		       0;
}

static void own_bits(const struct own_entry *e, size_t n, __u64 *ret)
{
	for (size_t i = 0; i < n; i++) {
		const __u64 *d = e[i].addr.d;
		__u64 bit = MOAT_OWN_BIT(d[0], d[1]);

		ret[bit / 64] |= 1ull << bit % 64;
	}
}

int datapath_set_own(struct datapath *dp, const struct own_entry *e, size_t n)
{
	int fd = datapath_map_fd(dp, "own");
	_cleanup_free_ struct own_entry *sorted = NULL;
	struct moat_host host;
	int err;

	if (n > MOAT_OWN_MAX)
		return -E2BIG;
	sorted = calloc(n + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	if (n)
		memcpy(sorted, e, n * sizeof(*e));
	qsort(sorted, n, sizeof(*sorted), compare_own);
	/* Stale ones first: a full exchange of a full map has to fit. */
	err = remove_stale(fd, sorted, n);
	for (size_t i = 0; i < n && !err; i++)
		if (bpf_map_update_elem(fd, &sorted[i].addr, &sorted[i].own,
					BPF_ANY))
			err = -errno;
	if (!err)
		err = host_read(dp, &host);
	if (err)
		return err;
	memset(host.own_bits, 0, sizeof(host.own_bits));
	own_bits(e, n, host.own_bits);
	return host_changed(dp, &host);
}

int datapath_set_local_networks(struct datapath *dp, bool some)
{
	__u32 flags = some ? MOAT_HOST_LOCAL_NETWORKS : 0;
	struct moat_host host;
	int err = host_read(dp, &host);

	if (err || host.flags == flags)
		return err;
	host.flags = flags;
	return host_changed(dp, &host);
}

unsigned datapath_iface_index(const struct datapath *dp, __u32 ifindex)
{
	for (unsigned n = 0; n < MOAT_IFACE_PROBES && ifindex; n++) {
		unsigned i = (ifindex + n) % MOAT_IFACES;

		if (dp->ifaces[i].ifindex == ifindex && i != MOAT_IFACES - 1)
			return i;
	}
	return MOAT_IFACES - 1;
}

static int write_iface(struct datapath *dp, __u32 i, const struct moat_iface *e)
{
	if (bpf_map_update_elem(datapath_map_fd(dp, "ifaces"), &i, e, BPF_ANY))
		return -errno;
	dp->ifaces[i] = *e;
	return 0;
}

/* Counters of an entry that another interface had. */
static int clear_counters(struct datapath *dp, unsigned entry)
{
	_cleanup_free_ void *zero = calloc(possible_cpus(),
					   sizeof(struct moat_iface_counters));

	if (!zero)
		return -ENOMEM;
	for (__u32 key = entry * 2; key < entry * 2 + 2; key++)
		if (bpf_map_update_elem(datapath_map_fd(dp, "packets"), &key,
					zero, BPF_ANY))
			return -errno;
	return 0;
}

/* A free entry; the addresses go in before the ifindex that makes it found. */
static int assign_iface(struct datapath *dp, const struct moat_iface *e)
{
	struct moat_iface hidden = *e;
	int err;

	hidden.ifindex = 0;
	for (unsigned n = 0; n < MOAT_IFACE_PROBES; n++) {
		unsigned i = (e->ifindex + n) % MOAT_IFACES;

		if (i == MOAT_IFACES - 1 || dp->ifaces[i].ifindex)
			continue;
		err = clear_counters(dp, i);
		if (!err)
			err = write_iface(dp, i, &hidden);
		return err ? err : write_iface(dp, i, e);
	}
	return 0; /* counted in the overflow entry */
}

static bool listed(const struct moat_iface *e, size_t n, __u32 ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (e[i].ifindex == ifindex)
			return true;
	return false;
}

int datapath_set_ifaces(struct datapath *dp, const struct moat_iface *e,
			size_t n)
{
	struct moat_iface before[MOAT_IFACES];
	const struct moat_iface none = {};
	struct moat_host host;
	int err = 0;

	memcpy(before, dp->ifaces, sizeof(before));
	for (unsigned i = 0; i < MOAT_IFACES && !err; i++)
		if (dp->ifaces[i].ifindex &&
		    !listed(e, n, dp->ifaces[i].ifindex))
			err = write_iface(dp, i, &none);
	for (size_t k = 0; k < n && !err; k++) {
		unsigned i = datapath_iface_index(dp, e[k].ifindex);

		if (i == MOAT_IFACES - 1)
			err = assign_iface(dp, &e[k]);
		else if (memcmp(&dp->ifaces[i], &e[k], sizeof(e[k])))
			err = write_iface(dp, i, &e[k]);
	}
	if (err || !memcmp(before, dp->ifaces, sizeof(before)))
		return err;
	err = host_read(dp, &host);
	return err ? err : host_changed(dp, &host);
}

static void failsafe_ports(const struct moat_failsafe *f, __u64 ret[2])
{
	for (unsigned i = 0; i < f->count; i++) {
		const struct moat_failsafe_entry *e = &f->entry[i];

		for (unsigned port = e->first;
		     port <= e->last && port < e->first + 64u; port++)
			ret[e->direction & 1] |= 1ull << (port & 63);
	}
}

/* The ports come first, while entries of both kinds are counted in: a packet
 * of a failsafe entry always finds its port. */
int datapath_set_failsafe(struct datapath *dp, const struct moat_failsafe *f)
{
	int fd = datapath_map_fd(dp, "failsafe");
	struct moat_failsafe now;
	struct moat_host host;
	__u32 zero = 0;
	int err;

	if (f->count > MOAT_FAILSAFE_MAX)
		return -E2BIG;
	if (!bpf_map_lookup_elem(fd, &zero, &now) &&
	    !memcmp(&now, f, sizeof(now)))
		return 0;
	err = host_read(dp, &host);
	if (err)
		return err;
	host.failsafe_generation = MOAT_CTL_GENERATION(dp->store.control->word);
	failsafe_ports(f, host.failsafe_ports);
	err = host_changed(dp, &host);
	if (err)
		return err;
	if (bpf_map_update_elem(fd, &zero, f, BPF_ANY))
		return -errno;
	memset(host.failsafe_ports, 0, sizeof(host.failsafe_ports));
	failsafe_ports(f, host.failsafe_ports);
	return host_changed(dp, &host);
}

void datapath_heartbeat(struct datapath *dp)
{
	__atomic_store_n(&dp->store.control->heartbeat, datapath_jiffies(dp),
			 __ATOMIC_RELAXED);
}
