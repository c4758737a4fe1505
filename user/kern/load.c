// SPDX-License-Identifier: BSD-2-Clause
/*
 * One load of the object: sizes, load-time constants, shared maps. The only
 * file that knows the skeleton.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/sha256.h"
#include "compile/image.h"
#include "kern/private.h"
#include "moat/knobs.h"
#include "moat.skel.h"

/* From linux/bpf.h of 5.18, which the build headers may predate. */
#define F_XDP_HAS_FRAGS (1u << 5)

struct load {
	struct moat_bpf *skel;
	__u32 prog_id[ATTACH_HOOK_COUNT];
};

static const char *const part_names[MOAT_PART_COUNT] = {
#define X(symbol, name) name,
	MOAT_PARTS(X)
#undef X
};
static const char *const table_names[MOAT_TABLE_COUNT] = {
#define X(symbol, name) name,
	MOAT_TABLES(X)
#undef X
};
static const __u8 part_entry[MOAT_PART_COUNT] = { 4, 8, 2, 4 };

void load_free(struct load *l)
{
	if (!l)
		return;
	if (l->skel)
		moat_bpf__destroy(l->skel);
	free(l);
}

struct bpf_object *load_object(const struct load *l)
{
	return l->skel->obj;
}

static struct bpf_program *program_of(const struct load *l,
				      enum attach_hook hook)
{
	switch (hook) {
	case ATTACH_TC_INGRESS:
		return l->skel->progs.moat_tc_ingress;
	case ATTACH_TC_EGRESS:
		return l->skel->progs.moat_tc_egress;
	default:
		return l->skel->progs.moat_xdp;
	}
}

int load_prog_fd(const struct load *l, enum attach_hook hook)
{
	return bpf_program__fd(program_of(l, hook));
}

__u32 load_prog_id(const struct load *l, enum attach_hook hook)
{
	return l->prog_id[hook];
}

int load_map_fd(const struct load *l, const char *map)
{
	int fd = bpf_object__find_map_fd_by_name(l->skel->obj, map);

	return fd < 0 ? -ENOENT : fd;
}

bool map_in_set(const char *name)
{
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
		if (!strcmp(name, part_names[i]))
			return true;
	return !strcmp(name, "image") || !strcmp(name, "control") ||
	       !strcmp(name, "rules");
}

/*
 * What outlives a load is named here: its layout is the contract of one
 * MOAT_ABI_VERSION. A map that is not named belongs to one load alone.
 */
bool map_is_private(const char *name)
{
	static const char *const shared[] = {
		"own",	   "ifaces", "failsafe",   "host",   "buckets",
		"packets", "totals", "ethertypes", "leases", "lease_locks"
	};

	if (map_in_set(name))
		return false;
	for (unsigned i = 0; i < MOAT_TABLE_COUNT; i++)
		if (!strcmp(name, table_names[i]))
			return false;
	for (unsigned i = 0; i < ARRAY_SIZE(shared); i++)
		if (!strcmp(name, shared[i]))
			return false;
	return true;
}

/* Sizes as wanted; maps to be shared get theirs when their fd is reused. */
static int set_sizes(struct moat_bpf *skel, const struct load_spec *spec)
{
	const struct datapath_settings *s = spec->settings;
	struct bpf_map *map;

	for (unsigned i = 0; i < MOAT_PART_COUNT; i++) {
		map = bpf_object__find_map_by_name(skel->obj, part_names[i]);
		if (!map || bpf_map__set_value_size(
				    map, image_part_round(spec->part_bytes[i])))
			return -EINVAL;
	}
	for (unsigned i = 0; i < MOAT_TABLE_COUNT; i++) {
		map = bpf_object__find_map_by_name(skel->obj, table_names[i]);
		if (!map)
			return -EINVAL;
		if (s->table_entries[i] &&
		    bpf_map__set_max_entries(map, s->table_entries[i]))
			return -EINVAL;
	}
	if (s->one_by_one && bpf_map__set_max_entries(skel->maps.buckets, 1))
		return -EINVAL;
	if (bpf_map__set_max_entries(skel->maps.rules,
				     image_rule_elements(spec->rule_slots)) ||
	    bpf_map__set_max_entries(
		    skel->maps.leases,
		    MOAT_LEASE_BUCKETS(s->table_entries[MOAT_TABLE_FLOWS])))
		return -EINVAL;
	return 0;
}

