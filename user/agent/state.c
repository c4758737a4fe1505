// SPDX-License-Identifier: BSD-2-Clause
/* Policies on disk: what is committed, pending, and was before. */
#include "agent/state_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buf.h"

#define HISTORY_MAX 32
#define HISTORY_SCAN 4096

static const char *const file_names[] = { "committed.json", "pending.json" };

void record_free(struct record *r)
{
	if (!r)
		return;
	free(r->document);
	free(r->policy);
	free(r->revision);
	free(r->message);
	member_list_free(&r->members);
	free(r);
}

struct record *record_copy(const struct record *r)
{
	struct record *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *r;
	copy->members = (struct member_list){};
	copy->document = strdup(r->document);
	copy->policy = strdup(r->policy);
	copy->revision = strdup(r->revision);
	copy->message = strdup(r->message);
	if (copy->document && copy->policy && copy->revision && copy->message &&
	    member_list_copy(&r->members, &copy->members) == 0)
		return copy;
	record_free(copy);
	return NULL;
}

/* One that is there and can't be read must not make everything that is stored
 * another machine's: the host would come up with no policy. */
static int read_machine_id(char *ret, size_t len)
{
	struct buf b = { 0 };
	int r = buf_read_file(&b, "/etc/machine-id", 4096);

	ret[0] = 0;
	if (!r)
		snprintf(ret, len, "%.*s", (int)strcspn(buf_text(&b), "\n"),
			 buf_text(&b));
	buf_free(&b);
	return r == -ENOENT ? 0 : r;
}

/* Whoever may write there decides what the host comes up with. */
static int make_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return st.st_uid ? -EPERM : 0;
	return st.st_mode & 077 && fchmod(fd, 0700) < 0 ? -errno : 0;
}

static int make_dir(int at, const char *path)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = make_private(fd);
	return r ? r : TAKE_FD(fd);
}

