// SPDX-License-Identifier: BSD-2-Clause
/*
 * Has the host outlived its XDP? Every way in which a boot begins and ends,
 * and records that can't be read or written (R-08, G17).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/boots.h"
#include "base/clock.h"
#include "support/state_folder.h"

#define SECOND 1000000000ull

static uint64_t now_ns;
static struct boots boots;

static uint64_t fake_boot_ns(void)
{
	return now_ns;
}

static int setup(void **state)
{
	clock_boot_ns = fake_boot_ns;
	now_ns = 20 * SECOND;
	return state_folder_open(state);
}

/* The host comes up, and the agent with it. */
static void boot(struct state *s, const char *id)
{
	now_ns = 20 * SECOND;
	boots_load(&boots, s, id);
}

/* The agent alone is started again. */
static void agent_again(struct state *s)
{
	char id[BOOT_ID_SIZE];

	snprintf(id, sizeof(id), "%s", boots.boot);
	boots_load(&boots, s, id);
}

static void attach(void)
{
	assert_int_equal(boots_begin(&boots, "native", "eth0"), 0);
}

/* A boot in which XDP is attached and the host goes down. */
static void crash(struct state *s, const char *id)
{
	boot(s, id);
	assert_false(boots_held(&boots));
	attach();
}

static const char *why(void)
{
	static char text[256];

	return boots_why(&boots, text, sizeof(text));
}

static void says(const char *part)
{
	assert_non_null(why());
	if (!strstr(why(), part))
		fail_msg("no \"%s\" in \"%s\"", part, why());
}