static int share_maps(struct moat_bpf *skel, const struct load_spec *spec)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj) {
		const char *name = bpf_map__name(map);
		__u32 key = bpf_map__key_size(map);
		__u32 value = bpf_map__value_size(map);
		enum bpf_map_type type = bpf_map__type(map);
		bool set = map_in_set(name);
		_cleanup_close_ int fd = -1;

		if (map_is_private(name) || !spec->find)
			continue;
		fd = spec->find(spec->arg, name);
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		if (bpf_map__reuse_fd(map, fd))
			return -errno;
		/* Image arrays may differ in size; all else is layout. */
		if (bpf_map__type(map) != type ||
		    bpf_map__key_size(map) != key ||
		    (!set && bpf_map__value_size(map) != value))
			return -EPROTO;
	}
	return 0;
}

/*
 * Steady over restarts, so that programs of two loads agree on buckets and
 * leases, and unknown to anyone off this host.
 */
static __u64 secret(const char *purpose)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id",
				      O_RDONLY | O_CLOEXEC);
	char text[128], hash[SHA256_TEXT];
	int n = snprintf(text, 64, "%s ", purpose);
	ssize_t got = fd < 0 ? 0 : read(fd, text + n, 64);

	if (got <= 0)
		got = getrandom(text + n, 64, 0);
	sha256_text(text, n + (got > 0 ? got : 0), hash);
	hash[16] = 0;
	return strtoull(hash, NULL, 16);
}

void load_lease_keys(__u64 ret[MOAT_LEASE_KEYS])
{
	for (unsigned i = 0; i < MOAT_LEASE_KEYS; i++) {
		char purpose[16];

		snprintf(purpose, sizeof(purpose), "lease %u", i);
		ret[i] = secret(purpose) | 1;
	}
}

/* A quarter of the shortest timeout at most: no lease outlives its record. */
__u64 load_lease_time(const struct datapath_settings *s, __u32 hz)
{
	__u64 t = (__u64)MOAT_LEASE_SECONDS * hz;
	__u64 tcp = (__u64)s->timeout_seconds[MOAT_TIMEOUT_TCP_ESTABLISHED] *
		    hz / 4;
	__u64 udp = (__u64)s->timeout_seconds[MOAT_TIMEOUT_UDP_STREAM] * hz / 4;

	t = tcp < t ? tcp : t;
	return udp < t ? udp : t;
}

static void set_knobs(struct moat_bpf *skel, const struct load_spec *spec)
{
	const struct datapath_settings *s = spec->settings;
	struct moat_knobs *k = (struct moat_knobs *)&skel->rodata->knobs;
	struct bpf_map *map;

	/* Jiffies start five minutes before they wrap in 32 bits; one second
	 * less, so that the epoch's second is never 0, which means none. */
	k->epoch = (__u32)(-300 * (int)spec->hz) - (__u64)spec->hz;
	k->hz = spec->hz;
	k->seed = secret("bucket");
	for (unsigned i = 0; i < MOAT_TIMEOUT_COUNT; i++)
		k->timeout[i] = (__u64)s->timeout_seconds[i] * spec->hz;
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++) {
		map = bpf_object__find_map_by_name(skel->obj, part_names[i]);
		k->part_mask[i] = bpf_map__value_size(map) / part_entry[i] - 1;
	}
	k->rule_mask = bpf_map__max_entries(skel->maps.rules) - 1;
	k->bucket_mask = bpf_map__max_entries(skel->maps.buckets) - 1;
	load_lease_keys(k->lease_key);
	k->lease_time = load_lease_time(s, spec->hz);
	k->lease_buckets = bpf_map__max_entries(skel->maps.leases);
	k->lease_after = s->lease_after;
	for (unsigned i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		k->essential[i] = s->essential[i];
	k->midstream_drop = s->midstream_drop;
	k->unassigned_allow = s->unassigned_allow;
	k->forwarding_judge = s->forwarding_judge;
	k->xdp_load_bytes = datapath_facts()->xdp_load_bytes;
	k->trace = s->trace;
	k->long_way = s->long_way;
	k->xdp_quick = s->xdp_quick;
	k->fault = s->fault < 0 ? -s->fault : s->fault;
}

