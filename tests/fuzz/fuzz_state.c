// SPDX-License-Identifier: BSD-2-Clause
/*
 * Saved state: any bytes as a file of the state directory. The first byte of
 * an input says which: 'c' committed.json, 'h' one of the history, 's'
 * slots.json, 'p' programs.json, 'x' xdp.json, and gets the first line with its
 * checksum, as a file would that somebody wrote on purpose; a capital takes the bytes as
 * they are. In the line of JSON a first "@" between quotes becomes this
 * machine's id, a first "#" the checksum of the document behind the line.
 */
#include "fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/sha256.h"

static char folder[64];
static struct state *state;
static struct buf machine;

static const struct {
	char which;
	const char *name;
} files[] = {
	{ 'c', "committed.json" }, { 'h', "history/00000007.json" },
	{ 's', "slots.json" },	   { 'p', "programs.json" },
	{ 'x', "xdp.json" },
};

static void remove_files(void)
{
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
		unlink(path);
	}
}

static void leave(void)
{
	char path[128];

	remove_files();
	state_close(state);
	snprintf(path, sizeof(path), "%s/history", folder);
	rmdir(path);
	rmdir(folder);
	buf_free(&machine);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(folder, sizeof(folder), "%s/moat-fuzz-XXXXXX", where);
	must(mkdtemp(folder) != NULL);
	must(state_open(folder, &state) == 0);
	if (buf_read_file(&machine, "/etc/machine-id", 4096))
		buf_reset(&machine);
	machine.len = strcspn(buf_text(&machine), "\n");
	if (machine.data)
		machine.data[machine.len] = '\0';
	log_set_level(LOG_LEVEL_ERROR);
	atexit(leave);
	return 0;
}

static void put(const char *name, const struct buf *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0);
	must(write(fd, buf_text(text), text->len) == (ssize_t)text->len);
	close(fd);
}

/* Adds a line, what in the place of a first word (two quotes around one). */
static void add_filled(struct buf *to, const struct buf *line, const char *word,
		       const char *what)
{
	const char *at = memmem(buf_text(line), line->len, word, 3);

	if (!at) {
		buf_add(to, buf_text(line), line->len);
		return;
	}
	buf_add(to, line->data, (size_t)(at + 1 - line->data));
	buf_puts(to, what);
	at += 2;
	buf_add(to, at, (size_t)(line->data + line->len - at));
}

/* A file with its checksums; version 2 has a document behind the JSON. */
static void make(const uint8_t *data, size_t size, struct buf *ret)
{
	const uint8_t *newline = memchr(data, '\n', size);
	size_t len = newline ? (size_t)(newline - data) : size;
	struct buf line = { 0 }, named = { 0 }, filled = { 0 };
	char sum[SHA256_TEXT];

	if (newline)
		sha256_text(newline + 1, size - len - 1, sum);
	else
		sha256_text("", 0, sum);
	buf_add(&line, data, len);
	add_filled(&named, &line, "\"@\"", buf_text(&machine));
	add_filled(&filled, &named, "\"#\"", sum);
	sha256_text(buf_text(&filled), filled.len, sum);
	buf_printf(ret, "moat-state %d %s\n", newline ? 2 : 1, sum);
	buf_add(ret, buf_text(&filled), filled.len);
	if (newline)
		buf_add(ret, newline, size - len);
	buf_free(&line);
	buf_free(&named);
	buf_free(&filled);
}

/* Takes r. As the agent takes the policy it starts with. */
static void check_record(struct record *r)
{
	struct record *copy = record_copy(r), *again = NULL;
	struct diags diags = { 0 };
	struct held *held = NULL;
	int err;

	must(copy != NULL);
	err = held_restore(r, &diags, &held);
	must(!err == !!held && (!err || diags.errors));
	if (held)
		held_free(held);
	else
		record_free(r);
	diags_free(&diags);
	/* What was loaded and is saved is loaded as it was. */
	must(state_save(state, STATE_PENDING, copy) == 0);
	must(state_load(state, STATE_PENDING, &again) == 0);
	must(strcmp(copy->document, again->document) == 0);
	must(strcmp(copy->sha256, again->sha256) == 0);
	must(copy->generation == again->generation);
	must(copy->uid == again->uid && copy->audit == again->audit);
	must(state_drop_pending(state) == 0);
	record_free(copy);
	record_free(again);
}

static void check_policies(void)
{
	struct record *r = NULL;
	bool damaged = false;
	uint32_t newest = 0;
	int err = state_load_best(state, &r, &damaged);

	must(!err == !!r);
	must(state_history(state, &newest, 1) <= 1);
	if (r)
		check_record(r);
	else
		must(err == -ENOENT || err == -EBADMSG);
}

/* Slots as the agent would go on with, and save, them. */
static void check_slots(void)
{
	struct agent a = { .state = state }, b = { .state = state };
	int err = agent_load_slots(&a);
	char name[256];

	for (size_t i = 0; i < a.slots.count; i++) {
		slot_name(&a.slots, i, name, sizeof(name));
		must(!a.slots.ids[i].owner ||
		     (unsigned int)a.slots.ids[i].direction <= MOAT_EGRESS);
	}
	if (!err) {
		must(agent_save_slots(&a, &a.slots) == 0);
		must(agent_load_slots(&b) == 0);
		must(a.slots.count == b.slots.count);
	}
	slots_free(&a.slots);
	slots_free(&b.slots);
	free(a.slot_base);
	free(b.slot_base);
}

static void check_programs(void)
{
	json_t *file = NULL;
	int err = state_load_json(state, "programs.json", &file);

	must(!err == !!file);
	json_decref(file);
}

/* Either nothing is attached, or what is can be recorded and read again. */
static void check_boots(void)
{
	struct boots b, again;

	boots_load(&b, state, "this boot");
	must(!b.unreadable || b.unreadable == -EBADMSG);
	if (boots_held(&b)) {
		must(boots_begin(&b, "native", "eth0") == -EPERM);
		return;
	}
	must(boots_begin(&b, "native", "eth0") == 0);
	boots_load(&again, state, "another boot");
	must(!again.unreadable && again.unclean == b.unclean + 1);
	must(boots_close(&b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = { 0 };

	if (!size)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (tolower(data[0]) != files[i].which)
			continue;
		if (isupper(data[0]))
			buf_add(&text, data + 1, size - 1);
		else
			make(data + 1, size - 1, &text);
		put(files[i].name, &text);
		check_policies();
		check_slots();
		check_programs();
		check_boots();
		remove_files();
	}
	buf_free(&text);
	return 0;
}
