// SPDX-License-Identifier: BSD-2-Clause
/* The record of XDP attaches, and what it says of former boots. */
#include "agent/boots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define FILE_NAME "xdp.json"
#define FRESH_NS (60 * 1000000000ull) /* a burst of attaches is one */
#define NS_PER_MS 1000000
#define NAMED 3 /* devices, in a text for people */

static const char *const ends[] = { [BOOTS_OPEN] = "open",
				    [BOOTS_SURVIVED] = "survived",
				    [BOOTS_CLOSED] = "closed" };

int boot_id(char ret[BOOT_ID_SIZE])
{
	struct buf b = {};
	int r = buf_read_file(&b, "/proc/sys/kernel/random/boot_id", 4096);

	ret[0] = 0;
	if (!r)
		snprintf(ret, BOOT_ID_SIZE, "%.*s",
			 (int)strcspn(buf_text(&b), "\n"), buf_text(&b));
	buf_free(&b);
	return r ? r : ret[0] ? 0 : -EIO;
}

/* ---- on disk ---- */

static json_t *to_json(const struct boots_record *r)
{
	json_t *devices = json_array();
	size_t i;

	for (i = 0; i < r->ndevices && i < BOOTS_DEVICES; i++)
		json_array_append_new(devices, json_string(r->device[i]));
	return json_pack("{s:s, s:I, s:s, s:i, s:s, s:i, s:o}", "boot", r->boot,
			 "boottime_ms", (json_int_t)(r->at_ns / NS_PER_MS),
			 "end", ends[r->end], "unclean", (int)r->unclean,
			 "mode", r->mode, "ndevices", (int)r->ndevices,
			 "devices", devices);
}

static int end_of(const char *word)
{
	int e = BOOTS_CLOSED;

	while (e >= 0 && strcmp(ends[e], word) != 0)
		e--;
	return e;
}

static int from_json(json_t *value, struct boots_record *ret)
{
	struct boots_record r = {};
	const char *boot, *end, *mode;
	json_t *devices, *one;
	json_int_t at_ms;
	int unclean, ndevices, e;
	size_t i;

	if (json_unpack(value, "{s:s, s:I, s:s, s:i, s:s, s:i, s:o}", "boot",
			&boot, "boottime_ms", &at_ms, "end", &end, "unclean",
			&unclean, "mode", &mode, "ndevices", &ndevices,
			"devices", &devices))
		return -EBADMSG;
	e = end_of(end);
	if (e < 0 || !boot[0] || strlen(boot) >= sizeof(r.boot) ||
	    strlen(mode) >= sizeof(r.mode) || at_ms < 0 ||
	    at_ms > INT64_MAX / NS_PER_MS || unclean < 0 || ndevices < 0)
		return -EBADMSG;
	snprintf(r.boot, sizeof(r.boot), "%s", boot);
	snprintf(r.mode, sizeof(r.mode), "%s", mode);
	r.at_ns = (uint64_t)at_ms * NS_PER_MS;
	r.end = (enum boots_end)e;
	r.unclean = (unsigned int)unclean;
	json_array_foreach(devices, i, one)
		if (i < BOOTS_DEVICES)
			snprintf(r.device[i], sizeof(r.device[i]), "%s",
				 json_string_value(one) ?: "");
	r.ndevices = (size_t)ndevices;
	*ret = r;
	return 0;
}

/* The record is what is on disk: a failure leaves both as they were. */
static int put(struct boots *b, const struct boots_record *r)
{
	json_t *value = to_json(r);
	int err = value ? state_save_json(b->state, FILE_NAME, value) : -ENOMEM;

	json_decref(value);
	if (err)
		return err;
	b->unwritable = 0;
	b->record = *r;
	b->written_ns = r->at_ns;
	return 0;
}

static bool of_this_boot(const struct boots *b, const struct boots_record *r)
{
	return r->boot[0] && strcmp(r->boot, b->boot) == 0;
}

static bool is_open(const struct boots *b)
{
	return of_this_boot(b, &b->record) && b->record.end == BOOTS_OPEN;
}

void boots_load(struct boots *b, struct state *s, const char *boot)
{
	struct boots_record r = {};
	json_t *value = NULL;
	int err = state_load_json(s, FILE_NAME, &value);

	if (!err)
		err = from_json(value, &r);
	json_decref(value);
	if (err == -ENOENT)
		err = 0;
	/* Whether the record is of this boot must be known. */
	if (!err && !boot[0])
		err = -EIO;
	memset(b, 0, sizeof(*b));
	b->state = s;
	b->unreadable = err;
	snprintf(b->boot, sizeof(b->boot), "%s", boot);
	if (err)
		return;
	b->record = r;
	b->unclean = r.unclean;
	if (r.boot[0] && !of_this_boot(b, &r) && r.end == BOOTS_OPEN)
		b->unclean++;
	/* A time namespace may have another origin. */
	if (of_this_boot(b, &r) && r.at_ns > clock_boot_ns())
		b->record.at_ns = clock_boot_ns();
	b->written_ns = b->record.at_ns;
}

/* ---- what it says ---- */

bool boots_held(const struct boots *b)
{
	return b->unreadable || b->unclean >= BOOTS_UNCLEAN_MAX;
}

