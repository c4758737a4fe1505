// SPDX-License-Identifier: BSD-2-Clause
/* The private instance: settings, host, packets, flows. */
#include "bpf/harness.h"

#include <errno.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "kern/private.h"
#include "moat/knobs.h"

static void address(const char *text, struct moat_addr *ret)
{
	struct moat_addr a = {};

	if (inet_pton(AF_INET, text, &a.w[3]) == 1)
		a.w[2] = htonl(0xffff);
	else if (inet_pton(AF_INET6, text, &a) != 1)
		fail_msg("no address: %s", text);
	*ret = a;
}

void harness_settings(struct datapath_settings *ret)
{
	struct datapath_settings s = { .trace = true };

	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = 1024;
#define X(symbol, name, seconds) \
	s.timeout_seconds[MOAT_TIMEOUT_##symbol] = seconds;
	MOAT_TIMEOUTS(X)
#undef X
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		s.essential[i] = true;
	*ret = s;
}

struct harness *harness_open(const struct datapath_settings *s)
{
	struct harness *h = calloc(1, sizeof(*h));
	struct datapath_settings usual;
	const char *why = "";

	assert_non_null(h);
	harness_settings(&usual);
	if (datapath_open(s ? s : &usual, &h->dp, &why))
		fail_msg("datapath_open: %s", why);
	h->ifindex = HARNESS_IFINDEX;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		h->config.essential[i] = true;
	harness_iface(h, HARNESS_IFINDEX, NULL, NULL);
	return h;
}

void harness_reload(struct harness *h, const struct datapath_settings *s)
{
	struct load *fresh;

	h->dp->settings = *s;
	if (datapath_load_again(h->dp, ATTACH_HOOK_COUNT, &fresh))
		fail_msg("%s", why_set("load"));
	load_free(h->dp->load);
	h->dp->load = fresh;
}

static void set_own(struct harness *h, const char *addr, struct moat_own own)
{
	assert_true(h->nown < ARRAY_SIZE(h->own));
	address(addr, &h->own[h->nown].addr);
	h->own[h->nown++].own = own;
	assert_int_equal(datapath_set_own(h->dp, h->own, h->nown), 0);
}

void harness_own(struct harness *h, const char *addr, const char *alias)
{
	struct moat_own own = { .ifindex = HARNESS_IFINDEX };

	if (alias)
		address(alias, &own.alias);
	set_own(h, addr, own);
}

void harness_broadcast(struct harness *h, const char *addr)
{
	set_own(h, addr,
		(struct moat_own){ .ifindex = HARNESS_IFINDEX,
				   .flags = MOAT_OWN_BROADCAST });
}

void harness_iface(struct harness *h, __u32 ifindex, const char *first4,
		   const char *first6)
{
	struct moat_iface e = { .ifindex = ifindex,
				.flags = MOAT_IFACE_ETHER |
					 MOAT_IFACE_SELECTED };
	size_t i = 0;

	if (first4)
		address(first4, &e.first4);
	if (first6)
		address(first6, &e.first6);
	while (i < h->nifaces && h->ifaces[i].ifindex != ifindex)
		i++;
	assert_true(i < ARRAY_SIZE(h->ifaces));
	h->ifaces[i] = e;
	if (i == h->nifaces)
		h->nifaces++;
	assert_int_equal(datapath_set_ifaces(h->dp, h->ifaces, h->nifaces), 0);
}

void harness_mac(struct harness *h, __u32 ifindex, const __u8 mac[6],
		 __u32 port_of)
{
	size_t i = 0;

	while (i < h->nifaces && h->ifaces[i].ifindex != ifindex)
		i++;
	assert_true(i < h->nifaces);
	h->ifaces[i].mac = 0;
	memcpy(&h->ifaces[i].mac, mac, 6);
	h->ifaces[i].port_of = port_of;
	assert_int_equal(datapath_set_ifaces(h->dp, h->ifaces, h->nifaces), 0);
}

void failsafe_add4(struct moat_failsafe *f, int direction, __u8 proto,
		   __u16 first, __u16 last)
{
	assert_true(f->count < MOAT_FAILSAFE_MAX);
	f->entry[f->count] = (struct moat_failsafe_entry){
		.peer.w[2] = htonl(0xffff),
		.length = 96,
		.direction = (__u8)direction,
		.proto = proto,
		.number = (__u8)f->count,
		.first = first,
		.last = last,
	};
	f->count++;
}

void harness_failsafe(struct harness *h, const struct moat_failsafe *f)
{
	assert_int_equal(datapath_set_failsafe(h->dp, f), 0);
}

struct harness *harness_host(const char *own4, const char *own6)
{
	struct harness *h = harness_open(NULL);

	if (own4)
		harness_own(h, own4, NULL);
	if (own6)
		harness_own(h, own6, NULL);
	harness_iface(h, HARNESS_IFINDEX, own4, own6);
	datapath_heartbeat(h->dp);
	return h;
}

void harness_push(struct harness *h, struct image *image)
{
	assert_int_equal(store_push(h->dp, image, 0, &h->generation), 0);
}

/* ---- packets ---- */

static void add(struct moat_count *to, const struct moat_count *after,
		const struct moat_count *before)
{
	to->packets += after->packets - before->packets;
	to->bytes += after->bytes - before->bytes;
}

static void compare(const struct moat_iface_counters *before,
		    const struct moat_iface_counters *after,
		    struct outcome *ret)
{
	for (unsigned r = 0; r < MOAT_REASON_MAX; r++) {
		add(&ret->all, &after->count[r], &before->count[r]);
		add(&ret->all, &after->would_drop[r], &before->would_drop[r]);
		if (r != ret->trace.reason)
			continue;
		add(&ret->counted, &after->count[r], &before->count[r]);
		add(&ret->would_drop, &after->would_drop[r],
		    &before->would_drop[r]);
	}
}

/* Kernels before 5.15 refuse some fields of TEST_RUN's context, and contexts
 * of XDP: the packet can't be made there. */
static void run_or_skip(struct harness *h, const struct run_packet *p,
			struct run_result *ret)
{
	int err = run_packet(h->dp, p, ret);

	if (err == -EINVAL && !datapath_facts()->xdp_frags &&
	    (p->ingress_ifindex || p->gso_segs || p->gso_size || p->linear)) {
		print_message("%s cannot run a packet with such a context\n",
			      datapath_facts()->release);
		skip();
	}
	assert_int_equal(err, 0);
}

struct outcome harness_frame(struct harness *h, enum attach_hook hook,
			     const struct packet *p)
{
	struct run_packet run = {
		.hook = hook,
		.frame = p->data,
		.len = p->len,
		.ifindex = hook == ATTACH_XDP ? 0 : h->ifindex,
		.ingress_ifindex = h->ingress_ifindex,
		.gso_segs = h->gso_segs,
		.gso_size = h->gso_size,
		.linear = h->linear,
	};
	unsigned entry = datapath_iface_index(h->dp, h->ifindex);
	int dir = hook == ATTACH_TC_EGRESS ? MOAT_EGRESS : MOAT_INGRESS;
	struct iface_stats before, after;
	struct run_result result;
	struct outcome o = {};

	assert_int_equal(stats_iface(h->dp, entry, &before), 0);
	run_or_skip(h, &run, &result);
	assert_int_equal(stats_iface(h->dp, entry, &after), 0);
	o.action = result.action;
	o.trace = result.trace;
	compare(&before.direction[dir], &after.direction[dir], &o);
	return o;
}

struct outcome harness_run(struct harness *h, enum attach_hook hook,
			   const struct packet_spec *s)
{
	static struct packet p;

	packet_build(s, &p);
	return harness_frame(h, hook, &p);
}

static bool action_fits(enum attach_hook hook, int action, bool drop)
{
	if (hook == ATTACH_XDP)
		return action == (drop ? XDP_DROP : XDP_PASS);
	return action == (drop ? TC_ACT_SHOT : TC_ACT_UNSPEC);
}

static const char *reason_text(unsigned r)
{
	static const char *const names[] = {
#define X(symbol, name, layer, kind) name,
		MOAT_REASONS(X)
#undef X
	};

	return r < ARRAY_SIZE(names) ? names[r] : "?";
}

struct outcome harness_expect(struct harness *h, enum attach_hook hook,
			      const struct packet_spec *s, struct expected e)
{
	static const char *const verdicts[] = MOAT_VERDICT_NAMES;
	struct outcome o = harness_run(h, hook, s);
	__u64 packets = h->gso_segs ? h->gso_segs : 1;
	const struct moat_count *c = e.verdict == MOAT_WOULD_DROP ?
					     &o.would_drop :
					     &o.counted;

	if (o.trace.verdict != e.verdict || o.trace.reason != e.reason)
		fail_msg("%s:%d: want %s %s, got %s %s", e.file, e.line,
			 verdicts[e.verdict], reason_text(e.reason),
			 verdicts[o.trace.verdict % MOAT_VERDICT_COUNT],
			 reason_text(o.trace.reason));
	if (!action_fits(hook, o.action, e.verdict == MOAT_DROP))
		fail_msg("%s:%d: action %d", e.file, e.line, o.action);
	/* XDP counts only what it drops. */
	if (hook == ATTACH_XDP && e.verdict != MOAT_DROP)
		return o;
	if (c->packets != packets || o.all.packets < packets)
		fail_msg("%s:%d: %s counted %llu packets, not %llu", e.file,
			 e.line, reason_text(e.reason),
			 (unsigned long long)c->packets,
			 (unsigned long long)packets);
	return o;
}

/* ---- flows ---- */

struct moat_flow_key harness_key(const char *local, uint16_t lport,
				 const char *remote, uint16_t rport,
				 uint8_t proto)
{
	struct moat_flow_key k = { .lport = htons(lport),
				   .rport = htons(rport),
				   .proto = proto };

	address(local, &k.local);
	address(remote, &k.remote);
	return k;
}

int harness_map(struct harness *h, const char *name)
{
	int fd = datapath_map_fd(h->dp, name);

	assert_true(fd >= 0);
	return fd;
}

static int table_fd(struct harness *h, enum moat_table table)
{
	static const char *const names[MOAT_TABLE_COUNT] = {
#define X(symbol, name) name,
		MOAT_TABLES(X)
#undef X
	};

	return harness_map(h, names[table]);
}

bool harness_flow(struct harness *h, enum moat_table table,
		  const struct moat_flow_key *key, struct moat_flow *ret)
{
	struct moat_flow f;

	if (bpf_map_lookup_elem(table_fd(h, table), key, &f))
		return false;
	if (table == MOAT_TABLE_FLOWS || table == MOAT_TABLE_UDP)
		leases_add(&h->dp->leases, key, &f);
	if (ret)
		*ret = f;
	return true;
}

void harness_put_flow(struct harness *h, enum moat_table table,
		      const struct moat_flow_key *key,
		      const struct moat_flow *flow)
{
	assert_int_equal(
		bpf_map_update_elem(table_fd(h, table), key, flow, BPF_ANY), 0);
	leases_void(h->dp);
}

void harness_age(struct harness *h, enum moat_table table,
		 const struct moat_flow_key *key, int seconds)
{
	struct moat_flow f;

	assert_true(harness_flow(h, table, key, &f));
	f.expires = datapath_jiffies(h->dp) +
		    (__s64)seconds * (__s64)datapath_facts()->hz;
	harness_put_flow(h, table, key, &f);
}

static bool count_one(const struct flow_record *r, void *arg)
{
	++*(size_t *)arg;
	return true;
}

size_t harness_count(struct harness *h, enum moat_table table)
{
	size_t n = 0;
	struct flow_slice s = {
		.table = table, .max = 256, .fn = count_one, .arg = &n
	};
	int rc;

	do
		rc = flows_walk(h->dp, &s);
	while (rc > 0);
	assert_int_equal(rc, 0);
	return n;
}

void harness_close(struct harness *h)
{
	if (!h)
		return;
	datapath_close(h->dp);
	slots_free(&h->slots);
	free(h);
}
