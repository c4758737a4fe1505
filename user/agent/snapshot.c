// SPDX-License-Identifier: BSD-2-Clause
/* Everything /metrics shows, collected; and the two pages themselves. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/rdma.h"
#include "base/clock.h"
#include "kern/stats.h"

#define DEVICES_MAX 1024
#define NACL_NUMBER_MAX 32766 /* policy/model.h */

/* What a page is made of while it is made. */
struct collected {
	struct metrics_snapshot s;
	struct moat_totals totals;
	struct metrics_iface *ifaces;
	struct iface_stats *stats;
	struct metrics_rule *rules;
	struct metrics_table tables[MOAT_TABLE_COUNT];
	struct map_bytes maps[STATS_MAPS_MAX];
	struct ethertype_count ethertypes[MOAT_ETHERTYPES_MAX];
	struct metrics_device devices[DEVICES_MAX];
	struct rdma_device rdma[64];
};

static void collected_free(struct collected *c)
{
	if (!c)
		return;
	free(c->ifaces);
	free(c->stats);
	free(c->rules);
	free(c);
}
DEFINE_CLEANUP(collected, collected_free)

static void policy(struct agent *a, struct metrics_snapshot *s)
{
	const struct held *h = a->current;
	const struct moat_image *header;
	const void *part[MOAT_PART_COUNT];
	struct store_state state;
	char held[8];
	size_t i;

	store_state(a->dp, &state);
	store_view(a->dp, &header, part);
	s->version = MOAT_VERSION;
	s->config_sha256 = a->config->sha256;
	s->generation = state.generation;
	if (h) {
		s->policy = h->record->policy;
		s->revision = h->record->revision;
		s->mode = held_audit(h, a->config) ? "audit" : "enforce";
	}
	for (i = 0; state.sealed && i < MOAT_PART_COUNT; i++)
		s->image_bytes += header->used[i];
	s->last_push_ok = a->last_push.ok;
	s->last_push_time = (double)a->last_push.time_ms / 1000;
	memcpy(s->pushes, a->pushes, sizeof(s->pushes));
	s->push_seconds = a->push_seconds;
	s->policy_file_differs = a->policy_file_differs;
	s->confirm_deadline = a->pending ? (double)a->deadline_ms / 1000 : 0;
	s->failsafe_peers = agent_failsafe_peers(a->config);
	s->drift_repairs = a->drift_repairs;
	s->xdp_held_off = agent_xdp_held(a, held, sizeof(held));
	s->xdp_unclean_boots = a->boots.unclean;
	for (i = 0; i < a->nlocals; i++)
		s->unassigned_addresses += local_needs_group(&a->locals[i]);
	for (i = 0; i < METRICS_EXPIRY_COUNT; i++)
		s->expired[i] = agent_expired(a, (enum metrics_expiry)i);
	s->killed = agent_killed(a);
	agent_upkeep(a, &s->upkeep);
}

/* ---- interfaces ---- */

static const char *attach_name(const struct hook_state *h)
{
	static const char *const names[] = {
		[ATTACH_NONE] = NULL,	      [ATTACH_TCX] = "tcx",
		[ATTACH_CLSACT] = "clsact",   [ATTACH_NATIVE] = "native",
		[ATTACH_GENERIC] = "generic",
	};

	return h->ours ? names[h->kind] : NULL;
}

static int interfaces(struct agent *a, struct collected *c)
{
	struct metrics_iface *m;
	const struct iface *i;
	unsigned int entry;
	size_t n = 0;
	int hook;

	c->ifaces = calloc(a->nifaces + 1, sizeof(*c->ifaces));
	c->stats = calloc(a->nifaces + 1, sizeof(*c->stats));
	if (!c->ifaces || !c->stats)
		return -ENOMEM;
	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++) {
		if (!i->selection.taken)
			continue;
		m = &c->ifaces[n];
		m->name = i->link.name;
		m->enforcing = agent_iface_enforcing(a, i);
		for (hook = 0; hook < ATTACH_HOOK_COUNT; hook++)
			m->attach[hook] = attach_name(&i->hook[hook]);
		entry = datapath_iface_index(a->dp, i->link.ifindex);
		if (entry < MOAT_IFACES - 1 &&
		    stats_iface(a->dp, entry, &c->stats[n]) == 0)
			m->stats = &c->stats[n];
		n++;
	}
	c->s.ifaces = c->ifaces;
	c->s.nifaces = n;
	return 0;
}

static void devices(struct agent *a, struct collected *c)
{
	size_t n, count = rdma_devices(c->rdma, ARRAY_SIZE(c->rdma));
	const struct iface *i;

	for (n = 0; n < count; n++)
		c->devices[c->s.nunenforced++] = (struct metrics_device){
			c->rdma[n].name, "rdma"
		};
	for (i = a->ifaces;
	     i < a->ifaces + a->nifaces && c->s.nunenforced < DEVICES_MAX; i++)
		if (!i->selection.taken && strcmp(i->link.name, "lo") != 0)
			c->devices[c->s.nunenforced++] = (struct metrics_device){
				i->link.name,
				i->link.kind[0] ? i->link.kind : "not-selected"
			};
	c->s.unenforced = c->devices;
}

/* ---- rules ---- */

/* Actions of one NACL's rules of one direction, by number: slots of one lie
 * side by side, so that looking for each anew is not needed. */