static int set_programs(struct moat_bpf *skel)
{
	bool frags = datapath_facts()->xdp_frags;

	bpf_program__set_autoload(skel->progs.moat_clock, false);
	if (bpf_map__set_autocreate(skel->maps.clock, false))
		return -errno;
	/* F14: SEC("xdp"), the flag only where the kernel knows it. */
	if (bpf_program__set_flags(skel->progs.moat_xdp,
				   frags ? F_XDP_HAS_FRAGS : 0))
		return -errno;
	return 0;
}

static int learn_ids(struct load *l)
{
	for (int i = 0; i < ATTACH_HOOK_COUNT; i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (!bpf_program__autoload(program_of(l, i)))
			continue;
		if (bpf_obj_get_info_by_fd(load_prog_fd(l, i), &info, &len))
			return -errno;
		l->prog_id[i] = info.id;
	}
	return 0;
}

/*
 * A lower limit does not stop an agent from taking over maps that live: they
 * are as large as they are, and their flows are worth more.
 */
static bool exceeds(struct bpf_object *obj, __u64 limit)
{
	struct bpf_map *map;

	if (!limit || object_bytes_planned(obj) <= limit)
		return false;
	bpf_object__for_each_map(map, obj)
		if (bpf_map__fd(map) < 0 && !map_is_private(bpf_map__name(map)))
			return true;
	return false;
}

/* Not loaded yet; NULL with errno. */
static struct load *load_new(void)
{
	CLEANUP(load) struct load *l = calloc(1, sizeof(*l));

	if (l)
		l->skel = moat_bpf__open();
	return l && l->skel ? TAKE_PTR(l) : NULL;
}

int load_open(const struct load_spec *spec, struct load **ret)
{
	CLEANUP(load) struct load *l = load_new();
	int err;

	if (!l)
		return -errno;
	err = set_programs(l->skel);
	if (!err)
		err = set_sizes(l->skel, spec);
	if (!err)
		err = share_maps(l->skel, spec);
	if (err)
		return err;
	if (exceeds(l->skel->obj, spec->settings->memory_limit))
		return -ENOSPC;
	for (int i = 0; i < ATTACH_HOOK_COUNT; i++)
		bpf_program__set_autoload(program_of(l, i),
					  spec->hooks >> i & 1);
	set_knobs(l->skel, spec);
	err = bpf_object__load(l->skel->obj);
	if (err)
		return err;
	err = learn_ids(l);
	if (err)
		return err;
	*ret = TAKE_PTR(l);
	return 0;
}

/* The clock program alone, before HZ is known to the others. */
int load_clock(struct load **ret, int *ret_prog_fd, int *ret_map_fd)
{
	CLEANUP(load) struct load *l = load_new();
	struct bpf_program *prog;
	struct bpf_map *map;
	int err;

	if (!l)
		return -errno;
	bpf_object__for_each_program(prog, l->skel->obj)
		bpf_program__set_autoload(prog,
					  prog == l->skel->progs.moat_clock);
	bpf_object__for_each_map(map, l->skel->obj)
		if (bpf_map__set_autocreate(map, map == l->skel->maps.clock))
			return -errno;
	err = bpf_object__load(l->skel->obj);
	if (err)
		return err;
	*ret_prog_fd = bpf_program__fd(l->skel->progs.moat_clock);
	*ret_map_fd = bpf_map__fd(l->skel->maps.clock);
	*ret = TAKE_PTR(l);
	return 0;
}

struct bpf_object *object_sized(const struct datapath_settings *s,
				void **ret_owner)
{
	struct load_spec spec = { .settings = s, .rule_slots = s->rule_slots };
	struct moat_bpf *skel = moat_bpf__open();

	if (!skel)
		return NULL;
	memcpy(spec.part_bytes, s->part_bytes, sizeof(spec.part_bytes));
	if (set_programs(skel) || set_sizes(skel, &spec)) {
		moat_bpf__destroy(skel);
		return NULL;
	}
	*ret_owner = skel;
	return skel->obj;
}

void object_release(void *owner)
{
	if (owner)
		moat_bpf__destroy(owner);
}
