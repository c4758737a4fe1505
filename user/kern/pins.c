// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pin directory: ROOT/vN/{maps,progs,links,filters,sets/M}. One agent at
 * a time holds the lock on ROOT. Names hold no dot: bpffs refuses them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"

#define BPFFS_MAGIC 0xcafe4a11

/* Pinned last: a set without it was never finished. */
#define SET_MARK "control"

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

bool pins_enabled(const struct pins *p)
{
	return p->root[0];
}

char *pin_path(const struct pins *p, const char *folder, const char *name,
	       char buf[PIN_PATH])
{
	snprintf(buf, PIN_PATH, "%s/%s%s%s", p->dir, folder, *name ? "/" : "",
		 name);
	return buf;
}

static char *set_path(const struct pins *p, unsigned set, const char *name,
		      char buf[PIN_PATH])
{
	char folder[32];

	snprintf(folder, sizeof(folder), "sets/%u", set);
	return pin_path(p, folder, name, buf);
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* Root-only: who may open a pin may rewrite the policy. */
static int make_private(const char *path)
{
	struct statfs fs;
	struct stat st;
	int err = make_folder(path);

	if (err)
		return err;
	if (stat(path, &st) || statfs(path, &fs))
		return -errno;
	if ((__u32)fs.f_type != BPFFS_MAGIC)
		return -EMEDIUMTYPE;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & 077) && chmod(path, 0700))
		return -errno;
	return 0;
}

static void empty_folder(const char *path)
{
	_cleanup_(closedirp) DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
}

static void remove_folder(const char *path)
{
	empty_folder(path);
	rmdir(path);
}

/* Calls fn with every set's number. */
static void each_set(const struct pins *p,
		     void (*fn)(const struct pins *p, unsigned n, void *arg),
		     void *arg)
{
	char path[PIN_PATH];
	_cleanup_(closedirp) DIR *d = opendir(pin_path(p, "sets", "", path));
	struct dirent *e;

	while (d && (e = readdir(d))) {
		unsigned n = strtoul(e->d_name, NULL, 10);

		if (n)
			fn(p, n, arg);
	}
}

/* The newest finished set wins: an older one is a grow that was cut short
 * after both held the same policy. */
static void newest(const struct pins *p, unsigned n, void *arg)
{
	unsigned *best = arg;
	char path[PIN_PATH];

	if (n > *best && !access(set_path(p, n, SET_MARK, path), F_OK))
		*best = n;
}

static void remove_other(const struct pins *p, unsigned n, void *arg)
{
	char path[PIN_PATH];

	if (n != *(unsigned *)arg)
		remove_folder(set_path(p, n, "", path));
}

int pins_use_set(struct pins *p, unsigned set)
{
	p->set = set;
	each_set(p, remove_other, &set);
	return 0;
}

static int make_folders(const struct pins *p)
{
	static const char *const folders[] = { "",	"maps",	   "progs",
					       "links", "filters", "sets" };
	char path[PIN_PATH];
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && !err; i++)
		err = make_folder(pin_path(p, folders[i], "", path));
	return err;
}

int pins_open(struct pins *p, const char *root)
{
	int err;

	*p = (struct pins){ .lock_fd = -1 };
	if (!root)
		return 0;
	if (strlen(root) + 64 > sizeof(p->root))
		return -ENAMETOOLONG;
	err = make_private(root);
	if (err)
		return err;
	p->lock_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->lock_fd < 0)
		return -errno;
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		pins_close(p);
		return err;
	}
	strcpy(p->root, root);
	snprintf(p->dir, sizeof(p->dir), "%s/v%d", root, MOAT_ABI_VERSION);
	err = make_folders(p);
	if (err) {
		pins_close(p);
		return err;
	}
	each_set(p, newest, &p->set);
	return 0;
}

void pins_close(struct pins *p)
{
	closep(&p->lock_fd);
	*p = (struct pins){ .lock_fd = -1 };
}

