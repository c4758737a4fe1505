// SPDX-License-Identifier: BSD-2-Clause
/*
 * Descriptors that a former instance left in other hands (F21). Names, behind
 * the version of the layout, as pins lie in a folder of it: map_NAME,
 * set_M_NAME (maps of image set M), link_IFINDEX_HOOK, and
 * filter_IFINDEX_HOOK, which stands for a clsact filter and holds a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"

/* What stands behind the version, or NULL: of another one. */
static const char *versioned(const char *name)
{
	int version, end = 0;

	if (sscanf(name, "v%d_%n", &version, &end) != 1 || !end ||
	    version != MOAT_ABI_VERSION)
		return NULL;
	return name + end;
}

/* Maps, links and programs alike: the type, then the id. */
__u32 kept_id(int fd)
{
	union {
		struct bpf_map_info map;
		struct bpf_prog_info prog;
		struct bpf_link_info link;
		__u32 word[2];
	} info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.word[1];
}

static int find(const struct datapath_settings *s, const char *name)
{
	int fd;

	for (size_t i = 0; i < s->nkept; i++) {
		const char *mine = versioned(s->kept[i].name);

		if (!mine || strcmp(mine, name) != 0)
			continue;
		fd = fcntl(s->kept[i].fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

/* Only a set with its mark was ever finished. */
unsigned kept_set(const struct datapath_settings *s)
{
	unsigned set, best = 0;
	char map[32];

	for (size_t i = 0; i < s->nkept; i++) {
		const char *mine = versioned(s->kept[i].name);

		if (mine && sscanf(mine, "set_%u_%31s", &set, map) == 2 &&
		    !strcmp(map, "control") && set > best)
			best = set;
	}
	return best;
}

int kept_map(const struct datapath_settings *s, const char *map)
{
	char name[KEPT_NAME];

	if (map_in_set(map))
		snprintf(name, sizeof(name), "set_%u_%s", kept_set(s), map);
	else
		snprintf(name, sizeof(name), "map_%s", map);
	return find(s, name);
}

/* Which attachment a name stands for; false: none. */
static bool parse_attachment(const char *name, __u32 *ret_ifindex,
			     enum attach_hook *ret_hook, bool *ret_link)
{
	char kind[8], hook[32];
	int h;

	name = versioned(name);
	if (!name ||
	    sscanf(name, "%7[a-z]_%u_%31s", kind, ret_ifindex, hook) != 3)
		return false;
	*ret_link = !strcmp(kind, "link");
	if (!*ret_link && strcmp(kind, "filter") != 0)
		return false;
	for (h = 0; h < ATTACH_HOOK_COUNT; h++)
		if (!strcmp(hook, hook_names[h]))
			break;
	*ret_hook = h;
	return h < ATTACH_HOOK_COUNT;
}

bool kept_attached(const struct kept_fd *kept, size_t n, __u32 ifindex)
{
	enum attach_hook hook;
	__u32 at;
	bool link;

	for (size_t i = 0; i < n; i++)
		if (parse_attachment(kept[i].name, &at, &hook, &link) &&
		    at == ifindex)
			return true;
	return false;
}

bool kept_complete(const struct kept_fd *kept, size_t n)
{
	const struct datapath_settings s = { .kept = kept, .nkept = n };
	struct datapath_settings least = {};
	void *owner = NULL;
	struct bpf_object *obj = object_sized(&least, &owner);
	struct bpf_map *map;
	bool complete = obj != NULL;

	if (!obj)
		return false;
	bpf_object__for_each_map(map, obj) {
		_cleanup_close_ int fd = -1;

		if (!complete || map_is_private(bpf_map__name(map)))
			continue;
		fd = kept_map(&s, bpf_map__name(map));
		complete = fd >= 0;
	}
	object_release(owner);
	return complete;
}

/* Attachments that no pin told of. Number taken, or -errno. */
int kept_links(struct datapath *dp)
{
	const struct datapath_settings *s = &dp->settings;
	__u32 ifindex, id, prog, at;
	enum attach_hook hook;
	int taken = 0;
	bool link;

	for (size_t i = 0; i < s->nkept; i++) {
		_cleanup_close_ int fd = -1;

		if (!parse_attachment(s->kept[i].name, &ifindex, &hook,
				      &link) ||
		    links_find(dp, ifindex, hook))
			continue;
		if (link)
			fd = fcntl(s->kept[i].fd, F_DUPFD_CLOEXEC, 3);
		if (link && (fd < 0 || link_ids(fd, &id, &prog, &at) || !at))
			continue;
		if (!links_append(dp, ifindex, hook, fd))
			return -ENOMEM;
		fd = -1;
		taken++;
	}
	return taken;
}

/* ---- what to keep ---- */

struct listing {
	struct kept_fd *to;
	size_t count, max;
};

static void list(struct listing *l, int fd, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void list(struct listing *l, int fd, const char *fmt, ...)
{
	struct kept_fd *k = &l->to[l->count];
	va_list ap;
	int n;

	if (l->count == l->max || fd < 0)
		return;
	n = snprintf(k->name, sizeof(k->name), "v%d_", MOAT_ABI_VERSION);
	va_start(ap, fmt);
	vsnprintf(k->name + n, sizeof(k->name) - n, fmt, ap);
	va_end(ap);
	k->fd = fd;
	k->id = kept_id(fd);
	l->count++;
}

size_t datapath_keepable(struct datapath *dp, struct kept_fd *ret, size_t max)
{
	struct listing l = { ret, 0, max };
	const struct own_link *own;
	struct bpf_map *map;

	if (!pins_enabled(&dp->pins))
		return 0;
	bpf_object__for_each_map(map, load_object(dp->load)) {
		const char *name = bpf_map__name(map);

		if (map_in_set(name))
			list(&l, bpf_map__fd(map), "set_%u_%s", dp->pins.set,
			     name);
		else if (!map_is_private(name))
			list(&l, bpf_map__fd(map), "map_%s", name);
	}
	for (own = dp->links.items; own < dp->links.items + dp->links.count;
	     own++)
		list(&l,
		     own->fd < 0 ? load_prog_fd(dp->load, own->hook) : own->fd,
		     "%s_%u_%s", own->fd < 0 ? "filter" : "link", own->ifindex,
		     hook_names[own->hook]);
	return l.count;
}
