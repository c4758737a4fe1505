// SPDX-License-Identifier: BSD-2-Clause
/*
 * Own attachments. A link is pinned as links/IFINDEX_HOOK and its fd is held
 * too, so that losing the pin loses nothing while the agent lives. A clsact
 * filter needs no fd; filters/IFINDEX_HOOK (a pin of the program) marks it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/private.h"

const char *const hook_names[ATTACH_HOOK_COUNT] = { "tc_ingress", "tc_egress",
						    "xdp" };

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

char *link_path(const struct datapath *dp, const struct own_link *l,
		char buf[PIN_PATH])
{
	char name[64];

	snprintf(name, sizeof(name), "%u_%s", l->ifindex, hook_names[l->hook]);
	return pin_path(&dp->pins, l->fd < 0 ? "filters" : "links", name, buf);
}

/* bpf_link_info of tcx and XDP: the ifindex comes first in the union. */
int link_ids(int fd, __u32 *ret_link, __u32 *ret_prog, __u32 *ret_ifindex)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret_link = info.id;
	*ret_prog = info.prog_id;
	*ret_ifindex = info.xdp.ifindex;
	return 0;
}

struct own_link *links_find(struct datapath *dp, __u32 ifindex,
			    enum attach_hook hook)
{
	for (size_t i = 0; i < dp->links.count; i++)
		if (dp->links.items[i].ifindex == ifindex &&
		    dp->links.items[i].hook == hook)
			return &dp->links.items[i];
	return NULL;
}

struct own_link *links_append(struct datapath *dp, __u32 ifindex,
			      enum attach_hook hook, int fd)
{
	struct own_link *more = realloc(dp->links.items,
					(dp->links.count + 1) * sizeof(*more));

	if (!more)
		return NULL;
	dp->links.items = more;
	more += dp->links.count++;
	*more = (struct own_link){ ifindex, hook, fd };
	return more;
}

static int pin_link(struct datapath *dp, const struct own_link *l)
{
	char path[PIN_PATH];

	if (!pins_enabled(&dp->pins))
		return 0;
	return pin_replace(link_path(dp, l, path),
			   l->fd < 0 ? load_prog_fd(dp->load, l->hook) : l->fd);
}

int links_add(struct datapath *dp, __u32 ifindex, enum attach_hook hook, int fd)
{
	struct own_link *l = links_append(dp, ifindex, hook, fd);
	int err;

	if (!l) {
		closep(&fd);
		return -ENOMEM;
	}
	err = pin_link(dp, l);
	if (err)
		links_drop(dp, l);
	return err;
}

int links_repair(struct datapath *dp)
{
	char path[PIN_PATH];
	int made = 0;

	for (size_t i = 0; i < dp->links.count; i++) {
		int err;

		if (!access(link_path(dp, &dp->links.items[i], path), F_OK))
			continue;
		err = pin_link(dp, &dp->links.items[i]);
		if (err)
			return err;
		made++;
	}
	return made;
}

void links_drop(struct datapath *dp, struct own_link *l)
{
	char path[PIN_PATH];

	if (l->fd >= 0)
		bpf_link_detach(l->fd);
	else
		clsact_detach(l->ifindex, l->hook);
	if (pins_enabled(&dp->pins))
		unlink(link_path(dp, l, path));
	closep(&l->fd);
	*l = dp->links.items[--dp->links.count];
}

/* Reads one folder of pins back; names that are not ours are left alone. */
static int load_folder(struct datapath *dp, const char *folder, bool links)
{
	char path[PIN_PATH];
	_cleanup_(closedirp)
		DIR *d = opendir(pin_path(&dp->pins, folder, "", path));
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	/* One that is missed would be attached a second time. */
	while ((errno = 0, e = readdir(d))) {
		unsigned ifindex;
		char hook[32], extra;
		int h = 0, fd = -1;

		if (sscanf(e->d_name, "%u_%31[a-z_]%c", &ifindex, hook,
			   &extra) != 2)
			continue;
		while (h < ATTACH_HOOK_COUNT && strcmp(hook, hook_names[h]))
			h++;
		if (h == ATTACH_HOOK_COUNT)
			continue;
		if (links)
			fd = bpf_obj_get(
				pin_path(&dp->pins, folder, e->d_name, path));
		if (links && fd < 0)
			return -errno;
		if (!links_append(dp, ifindex, h, fd)) {
			closep(&fd);
			return -ENOMEM;
		}
	}
	return -errno;
}

int links_load(struct datapath *dp)
{
	int err = 0;

	if (!pins_enabled(&dp->pins))
		return 0;
	err = load_folder(dp, "links", true);
	return err ? err : load_folder(dp, "filters", false);
}

void links_close(struct datapath *dp)
{
	for (size_t i = 0; i < dp->links.count; i++)
		closep(&dp->links.items[i].fd);
	free(dp->links.items);
	dp->links = (struct links){};
}

static int move_one(const struct own_link *l, const struct load *to)
{
	int prog = load_prog_fd(to, l->hook);

	if (l->fd < 0)
		return clsact_move(l->ifindex, l->hook, prog);
	if (!bpf_link_update(l->fd, prog, NULL))
		return 0;
	/* ENOLINK: its device is gone, nothing runs there. */
	return errno == ENOLINK ? 0 : -errno;
}

int links_move(struct datapath *dp, const struct load *l)
{
	for (size_t i = 0; i < dp->links.count; i++) {
		int err = move_one(&dp->links.items[i], l);

		if (err == -ENODEV)
			err = 0;
		if (err) {
			while (i--)
				move_one(&dp->links.items[i], dp->load);
			return err;
		}
	}
	return 0;
}
