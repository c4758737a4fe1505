// SPDX-License-Identifier: BSD-2-Clause
/* From a held policy to the image in force, and the slots that go with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"

void agent_compiled_free(struct compiled *c)
{
	live_free(c->live);
	slots_free(&c->slots);
	*c = (struct compiled){};
}

/* A compilation that comes to nothing must leave our own slots alone. */
static int slots_copy(const struct slots *from, struct slots *ret)
{
	struct slots copy = {};
	size_t i;
	int r = 0;

	for (i = 0; i < from->count && !r; i++)
		if (from->ids[i].owner)
			r = slots_restore(&copy, i, &from->ids[i]);
	if (r)
		slots_free(&copy);
	else
		*ret = copy;
	return r;
}

static struct moat_addr *own_addresses(const struct agent *a, size_t *ret)
{
	struct moat_addr *hosts = calloc(a->nlocals + 1, sizeof(*hosts));
	size_t i;

	for (i = 0; hosts && i < a->nlocals; i++)
		hosts[i] = a->locals[i].net.addr;
	*ret = a->nlocals;
	return hosts;
}

int agent_compile(struct agent *a, const struct held *h, enum built_in built_in,
		  struct diags *diags, struct compiled *ret)
{
	struct config config = *a->config;
	_cleanup_free_ struct moat_addr *hosts = NULL;
	struct compile_input in = { .policy = h ? h->policy : NULL,
				    .config = &config };
	struct compiled c = {};
	int r;

	config.max_mode_audit |= h && h->record->audit;
	if (built_in == BUILT_IN_LOCKDOWN)
		config.before_first_pass = false;
	hosts = own_addresses(a, &in.nhosts);
	in.hosts = hosts;
	if (!hosts)
		return -ENOMEM;
	r = slots_copy(&a->slots, &c.slots);
	if (r)
		return r;
	in.slots = &c.slots;
	c.live = live_compile(&in, &c.stats, diags);
	if (!c.live) {
		agent_compiled_free(&c);
		return -EINVAL;
	}
	c.image = live_image(c.live);
	*ret = c;
	return 0;
}

bool agent_in_force(struct agent *a, const struct compiled *c)
{
	struct moat_image now, then = c->image->header;
	const void *part[MOAT_PART_COUNT];
	const struct moat_image *header;
	struct store_state s;
	int i;

	store_state(a->dp, &s);
	store_view(a->dp, &header, part);
	if (!s.sealed)
		return false;
	now = *header;
	now.seal = now.generation = now.abi = 0;
	now.checksum = 0;
	then.seal = then.generation = then.abi = 0;
	then.checksum = 0;
	if (memcmp(&now, &then, sizeof(now)) != 0)
		return false;
	for (i = 0; i < MOAT_PART_COUNT; i++)
		if (memcmp(part[i], c->image->part[i], now.used[i]) != 0)
			return false;
	return true;
}

void agent_adopt(struct agent *a, struct compiled *c)
{
	slots_free(&a->slots);
	a->slots = c->slots;
	c->slots = (struct slots){};
	agent_forget_live(a);
	a->live = c->live;
	c->live = NULL;
	c->image = NULL;
}

int agent_switch(struct agent *a, struct compiled *c, uint32_t deadline_seconds,
		 uint32_t *ret_generation)
{
	const __u32 *used = c->image->header.used;
	__u32 slots = c->image->header.nslots;
	int r = 0;

	if (!datapath_fits(a->dp, used, slots)) {
		r = datapath_grow(a->dp, used, slots);
		agent_keep_carried(a, c->live ? &c->slots : &a->slots);
	}
	if (!r && a->attaching)
		keep_now(&a->keep, a->dp);
	if (!r)
		r = store_push(a->dp, c->image, deadline_seconds,
			       ret_generation);
	if (r || !c->live)
		return r;
	agent_adopt(a, c);
	return 0;
}

void agent_forget_live(struct agent *a)
{
	live_free(a->live);
	a->live = NULL;
}

int agent_update(struct agent *a, const struct member_list *changes)
{
	_cleanup_free_ struct moat_addr *hosts = NULL;
	size_t n;
	int r = a->live ? 0 : -ENOTSUP;

	hosts = own_addresses(a, &n);
	if (!hosts)
		r = -ENOMEM;
	for (size_t i = 0; !r && i < changes->count; i++)
		r = live_update(a->live, &changes->item[i].cidr, hosts, n);
	if (r)
		agent_forget_live(a);
	return r;
}

static void settle_now(void *arg)
{
	struct agent *a = arg;

	a->settle_timer = 0;
	store_settle(a->dp);
}

/* The next change then waits for nobody. */
void agent_settle_soon(struct agent *a)
{
	if (a->settle_timer <= 0)
		a->settle_timer = loop_add_timer(a->loop, 1, 0, settle_now, a);
}
