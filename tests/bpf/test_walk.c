// SPDX-License-Identifier: BSD-2-Clause
/*
 * P8: walks over flow tables whose calls fail, and that change under the
 * walk. syscall() is replaced here, so that it is known which calls failed;
 * the part of a call that "failed" half-way is really done.
 */
#include "bpf/numbered.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/private.h"

#define ENTRIES 3000
#define ROOM 16384
#define WALKS 60

/* ---- calls that fail ---- */

static struct faults {
	int error;	/* 0: none */
	unsigned every; /* each so many-th call; 1: all */
	unsigned calls, failed;
	__u32 asked;	   /* entries that the last failed one asked for */
	bool grew, shrank; /* the call after it asked for more, less */
	bool half;	   /* deletions: some were done before */
	struct moat_flow_key never; /* deletions of this one fail */
} fault;

static bool fails(void)
{
	return fault.error && ++fault.calls % fault.every == 0;
}

typedef long (*syscall_fn)(long number, ...);

static long real_bpf(long cmd, union bpf_attr *attr, long size)
{
	syscall_fn real = (syscall_fn)dlsym(RTLD_NEXT, "syscall");

	return real(SYS_bpf, cmd, attr, size);
}

static long failed(void)
{
	fault.failed++;
	errno = fault.error;
	return -1;
}

static long lookup(union bpf_attr *attr, long size)
{
	__u32 count = attr->batch.count;

	if (fault.asked) {
		fault.grew |= count > fault.asked;
		fault.shrank |= count < fault.asked;
	}
	fault.asked = 0;
	if (!fails())
		return real_bpf(BPF_MAP_LOOKUP_BATCH, attr, size);
	/* What is left in the arguments is of no worth. */
	fault.asked = count;
	memset((void *)(uintptr_t)attr->batch.keys, 0xee,
	       count * sizeof(struct moat_flow_key));
	memset((void *)(uintptr_t)attr->batch.out_batch, 0xee, sizeof(__u32));
	return failed();
}

static bool is_never(const struct moat_flow_key *k)
{
	return fault.never.proto && !memcmp(k, &fault.never, sizeof(*k));
}

static long delete_batch(union bpf_attr *attr, long size)
{
	const struct moat_flow_key *k = (void *)(uintptr_t)attr->batch.keys;
	__u32 before = 0, count = attr->batch.count;

	while (before < count && !is_never(&k[before]))
		before++;
	if (before == count && !fails())
		return real_bpf(BPF_MAP_DELETE_BATCH, attr, size);
	if (before == count && fault.half)
		before = count / 2;
	/* Where the system call was never made the count is the caller's. */
	if (before == count)
		return failed();
	attr->batch.count = before;
	if (before && real_bpf(BPF_MAP_DELETE_BATCH, attr, size))
		return -1;
	attr->batch.count = before;
	return failed();
}

static long delete_one(union bpf_attr *attr, long size)
{
	if (!is_never((void *)(uintptr_t)attr->key))
		return real_bpf(BPF_MAP_DELETE_ELEM, attr, size);
	errno = fault.error;
	return -1;
}