struct nacl_actions {
	const char *owner;
	int direction;
	bool deny[NACL_NUMBER_MAX + 1];
};

static void read_actions(const struct policy *p, const struct slot_id *id,
			 struct nacl_actions *ret)
{
	const struct ruleset *rules;
	const struct nacl *n;
	size_t i;

	*ret = (struct nacl_actions){ .owner = id->owner,
				      .direction = id->direction };
	for (n = p->nacls; n < p->nacls + p->nnacls; n++) {
		if (strcmp(n->name, id->owner) != 0)
			continue;
		rules = &n->rules[id->direction];
		for (i = 0; i < rules->count; i++)
			ret->deny[rules->rules[i].number] = rules->rules[i].deny;
		break;
	}
}

static bool nacl_denies(const struct policy *p, const struct slot_id *id,
			struct nacl_actions *cache)
{
	long number;

	if (!id->nacl || strcmp(id->rule, "*") == 0)
		return id->nacl;
	if (!cache->owner || cache->direction != id->direction ||
	    strcmp(cache->owner, id->owner) != 0)
		read_actions(p, id, cache);
	number = strtol(id->rule, NULL, 10);
	return number > 0 && number <= NACL_NUMBER_MAX && cache->deny[number];
}

static void subtract(struct moat_rule_count *c, const struct moat_rule_count *b)
{
	c->hit.packets -= b->hit.packets;
	c->hit.bytes -= b->hit.bytes;
	c->connections -= b->connections;
	c->limited -= b->limited;
	c->would_drop.packets -= b->would_drop.packets;
	c->would_drop.bytes -= b->would_drop.bytes;
}

int agent_rule_counts(struct agent *a, struct metrics_rule **ret, size_t *ret_n)
{
	size_t i, n = 0, count = a->slots.count;
	struct nacl_actions actions = {};
	_cleanup_free_ struct moat_rule_count *now = calloc(count + 1,
							    sizeof(*now));
	struct metrics_rule *rules = calloc(count + 1, sizeof(*rules));
	int r = now && rules ? stats_rules(a->dp, now, count) : -ENOMEM;

	if (r) {
		free(rules);
		return r;
	}
	for (i = 0; i < count && a->current; i++) {
		const struct slot_id *id = &a->slots.ids[i];

		if (!id->owner || !id->in_use)
			continue;
		if (i < a->nslot_base)
			subtract(&now[i], &a->slot_base[i]);
		rules[n++] = (struct metrics_rule){
			.nacl = id->nacl,
			.direction = id->direction,
			.owner = id->owner,
			.rule = id->rule,
			.deny = nacl_denies(a->current->policy, id, &actions),
			.count = now[i]
		};
	}
	*ret = rules;
	*ret_n = n;
	return 0;
}

static int rules(struct agent *a, struct collected *c)
{
	return agent_rule_counts(a, &c->rules, &c->s.nrules);
}

/* ---- the process ---- */

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static uint64_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

static void process(const struct agent *a, struct metrics_process *p)
{
	unsigned long total = 0, resident = 0;
	struct rusage usage = {};
	struct rlimit limit = {};
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%lu %lu", &total, &resident) != 2)
			total = resident = 0;
		fclose(f);
	}
	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &limit);
	p->cpu_seconds = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	p->start_time = (double)a->started_ms / 1000;
	p->virtual_bytes = total * (uint64_t)sysconf(_SC_PAGESIZE);
	p->resident_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
	p->open_fds = count_fds();
	p->max_fds = limit.rlim_cur;
}

/* ---- pages ---- */

static void tables(struct agent *a, struct collected *c)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		MOAT_TABLES(X)
#undef X
	};
	enum moat_table t;
	size_t n;

	for (t = 0; t < MOAT_TABLE_COUNT; t++) {
		c->tables[t] = (struct metrics_table){
			.name = names[t], .limit = agent_table_limit(a, t)
		};
		c->tables[t].counted = agent_table_entries(a, t, &n);
		if (c->tables[t].counted)
			c->tables[t].entries = n;
	}
	c->s.tables = c->tables;
	c->s.ntables = MOAT_TABLE_COUNT;
}

static int collect(struct agent *a, struct collected *c)
{
	int r;

	policy(a, &c->s);
	r = interfaces(a, c);
	if (!r)
		r = rules(a, c);
	if (r)
		return r;
	c->s.rules = c->rules;
	devices(a, c);
	tables(a, c);
	if (stats_totals(a->dp, &c->totals) == 0)
		c->s.totals = &c->totals;
	c->s.maps = c->maps;
	c->s.nmaps = stats_maps(a->dp, c->maps, ARRAY_SIZE(c->maps));
	c->s.ethertypes = c->ethertypes;
	c->s.nethertypes = stats_ethertypes(a->dp, c->ethertypes,
					    MOAT_ETHERTYPES_MAX);
	c->s.npeers = peers_list(a->peers, &c->s.peers);
	process(a, &c->s.process);
	return 0;
}

int agent_page(const char *path, struct buf *out, void *arg)
{
	CLEANUP(collected) struct collected *c = NULL;
	struct agent *a = arg;
	int r;

	if (strcmp(path, "/metrics/flows") == 0)
		return flow_series_format(a->series, out);
	if (strcmp(path, "/metrics") != 0)
		return -ENOENT;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	r = collect(a, c);
	return r ? r : metrics_format(&c->s, out);
}