const char *boots_what(const struct boots *b, char *buf, size_t len)
{
	const struct boots_record *r = &b->record;
	int at = snprintf(buf, len, "%s", r->mode);
	size_t i;

	for (i = 0; i < r->ndevices && i < NAMED && (size_t)at < len; i++)
		at += snprintf(buf + at, len - (size_t)at, "%s%s",
			       i ? ", " : ": ", r->device[i]);
	if (r->ndevices > NAMED && (size_t)at < len)
		snprintf(buf + at, len - (size_t)at, " and %zu more",
			 r->ndevices - NAMED);
	return buf;
}

const char *boots_why(const struct boots *b, char *buf, size_t len)
{
	char what[96];

	if (b->unreadable == -EBADMSG)
		snprintf(buf, len,
			 "the record of its last attach is damaged; "
			 "moatd --retry-xdp tries again");
	else if (b->unreadable)
		snprintf(buf, len, "the record of its last attach: %s",
			 strerror(-b->unreadable));
	else if (b->unclean >= BOOTS_UNCLEAN_MAX)
		snprintf(buf, len,
			 "%u boots in a row ended uncleanly within 10 minutes "
			 "of attaching it (%s); moatd --retry-xdp tries again",
			 b->unclean, boots_what(b, what, sizeof(what)));
	else if (b->unwritable)
		snprintf(buf, len, "its attach can't be recorded: %s",
			 strerror(-b->unwritable));
	else
		return NULL;
	return buf;
}

/* ---- attaches ---- */

static void add_device(struct boots_record *r, const char *device)
{
	size_t i;

	for (i = 0; i < r->ndevices && i < BOOTS_DEVICES; i++)
		if (strcmp(r->device[i], device) == 0)
			return;
	if (i < BOOTS_DEVICES)
		snprintf(r->device[i], sizeof(r->device[i]), "%s", device);
	r->ndevices++;
}

static bool lists(const struct boots_record *r, const char *device)
{
	struct boots_record copy = *r;

	add_device(&copy, device);
	return copy.ndevices == r->ndevices || r->ndevices >= BOOTS_DEVICES;
}

int boots_begin(struct boots *b, const char *mode, const char *device)
{
	struct boots_record next = {};
	uint64_t now = clock_boot_ns();
	bool covered = is_open(b) && strcmp(b->record.mode, mode) == 0 &&
		       lists(&b->record, device) &&
		       now - b->written_ns < FRESH_NS;
	int err;

	if (boots_held(b))
		return -EPERM;
	b->before = b->record;
	if (covered) {
		b->record.at_ns = now;
		return 0;
	}
	if (is_open(b) && strcmp(b->record.mode, mode) == 0)
		next = b->record;
	snprintf(next.boot, sizeof(next.boot), "%s", b->boot);
	snprintf(next.mode, sizeof(next.mode), "%s", mode);
	next.at_ns = now;
	next.end = BOOTS_OPEN;
	next.unclean = b->unclean;
	add_device(&next, device);
	err = put(b, &next);
	b->unwritable = err;
	return err;
}

void boots_refused(struct boots *b)
{
	struct boots_record back = b->before;

	/* It was lived through: what another boot did is in the count. */
	if (!of_this_boot(b, &back)) {
		back = b->record;
		back.end = BOOTS_CLOSED;
	}
	/* One that stays open is closed or survived by boots_check(). */
	put(b, &back);
}

static int end(struct boots *b, enum boots_end how)
{
	struct boots_record next = b->record;
	int err;

	next.end = how;
	if (how == BOOTS_SURVIVED)
		next.unclean = 0;
	err = put(b, &next);
	if (!err)
		b->unclean = next.unclean;
	return err;
}

/* XDP that is there, of an agent that kept no record: it counts from now. */
static int adopt(struct boots *b, const char *mode)
{
	struct boots_record next = { .at_ns = clock_boot_ns(),
				     .end = BOOTS_OPEN,
				     .unclean = b->unclean };

	snprintf(next.boot, sizeof(next.boot), "%s", b->boot);
	snprintf(next.mode, sizeof(next.mode), "%s", mode);
	return put(b, &next);
}

/* Somebody may have said --retry-xdp, or what failed works again. */
static void look_again(struct boots *b)
{
	char boot[BOOT_ID_SIZE];

	snprintf(boot, sizeof(boot), "%s", b->boot);
	if (!boot[0])
		boot_id(boot);
	boots_load(b, b->state, boot);
}

int boots_check(struct boots *b, bool attached, const char *mode)
{
	int err = 0;

	if (boots_held(b))
		look_again(b);
	if (boots_held(b))
		return 0;
	if (!of_this_boot(b, &b->record))
		return attached ? adopt(b, mode) : 0;
	if (!attached)
		return is_open(b) ? end(b, BOOTS_CLOSED) : 0;
	/* Closed by an agent that was stopped; what it attached stayed. */
	if (b->record.end == BOOTS_CLOSED)
		err = end(b, BOOTS_OPEN);
	if (!err && is_open(b) &&
	    clock_boot_ns() - b->record.at_ns >= BOOTS_SURVIVED_NS)
		err = end(b, BOOTS_SURVIVED);
	return err;
}

int boots_close(struct boots *b)
{
	return is_open(b) ? end(b, BOOTS_CLOSED) : 0;
}

int boots_forget(const char *state_path)
{
	_cleanup_close_ int dir = open(state_path,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || unlinkat(dir, FILE_NAME, 0) < 0 || fsync(dir) < 0)
		return -errno;
	return 0;
}