/* The folders above the state directory, like mkdir -p. */
static int make_parents(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	char *slash;

	if (!copy)
		return -ENOMEM;
	for (slash = strchr(copy + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

int state_open(const char *path, struct state **ret)
{
	struct state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dir = s->history = -1;
	r = read_machine_id(s->machine, sizeof(s->machine));
	if (!r)
		r = make_parents(path);
	if (!r) {
		r = s->dir = make_dir(AT_FDCWD, path);
		/* Two agents would boot with each other's policies. */
		if (r >= 0 && flock(r, LOCK_EX | LOCK_NB) < 0 &&
		    errno == EWOULDBLOCK)
			r = -EBUSY;
		if (r >= 0)
			r = s->history = make_dir(s->dir, "history");
	}
	if (r < 0) {
		state_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	closep(&s->dir);
	closep(&s->history);
	statefile_body_free(&s->words);
	json_decref(s->journal);
	free(s);
}

/* ---- records ---- */

static json_t *record_to_json(const struct state *s, const struct record *r)
{
	return json_pack(
		"{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:i, s:b, s:s, s:o}",
		"machine", s->machine, "generation", (int)r->generation,
		"policy", r->policy, "revision", r->revision, "sha256",
		r->sha256, "message", r->message, "time_ms",
		(json_int_t)r->time_ms, "uid", (int)r->uid, "audit", r->audit,
		"made_by", r->made_by, "members", members_to_json(&r->members));
}

static int record_from_json(const struct state *s, json_t *value,
			    struct record **ret)
{
	const char *machine, *policy, *revision, *sha256, *message, *document;
	const char *made_by;
	json_int_t time_ms;
	int generation, uid, audit;
	struct record r = {};
	struct record *copy;
	int err;

	if (json_unpack(value,
			"{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:i, s:b, "
			"s:s, s:s}",
			"machine", &machine, "generation", &generation,
			"policy", &policy, "revision", &revision, "sha256",
			&sha256, "message", &message, "time_ms", &time_ms,
			"uid", &uid, "audit", &audit, "made_by", &made_by,
			"document", &document))
		return -EBADMSG;
	if (strcmp(machine, s->machine) != 0)
		return -ENOENT;
	snprintf(r.sha256, sizeof(r.sha256), "%s", sha256);
	snprintf(r.made_by, sizeof(r.made_by), "%s", made_by);
	r.document = (char *)document;
	r.policy = (char *)policy;
	r.revision = (char *)revision;
	r.message = (char *)message;
	r.time_ms = time_ms;
	r.uid = (uid_t)uid;
	r.audit = audit;
	r.generation = (uint32_t)generation;
	r.base = r.generation;
	copy = record_copy(&r);
	if (!copy)
		return -ENOMEM;
	/* Absent in files of versions that had none. */
	err = members_from_json(json_object_get(value, "members"),
				&copy->members);
	if (err) {
		record_free(copy);
		return err;
	}
	*ret = copy;
	return 0;
}

static void forget_words(struct state *s)
{
	statefile_body_free(&s->words);
	s->worded = NULL;
}

static int put_in_words(struct state *s, const struct record *r)
{
	json_t *value;
	int err;

	if (s->worded && s->worded == r &&
	    s->worded_generation == r->generation)
		return 0;
	forget_words(s);
	value = record_to_json(s, r);
	err = value ? statefile_body(value, &s->words) : -ENOMEM;
	json_decref(value);
	if (err)
		return err;
	s->words.document = r->document;
	s->worded = r;
	s->worded_generation = r->generation;
	return 0;
}

static int save(struct state *s, int dir, const char *name,
		const struct record *r)
{
	int err = put_in_words(s, r);

	return err ? err : statefile_put(dir, name, &s->words);
}

static int load(const struct state *s, int dir, const char *name,
		struct record **ret)
{
	json_t *value = NULL;
	int err = statefile_read(dir, name, &value);

	if (!err)
		err = record_from_json(s, value, ret);
	json_decref(value);
	return err;
}

int state_save(struct state *s, enum state_slot slot, const struct record *r)
{
	forget_words(s);
	return save(s, s->dir, file_names[slot], r);
}

int state_load(struct state *s, enum state_slot slot, struct record **ret)
{
	return load(s, s->dir, file_names[slot], ret);
}

void history_name(uint32_t generation, const char *suffix, char *ret,
		  size_t len)
{
	snprintf(ret, len, "%08u.%s", generation, suffix);
}

int state_drop_pending(struct state *s)
{
	forget_words(s);
	if (unlinkat(s->dir, file_names[STATE_PENDING], 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return fsync(s->dir) < 0 ? -errno : 0;
}

/* ---- history ---- */

static int newer_first(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* All of them, in any order. */
static size_t history_all(struct state *s, uint32_t *ret)
{
	int fd = openat(s->history, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n = 0;
	unsigned int generation;
	char name[32];

	if (!d) {
		closep(&fd);
		return 0;
	}
	while (n < HISTORY_SCAN && (e = readdir(d))) {
		if (sscanf(e->d_name, "%u", &generation) != 1)
			continue;
		history_name(generation, "json", name, sizeof(name));
		if (strcmp(name, e->d_name) == 0)
			ret[n++] = generation;
	}
	closedir(d);
	return n;
}

/* What was promoted, newest first. */
static size_t bases(struct state *s, uint32_t *ret)
{
	size_t n = history_all(s, ret);

	qsort(ret, n, sizeof(*ret), newer_first);
	return n;
}

/* History first: whoever finds the committed file damaged looks there. */
int state_promote(struct state *s, struct record *r)
{
	uint32_t old[HISTORY_SCAN];
	size_t i, n;
	char name[32];
	int err;

	history_name(r->generation, "json", name, sizeof(name));
	err = save(s, s->history, name, r);
	if (!err)
		err = save(s, s->dir, file_names[STATE_COMMITTED], r);
	if (err)
		return err;
	r->base = r->generation;
	n = bases(s, old);
	for (i = HISTORY_MAX; i < n; i++) {
		history_name(old[i], "json", name, sizeof(name));
		unlinkat(s->history, name, 0);
		history_name(old[i], "members", name, sizeof(name));
		unlinkat(s->history, name, 0);
	}
	/* One that stays says what the committed one says. */
	state_drop_pending(s);
	return 0;
}

size_t state_history(struct state *s, uint32_t *ret, size_t max)
{
	uint32_t all[HISTORY_SCAN];
	size_t i, n = bases(s, all), nbases = n;

	for (i = 0; i < nbases; i++)
		n = state_member_generations(s, all[i], all + n,
					     HISTORY_SCAN - n) +
		    n;
	qsort(all, n, sizeof(*all), newer_first);
	n = n < max ? n : max;
	memcpy(ret, all, n * sizeof(*ret));
	return n;
}

/* One that was promoted, or the newest before it with what followed on it. */
int state_load_generation(struct state *s, uint32_t generation,
			  struct record **ret)
{
	CLEANUP(record) struct record *r = NULL;
	uint32_t all[HISTORY_SCAN];
	size_t i, n = bases(s, all);
	char name[32];
	int err;

	for (i = 0; i + 1 < n && all[i] > generation;)
		i++;
	if (!n || all[i] > generation)
		return -ENOENT;
	history_name(all[i], "json", name, sizeof(name));
	err = load(s, s->history, name, &r);
	if (!err && all[i] != generation)
		err = state_apply_members(s, r, generation);
	if (!err && r->generation != generation)
		err = -ENOENT;
	if (!err)
		*ret = TAKE_PTR(r);
	return err;
}

int state_load_best(struct state *s, struct record **ret, bool *ret_damaged)
{
	uint32_t generations[HISTORY_SCAN];
	int err = state_load(s, STATE_COMMITTED, ret);
	size_t i, n;
	int one;

	*ret_damaged = false;
	if (!err)
		return 0;
	n = bases(s, generations);
	for (i = 0; i < n; i++) {
		one = state_load_generation(s, generations[i], ret);
		if (one == 0) {
			*ret_damaged = true;
			return 0;
		}
		if (err == -ENOENT)
			err = one;
	}
	*ret_damaged = err == -EBADMSG;
	return err;
}

int state_save_json(struct state *s, const char *name, const json_t *value)
{
	return statefile_write(s->dir, name, value);
}

int state_load_json(struct state *s, const char *name, json_t **ret)
{
	return statefile_read(s->dir, name, ret);
}