int pins_map(const struct pins *p, const char *map)
{
	char path[PIN_PATH];
	int fd;

	if (!pins_enabled(p) || (map_in_set(map) && !p->set))
		return -ENOENT;
	if (map_in_set(map))
		set_path(p, p->set, map, path);
	else
		pin_path(p, "maps", map, path);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int pin_set(struct pins *p, struct bpf_object *obj, unsigned set)
{
	char path[PIN_PATH];
	struct bpf_map *map, *mark = NULL;
	int err = make_folder(set_path(p, set, "", path));

	if (err)
		return err;
	empty_folder(path);
	bpf_object__for_each_map(map, obj) {
		const char *name = bpf_map__name(map);

		if (!strcmp(name, SET_MARK))
			mark = map;
		else if (map_in_set(name) &&
			 bpf_obj_pin(bpf_map__fd(map),
				     set_path(p, set, name, path)))
			return -errno;
	}
	if (!mark ||
	    bpf_obj_pin(bpf_map__fd(mark), set_path(p, set, SET_MARK, path)))
		return mark ? -errno : -EINVAL;
	return 0;
}

int pins_add_maps(struct pins *p, struct bpf_object *obj, unsigned set)
{
	char path[PIN_PATH];
	struct bpf_map *map;

	if (!pins_enabled(p))
		return 0;
	bpf_object__for_each_map(map, obj) {
		const char *name = bpf_map__name(map);

		if (map_is_private(name) || map_in_set(name))
			continue;
		if (bpf_obj_pin(bpf_map__fd(map),
				pin_path(p, "maps", name, path)) &&
		    errno != EEXIST)
			return -errno;
	}
	return set == p->set ? 0 : pin_set(p, obj, set);
}

/* bpffs replaces on rename, so there is no moment without a pin. */
int pin_replace(const char *path, int fd)
{
	char fresh[PIN_PATH + 8];

	snprintf(fresh, sizeof(fresh), "%s_new", path);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh))
		return -errno;
	if (rename(fresh, path)) {
		int err = -errno;

		unlink(fresh);
		return err;
	}
	return 0;
}

int pins_replace_programs(const struct pins *p, const struct load *l)
{
	char path[PIN_PATH];
	int err = 0;

	if (!pins_enabled(p))
		return 0;
	for (int i = 0; i < ATTACH_HOOK_COUNT && !err; i++)
		err = pin_replace(pin_path(p, "progs", hook_names[i], path),
				  load_prog_fd(l, i));
	return err;
}

/* 1: pinned, 0: the pin was there, -errno. */
static int pin_missing(const char *path, int fd)
{
	if (!access(path, F_OK))
		return 0;
	return bpf_obj_pin(fd, path) ? -errno : 1;
}

int pins_repair(struct pins *p, const struct load *l)
{
	char path[PIN_PATH];
	struct bpf_map *map;
	int made = 0, one, err = make_private(p->root);

	if (!err)
		err = make_folders(p);
	if (!err)
		err = make_folder(set_path(p, p->set, "", path));
	if (err)
		return err;
	bpf_object__for_each_map(map, load_object(l)) {
		const char *name = bpf_map__name(map);

		if (map_is_private(name))
			continue;
		if (map_in_set(name))
			set_path(p, p->set, name, path);
		else
			pin_path(p, "maps", name, path);
		one = pin_missing(path, bpf_map__fd(map));
		if (one < 0)
			return one;
		made += one;
	}
	for (int i = 0; i < ATTACH_HOOK_COUNT; i++) {
		one = pin_missing(pin_path(p, "progs", hook_names[i], path),
				  load_prog_fd(l, i));
		if (one < 0)
			return one;
		made += one;
	}
	return made;
}

int pins_remove_all(struct pins *p)
{
	static const char *const folders[] = { "maps", "progs", "links",
					       "filters" };
	char path[PIN_PATH];
	unsigned none = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		remove_folder(pin_path(p, folders[i], "", path));
	each_set(p, remove_other, &none);
	rmdir(pin_path(p, "sets", "", path));
	rmdir(p->dir);
	return rmdir(p->root) && errno != ENOENT ? -errno : 0;
}
