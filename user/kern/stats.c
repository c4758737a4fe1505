// SPDX-License-Identifier: BSD-2-Clause
/* Per-CPU counters summed; sizes of maps. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"
#include "kern/stats.h"

/* Every counter struct is an array of u64, so one loop sums them all. */
static int sum_element(int fd, const void *key, __u64 *ret, size_t size)
{
	size_t words = size / sizeof(__u64);
	_cleanup_free_ __u64 *values = malloc(size * possible_cpus());

	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, key, values))
		return -errno;
	memset(ret, 0, size);
	for (unsigned cpu = 0; cpu < possible_cpus(); cpu++)
		for (size_t i = 0; i < words; i++)
			ret[i] += values[cpu * words + i];
	return 0;
}

int stats_iface(struct datapath *dp, unsigned entry, struct iface_stats *ret)
{
	int fd = datapath_map_fd(dp, "packets");
	struct iface_stats s = {};

	if (entry >= MOAT_IFACES)
		return -EINVAL;
	s.ifindex = dp->ifaces[entry].ifindex;
	for (int dir = 0; dir < 2; dir++) {
		__u32 key = entry * 2 + dir;
		int err = sum_element(fd, &key, (__u64 *)&s.direction[dir],
				      sizeof(s.direction[dir]));

		if (err)
			return err;
	}
	*ret = s;
	return 0;
}

void rules_add(struct moat_rule_count *to, const struct moat_rule_count *more,
	       size_t count, int sign)
{
	for (size_t i = 0; i < count; i++) {
		__u64 *t = (__u64 *)&to[i];
		const __u64 *m = (const __u64 *)&more[i];

		for (size_t w = 0; w < sizeof(*to) / sizeof(__u64); w++)
			t[w] += sign < 0 ? -m[w] : m[w];
	}
}

int rules_read(const struct load *l, struct moat_rule_count *ret, size_t count)
{
	int fd = load_map_fd(l, "rules");
	struct moat_rule_counters c;

	for (size_t done = 0; done < count; done += MOAT_RULES_PER_ELEMENT) {
		__u32 key = done / MOAT_RULES_PER_ELEMENT;
		size_t n = count - done;
		int err = sum_element(fd, &key, (__u64 *)&c, sizeof(c));

		if (err)
			return err;
		if (n > MOAT_RULES_PER_ELEMENT)
			n = MOAT_RULES_PER_ELEMENT;
		memcpy(ret + done, c.rule, n * sizeof(*ret));
	}
	return 0;
}

int stats_rules(struct datapath *dp, struct moat_rule_count *ret, size_t count)
{
	int err = count > dp->store.rule_slots ?
			  -E2BIG :
			  rules_read(dp->load, ret, count);

	if (!err)
		rules_add(ret, dp->carry,
			  count < dp->ncarry ? count : dp->ncarry, 1);
	return err;
}

size_t stats_carried(const struct datapath *dp,
		     const struct moat_rule_count **ret)
{
	*ret = dp->carry;
	return dp->ncarry;
}

void stats_forget_carried(struct datapath *dp)
{
	free(dp->carry);
	dp->carry = NULL;
	dp->ncarry = 0;
}

int stats_totals(struct datapath *dp, struct moat_totals *ret)
{
	__u32 zero = 0;

	return sum_element(datapath_map_fd(dp, "totals"), &zero, (__u64 *)ret,
			   sizeof(*ret));
}

size_t stats_ethertypes(struct datapath *dp, struct ethertype_count *ret,
			size_t max)
{
	int fd = datapath_map_fd(dp, "ethertypes");
	__u32 key, *last = NULL;
	size_t n = 0;

	while (n < max && !bpf_map_get_next_key(fd, last, &key)) {
		ret[n].ethertype = key;
		if (!sum_element(fd, &key, (__u64 *)&ret[n].count,
				 sizeof(ret[n].count)))
			n++;
		last = &key;
	}
	return n;
}

/* The kernel's own figure, which map info does not carry. */
static __u64 memlock_of(int fd)
{
	char path[64], line[256];
	unsigned long long bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	return bytes;
}

size_t stats_maps(struct datapath *dp, struct map_bytes *ret, size_t max)
{
	struct bpf_map *map;
	size_t n = 0;

	bpf_object__for_each_map(map, load_object(dp->load)) {
		int fd = bpf_map__fd(map);

		if (fd < 0 || n == max)
			continue;
		snprintf(ret[n].name, sizeof(ret[n].name), "%s",
			 bpf_map__name(map));
		ret[n].bytes = memlock_of(fd);
		ret[n].planned = map_bytes_planned(map);
		ret[n++].entries_max = bpf_map__max_entries(map);
	}
	return n;
}