/* All system calls that libbpf makes, and a few of others, come by here. */
long syscall(long number, ...)
{
	union bpf_attr *attr;
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	attr = (union bpf_attr *)a[1];
	if (number == SYS_bpf && a[0] == BPF_MAP_LOOKUP_BATCH)
		return lookup(attr, a[2]);
	if (number == SYS_bpf && a[0] == BPF_MAP_DELETE_BATCH)
		return delete_batch(attr, a[2]);
	if (number == SYS_bpf && a[0] == BPF_MAP_DELETE_ELEM)
		return delete_one(attr, a[2]);
	return ((syscall_fn)dlsym(RTLD_NEXT, "syscall"))(
		number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- entries ---- */

static int begin(void **state)
{
	fault = (struct faults){};
	*state = numbered_open(ROOM);
	return 0;
}

static int end(void **state)
{
	fault = (struct faults){};
	harness_close(*state);
	return 0;
}

struct seen {
	unsigned char times[ROOM];
	size_t wrong;
};

static bool see(const struct flow_record *r, void *arg)
{
	struct seen *s = arg;
	unsigned n = numbered_of(r, ROOM);

	if (n == ROOM)
		s->wrong++;
	else
		s->times[n]++;
	return true;
}

static struct flows_retries retries(struct harness *h)
{
	struct flows_retries r;

	flows_retries(h->dp, &r);
	return r;
}

/* ---- lookups ---- */

static void every_entry_once_whatever_fails(void **state)
{
	static const struct {
		int error;
		enum flows_retry as;
	} errors[] = {
		{ EBUSY, FLOWS_RETRY_BUSY },	 { EDEADLK, FLOWS_RETRY_BUSY },
		{ ETIMEDOUT, FLOWS_RETRY_BUSY }, { ENOMEM, FLOWS_RETRY_NOMEM },
		{ EAGAIN, FLOWS_RETRY_AGAIN },	 { EINTR, FLOWS_RETRY_AGAIN },
		{ ENOSPC, FLOWS_RETRY_SPACE },
	};
	struct harness *h = *state;

	for (unsigned n = 0; n < ENTRIES; n++)
		numbered_put(h, MOAT_TABLE_FLOWS, n, 600);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		static struct seen seen;
		struct flow_slice s = { .max = 256, .fn = see, .arg = &seen };
		__u64 before = retries(h).count[errors[i].as];
		int rc;

		seen = (struct seen){};
		fault = (struct faults){ .error = errors[i].error, .every = 3 };
		do
			rc = flows_walk(h->dp, &s);
		while (rc > 0);
		assert_int_equal(rc, 0);
		assert_true(fault.failed >= 3);
		assert_int_equal(retries(h).count[errors[i].as] - before,
				 fault.failed);
		assert_int_equal(fault.grew, errors[i].error == ENOSPC);
		assert_int_equal(fault.shrank, errors[i].error != ENOSPC);
		assert_int_equal(seen.wrong, 0);
		for (unsigned n = 0; n < ENTRIES; n++)
			assert_int_equal(seen.times[n], 1);
	}
}

/* The loop has its turn between the attempts, and then it is an error. */
static void busy_for_good(void **state)
{
	struct harness *h = *state;
	static struct seen seen;
	struct flow_slice s = { .max = 256, .fn = see, .arg = &seen };
	unsigned slices = 0;
	int rc;

	numbered_put(h, MOAT_TABLE_FLOWS, 1, 600);
	fault = (struct faults){ .error = EBUSY, .every = 1 };
	do {
		unsigned before = fault.calls;

		rc = flows_walk(h->dp, &s);
		slices++;
		assert_in_range(fault.calls - before, 1, 4);
	} while (rc > 0);
	assert_int_equal(rc, -EBUSY);
	assert_int_equal(slices, 64);
	assert_null(s.cursor);
	assert_int_equal(retries(h).count[FLOWS_RETRY_BUSY], fault.failed);
	assert_int_equal(seen.times[1], 0);
	/* What is no passing trouble ends the walk at once. */
	fault = (struct faults){ .error = EPERM, .every = 1 };
	assert_int_equal(flows_expire(h->dp, &s), -EPERM);
	assert_int_equal(fault.calls, 1);
	assert_null(s.cursor);
	assert_int_equal(s.live + s.deleted, 0);
}

/* ---- deletions ---- */

static void put_both(struct harness *h)
{
	for (unsigned n = 0; n < ENTRIES; n++)
		numbered_put(h, MOAT_TABLE_UDP, n, n % 2 ? 600 : -60);
}

static void assert_the_dead_alone_went(struct harness *h)
{
	for (unsigned n = 0; n < ENTRIES; n++)
		assert_int_equal(numbered_there(h, MOAT_TABLE_UDP, n), n % 2);
}

/* Each batch fails, half-way or before its first key. */
static void deletions_that_fail(void **state)
{
	struct harness *h = *state;

	for (int half = 0; half < 2; half++) {
		struct flow_slice s = { .table = MOAT_TABLE_UDP, .max = 512 };

		put_both(h);
		fault = (struct faults){ .error = EBUSY,
					 .every = 3,
					 .half = half };
		numbered_expire(h, &s);
		assert_true(fault.failed > 0);
		fault.error = 0;
		assert_int_equal(s.deleted, ENTRIES / 2);
		assert_int_equal(s.live, ENTRIES / 2);
		assert_the_dead_alone_went(h);
	}
	assert_int_equal(retries(h).undeleted, 0);
}

/* One that can't be deleted holds up no other, and goes with the next walk. */
static void one_that_stays(void **state)
{
	struct harness *h = *state;
	struct flow_slice s = { .table = MOAT_TABLE_UDP, .max = 512 };

	put_both(h);
	fault = (struct faults){ .error = EBUSY,
				 .every = 1 << 30,
				 .never = numbered_key(100) };
	numbered_expire(h, &s);
	assert_int_equal(s.deleted, ENTRIES / 2 - 1);
	assert_true(numbered_there(h, MOAT_TABLE_UDP, 100));
	assert_int_equal(retries(h).undeleted, 1);
	assert_true(retries(h).count[FLOWS_RETRY_BUSY] >= 4);
	fault = (struct faults){};
	numbered_expire(h, &s);
	assert_int_equal(s.deleted, ENTRIES / 2);
	assert_int_equal(retries(h).undeleted, 1);
	assert_the_dead_alone_went(h);
}

/* Somebody else deletes some between the look and the deletion. */
static bool delete_some(const struct flow_record *r, void *arg)
{
	struct harness *h = arg;

	if (r->flow.word % 3 == 0)
		bpf_map_delete_elem(harness_map(h, "udp"), &r->key);
	return true;
}

static void some_are_gone(void **state)
{
	struct harness *h = *state;
	struct flow_slice s = {
		.table = MOAT_TABLE_UDP, .max = 512, .fn = delete_some, .arg = h
	};

	put_both(h);
	numbered_expire(h, &s);
	assert_int_equal(s.deleted, ENTRIES / 2 - ENTRIES / 6);
	assert_int_equal(s.live, ENTRIES / 2);
	assert_int_equal(retries(h).undeleted, 0);
	assert_the_dead_alone_went(h);
}

/* ---- a table that changes under the walk ---- */

struct churn {
	struct harness *h;
	volatile bool stop;
	volatile size_t rounds;
};

/* Live and long expired ones come and go all the time. */
static void *come_and_go(void *arg)
{
	struct churn *c = arg;
	int fd = harness_map(c->h, "flows");

	for (size_t i = 0; !c->stop; i++) {
		unsigned n = ENTRIES + i * 7919 % (ROOM / 2 - ENTRIES);
		struct moat_flow_key k = numbered_key(n);

		numbered_put(c->h, MOAT_TABLE_FLOWS, n, i % 2 ? 600 : -60);
		if (i % 4 == 1)
			bpf_map_delete_elem(fd, &k);
		c->rounds = i;
	}
	return NULL;
}

static bool stays(const struct flow_record *r, void *arg)
{
	return see(r, arg);
}

static void churn(void **state)
{
	struct churn c = { .h = *state };
	unsigned dead = ROOM / 2;
	static struct seen seen;
	pthread_t thread;

	for (unsigned n = 0; n < ENTRIES; n++)
		numbered_put(c.h, MOAT_TABLE_FLOWS, n, 600);
	assert_int_equal(pthread_create(&thread, NULL, come_and_go, &c), 0);
	for (unsigned i = 0; i < WALKS; i++) {
		struct flow_slice s = { .max = 128,
					.stays = stays,
					.arg = &seen };

		seen = (struct seen){};
		for (unsigned n = 0; n < 200; n++)
			numbered_put(c.h, MOAT_TABLE_FLOWS, dead + n, -60);
		numbered_expire(c.h, &s);
		assert_int_equal(seen.wrong, 0);
		/* Those that were there all the time came once, and stay. */
		for (unsigned n = 0; n < ENTRIES; n++)
			assert_int_equal(seen.times[n], 1);
		for (unsigned n = 0; n < 200; n++)
			assert_false(numbered_there(c.h, MOAT_TABLE_FLOWS,
						    dead + n));
	}
	c.stop = true;
	pthread_join(thread, NULL);
	assert_true(c.rounds > 10000);
	for (unsigned n = 0; n < ENTRIES; n++)
		assert_true(numbered_there(c.h, MOAT_TABLE_FLOWS, n));
}

#define alone(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		alone(every_entry_once_whatever_fails),
		alone(busy_for_good),
		alone(deletions_that_fail),
		alone(one_that_stays),
		alone(some_are_gone),
		alone(churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