static void first_boot(void **state)
{
	struct stat st;

	boot(*state, "one");
	assert_false(boots_held(&boots));
	assert_int_equal(boots.unclean, 0);
	/* Nothing is attached: nothing is written. */
	assert_int_equal(boots_check(&boots, false, "native"), 0);
	assert_int_equal(boots_close(&boots), 0);
	assert_int_equal(stat(state_at("xdp.json"), &st), -1);
	attach();
	assert_int_equal(stat(state_at("xdp.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void stopped_in_order(void **state)
{
	for (int i = 0; i < 5; i++) {
		char id[8];

		snprintf(id, sizeof(id), "%d", i);
		crash(*state, id);
		assert_int_equal(boots.unclean, 0);
		assert_int_equal(boots_close(&boots), 0);
	}
}

static void unclean_twice(void **state)
{
	crash(*state, "one");
	boot(*state, "two");
	assert_int_equal(boots.unclean, 1);
	assert_null(why());
	crash(*state, "two");
	boot(*state, "three");
	assert_int_equal(boots.unclean, 2);
	assert_true(boots_held(&boots));
	says("2 boots in a row");
	says("native: eth0");
	says("moatd --retry-xdp");
	assert_int_equal(boots_begin(&boots, "native", "eth0"), -EPERM);
	assert_int_equal(boots_begin(&boots, "generic", "eth0"), -EPERM);
	/* However long it lives, and however it ends. */
	now_ns += 100 * BOOTS_SURVIVED_NS;
	assert_int_equal(boots_check(&boots, false, "native"), 0);
	assert_true(boots_held(&boots));
	assert_int_equal(boots_close(&boots), 0);
	boot(*state, "four");
	assert_true(boots_held(&boots));
	assert_int_equal(boots.unclean, 2);
}

static void tried_again(void **state)
{
	assert_int_equal(boots_forget(state_at("")), -ENOENT);
	crash(*state, "one");
	crash(*state, "two");
	boot(*state, "three");
	assert_true(boots_held(&boots));
	assert_int_equal(boots_forget(state_at("")), 0);
	/* The agent that runs finds out, and knows the boot that it is in. */
	assert_int_equal(boots_check(&boots, false, "native"), 0);
	assert_false(boots_held(&boots));
	assert_null(why());
	attach();
	boot(*state, "four");
	assert_int_equal(boots.unclean, 1);
	assert_false(boots_held(&boots));
}

static void survived(void **state)
{
	crash(*state, "one");
	crash(*state, "two");
	assert_int_equal(boots.unclean, 1);
	now_ns += BOOTS_SURVIVED_NS - 1;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	assert_int_equal(boots.unclean, 1);
	now_ns++;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	assert_int_equal(boots.unclean, 0);
	/* Whatever ends it now, it was not the attach. */
	boot(*state, "three");
	assert_int_equal(boots.unclean, 0);
	crash(*state, "three");
	boot(*state, "four");
	assert_int_equal(boots.unclean, 1);
}

/* A later attach has its own ten minutes. */
static void attached_later(void **state)
{
	crash(*state, "one");
	now_ns += BOOTS_SURVIVED_NS;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	assert_int_equal(boots_begin(&boots, "native", "eth1"), 0);
	boot(*state, "two");
	assert_int_equal(boots.unclean, 1);
	crash(*state, "two");
	now_ns += BOOTS_SURVIVED_NS - 5 * SECOND;
	assert_int_equal(boots_begin(&boots, "native", "eth0"), 0);
	now_ns += BOOTS_SURVIVED_NS - 5 * SECOND;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	boot(*state, "three");
	assert_int_equal(boots.unclean, 2);
}

/* A closed boot is no proof: it neither counts nor sets back. */
static void closed_between(void **state)
{
	crash(*state, "one");
	crash(*state, "two");
	assert_int_equal(boots_close(&boots), 0);
	crash(*state, "three");
	assert_int_equal(boots.unclean, 1);
	boot(*state, "four");
	assert_int_equal(boots.unclean, 2);
	assert_true(boots_held(&boots));
}

/* Killed any number of times, the host lives: the same boot. */
static void agent_killed(void **state)
{
	crash(*state, "one");
	for (int i = 0; i < 5; i++) {
		now_ns += SECOND;
		agent_again(*state);
		assert_int_equal(boots.unclean, 0);
		attach();
	}
	agent_again(*state);
	now_ns += BOOTS_SURVIVED_NS;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	boot(*state, "two");
	assert_int_equal(boots.unclean, 0);
}

/* Stopped and started: what it attached stayed, and so does the question. */
static void agent_restarted(void **state)
{
	crash(*state, "one");
	now_ns += 60 * SECOND;
	assert_int_equal(boots_close(&boots), 0);
	now_ns += SECOND;
	agent_again(*state);
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	boot(*state, "two");
	assert_int_equal(boots.unclean, 1);
	/* The ten minutes are those of the attach. */
	crash(*state, "two");
	now_ns += 60 * SECOND;
	assert_int_equal(boots_close(&boots), 0);
	now_ns += BOOTS_SURVIVED_NS - 60 * SECOND;
	agent_again(*state);
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	assert_int_equal(boots.unclean, 0);
}

/* Taken away again: no proof either, and no longer a question. */
static void taken_away(void **state)
{
	crash(*state, "one");
	crash(*state, "two");
	assert_int_equal(boots_check(&boots, false, "none"), 0);
	now_ns += 2 * BOOTS_SURVIVED_NS;
	assert_int_equal(boots_check(&boots, false, "none"), 0);
	boot(*state, "three");
	assert_int_equal(boots.unclean, 1);
}

/* A driver that refuses has taken nothing down. */
static void refused(void **state)
{
	crash(*state, "one");
	boots_refused(&boots);
	boot(*state, "two");
	assert_int_equal(boots.unclean, 0);
	/* What was before it goes on being so: open, then survived. */
	attach();
	now_ns += 90 * SECOND;
	assert_int_equal(boots_begin(&boots, "native", "eth1"), 0);
	boots_refused(&boots);
	agent_again(*state);
	assert_int_equal(boots.record.ndevices, 1);
	now_ns += BOOTS_SURVIVED_NS - 90 * SECOND;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	assert_int_equal(boots_begin(&boots, "native", "eth1"), 0);
	boots_refused(&boots);
	boot(*state, "three");
	assert_int_equal(boots.unclean, 0);
	/* Nor does it forget what happened before. */
	crash(*state, "three");
	crash(*state, "four");
	boots_refused(&boots);
	boot(*state, "five");
	assert_int_equal(boots.unclean, 1);
}

/* XDP of an agent that kept no record. */
static void adopted(void **state)
{
	boot(*state, "one");
	assert_int_equal(boots_check(&boots, true, "generic"), 0);
	boot(*state, "two");
	assert_int_equal(boots.unclean, 1);
	/* It goes on counting. */
	assert_int_equal(boots_check(&boots, true, "generic"), 0);
	boot(*state, "three");
	assert_int_equal(boots.unclean, 2);
}

/* Another mode has devices of its own. */
static void other_mode(void **state)
{
	char what[96];

	boot(*state, "one");
	attach();
	assert_int_equal(boots_begin(&boots, "generic", "eth1"), 0);
	agent_again(*state);
	assert_string_equal(boots_what(&boots, what, sizeof(what)),
			    "generic: eth1");
}

/* Many devices are one burst, and few words. */
static void many_devices(void **state)
{
	char name[IF_NAMESIZE], what[96];
	struct stat before, after;

	boot(*state, "one");
	now_ns += 100 * SECOND;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		assert_int_equal(boots_begin(&boots, "native", name), 0);
		if (i == BOOTS_DEVICES)
			assert_int_equal(stat(state_at("xdp.json"), &before),
					 0);
	}
	assert_int_equal(stat(state_at("xdp.json"), &after), 0);
	assert_true(before.st_ino == after.st_ino &&
		    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	agent_again(*state);
	assert_string_equal(boots_what(&boots, what, sizeof(what)),
			    "native: eth0, eth1, eth2 and 5 more");
	/* Not for ever: the ten minutes on the disk follow. */
	now_ns += 61 * SECOND;
	assert_int_equal(boots_begin(&boots, "native", "eth0"), 0);
	agent_again(*state);
	assert_true(boots.record.at_ns == now_ns);
}

static char *slurp(size_t *ret_len)
{
	static char text[4096];
	int fd = open(state_at("xdp.json"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text));

	assert_true(fd >= 0 && n > 0);
	close(fd);
	*ret_len = (size_t)n;
	return text;
}

static void spill(const char *text, size_t len)
{
	int fd = open(state_at("xdp.json"),
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	close(fd);
}

/* Whatever byte of it is damaged, XDP is not attached. */
static void damaged(void **state)
{
	size_t len, i;
	char *text;

	crash(*state, "one");
	text = slurp(&len);
	for (i = 0; i <= len; i++) {
		if (i < len)
			text[i] ^= 1;
		/* The last time a file that was cut. */
		spill(text, i < len ? len : len / 2);
		if (i < len)
			text[i] ^= 1;
		boot(*state, "two");
		assert_int_equal(boots.unreadable, -EBADMSG);
		assert_true(boots_held(&boots));
		says("damaged");
		says("moatd --retry-xdp");
		assert_int_equal(boots_begin(&boots, "native", "eth0"), -EPERM);
	}
	/* What is attached stays, and no agent mends it by itself. */
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	assert_true(boots_held(&boots));
	assert_int_equal(boots_close(&boots), 0);
	assert_int_equal(boots_forget(state_at("")), 0);
	assert_int_equal(boots_check(&boots, false, "native"), 0);
	assert_false(boots_held(&boots));
}

/* A checksum that fits, over words that are not ours. */
static void strange(void **state)
{
#define RECORD(boot, ms, end, unclean, mode, devices) \
	"{\"boot\": \"" boot "\", \"boottime_ms\": " ms ", \"end\": \"" end \
	"\", \"unclean\": " unclean ", \"mode\": \"" mode "\", " \
	"\"ndevices\": " devices ", \"devices\": []}"
	static const char *const texts[] = {
		"{}",
		RECORD("", "1", "open", "1", "native", "0"),
		RECORD("one", "-1", "open", "0", "native", "0"),
		RECORD("one", "9223372036855", "open", "0", "native", "0"),
		RECORD("one", "1", "over", "0", "native", "0"),
		RECORD("one", "1", "open", "-1", "native", "0"),
		RECORD("one", "1", "open", "0", "a mode that is too long", "0"),
		RECORD("one", "1", "open", "0", "native", "-1"),
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = json_loads(texts[i], 0, NULL);

		assert_int_equal(state_save_json(*state, "xdp.json", value), 0);
		json_decref(value);
		boot(*state, "two");
		assert_int_equal(boots.unreadable, -EBADMSG);
		assert_true(boots_held(&boots));
	}
}

/* A link in its place is not followed: another error than damage. */
static void unreadable(void **state)
{
	crash(*state, "one");
	assert_int_equal(unlink(state_at("xdp.json")), 0);
	assert_int_equal(symlink("/dev/null", state_at("xdp.json")), 0);
	boot(*state, "two");
	assert_int_equal(boots.unreadable, -ELOOP);
	assert_true(boots_held(&boots));
	says(strerror(ELOOP));
	/* As soon as it can be read again, it is. */
	assert_int_equal(unlink(state_at("xdp.json")), 0);
	assert_int_equal(boots_check(&boots, false, "native"), 0);
	assert_false(boots_held(&boots));
}

/* Without the id of this boot nothing can be said of any. */
static void no_boot_id(void **state)
{
	boot(*state, "");
	assert_true(boots_held(&boots));
	assert_int_equal(boots_begin(&boots, "native", "eth0"), -EPERM);
	assert_int_equal(boots_check(&boots, false, "native"), 0);
	assert_false(boots_held(&boots));
	assert_int_equal(strlen(boots.boot), 36);
}

/* A folder in the place of the temporary file: no write succeeds. */
static void unwritable(void **state)
{
	boot(*state, "one");
	assert_int_equal(mkdir(state_at("xdp.json.tmp"), 0700), 0);
	assert_int_equal(boots_begin(&boots, "native", "eth0"), -EISDIR);
	says("can't be recorded");
	assert_false(boots_held(&boots)); /* it is tried again */
	assert_int_equal(rmdir(state_at("xdp.json.tmp")), 0);
	attach();
	assert_null(why());
	/* One that can't be closed counts, one that can't be kept waits. */
	assert_int_equal(mkdir(state_at("xdp.json.tmp"), 0700), 0);
	now_ns += BOOTS_SURVIVED_NS;
	assert_int_equal(boots_check(&boots, true, "native"), -EISDIR);
	assert_int_equal(boots_close(&boots), -EISDIR);
	assert_int_equal(boots_begin(&boots, "generic", "eth0"), -EISDIR);
	says("can't be recorded");
	assert_int_equal(rmdir(state_at("xdp.json.tmp")), 0);
	boots_refused(&boots);
	assert_null(why());
	boot(*state, "two");
	assert_int_equal(boots.unclean, 1);
}

/* A clock that seems to have gone back: the ten minutes begin anew. */
static void other_origin(void **state)
{
	crash(*state, "one");
	now_ns = 3 * SECOND;
	agent_again(*state);
	assert_true(boots.record.at_ns == now_ns);
	now_ns += BOOTS_SURVIVED_NS - 1;
	assert_int_equal(boots_check(&boots, true, "native"), 0);
	boot(*state, "two");
	assert_int_equal(boots.unclean, 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, state_folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_boot),      TEST(stopped_in_order),
		TEST(unclean_twice),   TEST(tried_again),
		TEST(survived),	       TEST(attached_later),
		TEST(closed_between),  TEST(agent_killed),
		TEST(agent_restarted), TEST(taken_away),
		TEST(refused),	       TEST(adopted),
		TEST(other_mode),      TEST(many_devices),
		TEST(damaged),	       TEST(strange),
		TEST(unreadable),      TEST(no_boot_id),
		TEST(unwritable),      TEST(other_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
