// SPDX-License-Identifier: BSD-2-Clause
/*
 * Images in slots and the one-word switch. The agent is the only writer; the
 * programs read the word once a run, so every store to it is one aligned u64.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/libbpf.h>

#include "kern/private.h"
#include "kern/store.h"

static __u64 word_of(const struct store *st)
{
	return __atomic_load_n(&st->control->word, __ATOMIC_ACQUIRE);
}

static unsigned slots_of(__u64 word)
{
	return 1u << MOAT_CTL_SLOT(word) | 1u << MOAT_CTL_PREVIOUS(word);
}

static void set_word(struct store *st, __u64 word)
{
	st->stale |= slots_of(word_of(st)) & ~slots_of(word);
	__atomic_store_n(&st->control->word, word, __ATOMIC_RELEASE);
}

int store_settle(struct datapath *dp)
{
	int err = dp->store.stale ? grace_wait() : 0;

	if (!err)
		dp->store.stale = 0;
	return err;
}

static void *part_of(const struct store *st, unsigned slot, unsigned part)
{
	return (char *)st->part[part] + (size_t)slot * st->part_bytes[part];
}

static void parts_of(const struct store *st, unsigned slot,
		     const void *ret[MOAT_PART_COUNT])
{
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
		ret[i] = part_of(st, slot, i);
}

/* Nonsense in the word must not lead outside the maps. */
static const struct moat_image *header_of(const struct store *st, unsigned slot)
{
	return &st->headers[slot % MOAT_SLOTS];
}

static bool is_sealed(const struct moat_image *h)
{
	return h->generation && h->seal == MOAT_IMAGE_SEAL(h->generation);
}

/* ---- mapping ---- */

static void *map_values(const struct load *l, const char *name, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       load_map_fd(l, name), 0);

	return p == MAP_FAILED ? NULL : p;
}

static __u32 value_size(const struct load *l, const char *name)
{
	return bpf_map__value_size(
		bpf_object__find_map_by_name(load_object(l), name));
}

int store_open(struct store *st, const struct load *l)
{
	static const char *const names[MOAT_PART_COUNT] = {
#define X(symbol, name) name,
		MOAT_PARTS(X)
#undef X
	};
	/* A former agent may have died right after its switch. */
	struct store s = { .stale = ~0u };
	bool ok;

	s.control = map_values(l, "control", sizeof(*s.control));
	s.headers = map_values(l, "image", MOAT_SLOTS * sizeof(*s.headers));
	ok = s.control && s.headers;
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++) {
		s.part_bytes[i] = value_size(l, names[i]);
		s.part[i] = map_values(l, names[i],
				       (size_t)MOAT_SLOTS * s.part_bytes[i]);
		ok = ok && s.part[i];
	}
	s.rule_slots = MOAT_RULES_PER_ELEMENT *
		       bpf_map__max_entries(bpf_object__find_map_by_name(
			       load_object(l), "rules"));
	if (!ok) {
		int err = -errno;

		store_close(&s);
		return err;
	}
	*st = s;
	return 0;
}

void store_close(struct store *st)
{
	if (st->control)
		munmap(st->control, sizeof(*st->control));
	if (st->headers)
		munmap(st->headers, MOAT_SLOTS * sizeof(*st->headers));
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
		if (st->part[i])
			munmap(st->part[i],
			       (size_t)MOAT_SLOTS * st->part_bytes[i]);
	*st = (struct store){};
}

void store_copy(const struct store *from, struct store *to)
{
	for (unsigned slot = 0; slot < MOAT_SLOTS; slot++) {
		const struct moat_image *h = &from->headers[slot];

		for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
			memcpy(part_of(to, slot, i), part_of(from, slot, i),
			       h->used[i] < from->part_bytes[i] ?
				       h->used[i] :
				       from->part_bytes[i]);
		/* Unsealed ones too: their numbers count as used. */
		to->headers[slot] = *h;
	}
	to->control->heartbeat = from->control->heartbeat;
	to->control->lease_floor = from->control->lease_floor;
	set_word(to, word_of(from));
}

/* ---- the word ---- */

void store_state(struct datapath *dp, struct store_state *ret)
{
	const struct store *st = &dp->store;
	__u64 w = word_of(st);
	const struct moat_image *now = header_of(st, MOAT_CTL_SLOT(w));
	const struct moat_image *before = header_of(st, MOAT_CTL_PREVIOUS(w));
	struct store_state s = {
		.generation = MOAT_CTL_GENERATION(w),
		.slot = MOAT_CTL_SLOT(w),
		.previous_slot = MOAT_CTL_PREVIOUS(w),
		.previous_generation = before->generation,
		.deadline = MOAT_CTL_DEADLINE(w),
	};

	s.expired = s.deadline && datapath_epoch_seconds(dp) >= s.deadline;
	if (s.expired) {
		s.generation = before->generation;
		s.sealed = is_sealed(before);
	} else {
		s.sealed = is_sealed(now) && now->generation == s.generation;
	}
	*ret = s;
}

/*
 * Numbers are never used twice while the maps live: a flow caches the number
 * it was judged by. A header keeps its number after its seal is gone.
 */
__u32 store_last_generation(struct datapath *dp)
{
	const struct store *st = &dp->store;
	__u32 last = MOAT_CTL_GENERATION(word_of(st));

	if (dp->reserved > last)
		last = dp->reserved;
	for (unsigned i = 0; i < MOAT_SLOTS; i++)
		if (st->headers[i].generation > last)
			last = st->headers[i].generation;
	return last;
}

void store_reserve(struct datapath *dp, __u32 generation)
{
	if (generation > dp->reserved)
		dp->reserved = generation;
}

/* One that nobody reads any more if there is one: that saves a wait. */
static unsigned idle_slot(const struct store *st)
{
	unsigned used = slots_of(word_of(st)), slot = 0;

	while (slot < MOAT_SLOTS && (used | st->stale) & 1u << slot)
		slot++;
	if (slot == MOAT_SLOTS)
		for (slot = 0; used & 1u << slot;)
			slot++;
	return slot;
}

static int check_fits(const struct store *st, const struct image *image)
{
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
		if (image->header.used[i] > st->part_bytes[i])
			return -E2BIG;
	if (image->header.nslots > st->rule_slots)
		return -E2BIG;
	return image_verify(&image->header, (const void *const *)image->part,
			    image->header.used) ?
		       -EINVAL :
		       0;
}

/*
 * The seal goes first and comes last. The new number is in the header from
 * the start: an agent killed in the middle must not use it again.
 */
static void write_slot(struct store *st, unsigned slot, struct image *image)
{
	struct moat_image *h = &st->headers[slot];

	__atomic_store_n(&h->seal, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&h->generation, image->header.generation,
			 __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
		memcpy(part_of(st, slot, i), image->part[i],
		       image->header.used[i]);
	*h = image->header;
	__atomic_store_n(&h->seal, MOAT_IMAGE_SEAL(image->header.generation),
			 __ATOMIC_RELEASE);
}

int store_push(struct datapath *dp, struct image *image, __u32 deadline_seconds,
	       __u32 *ret_generation)
{
	struct store *st = &dp->store;
	struct store_state now;
	__u32 generation, deadline = 0;
	unsigned slot, previous;
	__u64 word;
	int err;

	store_state(dp, &now);
	if (now.deadline && !now.expired)
		return -EBUSY;
	err = check_fits(st, image);
	if (!err && now.expired)
		err = store_fall_back(dp);
	slot = idle_slot(st);
	if (!err && st->stale & 1u << slot)
		err = store_settle(dp);
	generation = store_last_generation(dp) + 1;
	if (!err && generation > 0xffffff)
		err = -EOVERFLOW;
	if (err)
		return err;
	word = word_of(st);
	previous = MOAT_CTL_SLOT(word);
	image->header.abi = MOAT_ABI_VERSION;
	image->header.seal = 0;
	image->header.generation = generation;
	image->header.checksum = image_checksum(
		&image->header, (const void *const *)image->part);
	write_slot(st, slot, image);
	/* A second more: the current one has begun. */
	if (deadline_seconds)
		deadline = datapath_epoch_seconds(dp) + deadline_seconds + 1;
	set_word(st, MOAT_CTL(slot, previous, generation, deadline));
	*ret_generation = generation;
	return 0;
}

int store_confirm(struct datapath *dp)
{
	struct store *st = &dp->store;
	__u64 w = word_of(st);
	__u32 deadline = MOAT_CTL_DEADLINE(w);

	if (!deadline)
		return -ENOENT;
	if (datapath_epoch_seconds(dp) + 1 >= deadline)
		return -ETIME;
	set_word(st, w & ~0xffffffffull);
	return 0;
}

int store_fall_back(struct datapath *dp)
{
	struct store *st = &dp->store;
	__u64 w = word_of(st);
	unsigned slot = MOAT_CTL_PREVIOUS(w) % MOAT_SLOTS;
	const struct moat_image *h = header_of(st, slot);

	if (!is_sealed(h) || slot == MOAT_CTL_SLOT(w))
		return -ENOENT;
	set_word(st, MOAT_CTL(slot, slot, h->generation, 0));
	return 0;
}

/* ---- looking ---- */

static int verify_slot(const struct store *st, unsigned slot)
{
	const struct moat_image *h = header_of(st, slot);
	const void *part[MOAT_PART_COUNT];

	parts_of(st, slot % MOAT_SLOTS, part);
	for (unsigned i = 0; i < MOAT_PART_COUNT; i++)
		if (h->used[i] > st->part_bytes[i])
			return -EBADMSG;
	return is_sealed(h) && image_checksum(h, part) == h->checksum ?
		       0 :
		       -EBADMSG;
}

int store_verify(struct datapath *dp)
{
	const struct store *st = &dp->store;
	__u64 w = word_of(st);
	unsigned slot = MOAT_CTL_SLOT(w), previous = MOAT_CTL_PREVIOUS(w);
	int err = verify_slot(st, slot);

	if (!err && header_of(st, slot)->generation != MOAT_CTL_GENERATION(w))
		err = -EBADMSG;
	/* The first push of all has no sealed one before it. */
	if (!err && previous != slot && header_of(st, previous)->generation)
		err = verify_slot(st, previous);
	return err;
}

void store_view(struct datapath *dp, const struct moat_image **ret_header,
		const void *ret_part[MOAT_PART_COUNT])
{
	const struct store *st = &dp->store;
	struct store_state s;
	unsigned slot;

	store_state(dp, &s);
	slot = (s.expired ? s.previous_slot : s.slot) % MOAT_SLOTS;
	parts_of(st, slot, ret_part);
	*ret_header = header_of(st, slot);
}
