// SPDX-License-Identifier: BSD-2-Clause
/*
 * P3: drop rates with 1,000 rules, live frames over veth, one CPU for sender
 * and receiver. Malformed segments, sources that a network ACL denies, opening
 * segments that no rule allows, both families; beside a bare XDP_DROP, nftables
 * at netdev ingress, iptables' raw table with ipset, and xdp-filter. Blocked
 * sources are not among them: this version has no block list.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>
#include <linux/in.h>

#include "base/cleanup.h"
#include "bench/bar.h"
#include "bench/live.h"
#include "bench/peers.h"
#include "bench/rules.h"
#include "bpf/place.h"

#define RUNS 5

enum side { BARE, MOAT, MOAT_TC, PEERS, SIDES = PEERS + PEER_COUNT };

struct variant {
	const char *name, *nft, *what, *what_nft;
	int family;
	const char *from;
	__u32 mask;
	__u8 flags;
	enum moat_reason reason;
	bool ip_only; /* what xdp-filter can do too */
};

#define SYN MOAT_TCP_FLAG_SYN
#define BARE_SAYS(text) text ": drop rate by a bare XDP_DROP's"
#define NFT_SAYS(text) text ": drop rate by nftables' (netdev, sets)"
#define VARIANT(key, text) \
	"P3-" key, "P3-nft-" key, BARE_SAYS(text), NFT_SAYS(text)
static const struct variant variants[] = {
	{ VARIANT("syn", "unmatched SYN"), 4, "30.0.0.0", 65535, SYN,
	  MOAT_REASON_SG_NO_MATCH, false },
	{ VARIANT("syn6", "unmatched SYN, IPv6"), 6, "fd30::", 65535, SYN,
	  MOAT_REASON_SG_NO_MATCH, false },
	{ VARIANT("nacl", "denied by ACL"), 4, "40.0.0.0", 511,
	  MOAT_TCP_FLAG_ACK, MOAT_REASON_NACL_DENY, true },
	{ VARIANT("nacl6", "denied by ACL, IPv6"), 6, "fd40::", 511,
	  MOAT_TCP_FLAG_ACK, MOAT_REASON_NACL_DENY, true },
	{ VARIANT("bad", "malformed"), 4, "30.0.0.0", 65535,
	  SYN | MOAT_TCP_FLAG_FIN, MOAT_REASON_TCP_FLAGS, false },
	{ VARIANT("bad6", "malformed, IPv6"), 6, "fd30::", 65535,
	  SYN | MOAT_TCP_FLAG_FIN, MOAT_REASON_TCP_FLAGS, false },
};

static struct live live;
static struct harness *h;
static bool can[PEER_COUNT];

static const char *side_name(enum side s)
{
	return s == BARE    ? "bare XDP_DROP" :
	       s == MOAT    ? "moat XDP" :
	       s == MOAT_TC ? "moat tc" :
			      peer_name((enum rival)(s - PEERS));
}

static void enter(void)
{
	struct datapath_settings s;
	static char dir[128];
	char *text = rules_text(0);

	live_open(&live);
	snprintf(dir, sizeof(dir), "%s/moat", place_enter());
	harness_settings(&s);
	s.pin_dir = dir;
	s.trace = false;
	s.table_entries[MOAT_TABLE_DENIED] = 65536;
	h = harness_open(&s);
	harness_own(h, LIVE_OURS4, NULL);
	harness_own(h, LIVE_OURS6, NULL);
	harness_iface(h, live.sink, LIVE_OURS4, LIVE_OURS6);
	harness_mac(h, live.sink, live.to_mac, 0);
	harness_policy(h, text);
	datapath_heartbeat(h->dp);
	h->ifindex = live.sink;
	free(text);
	for (int p = 0; p < PEER_COUNT; p++)
		can[p] = peer_prepare((enum rival)p);
}

static void leave(void)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/moat", place_enter());
	harness_close(h);
	detach_all(dir);
	live_close(&live);
}

static void attach(enum side s)
{
	struct hook_state state[ATTACH_HOOK_COUNT];
	int err = 0;

	switch (s) {
	case BARE:
		live_attach(&live, live.drop);
		return;
	case MOAT:
		err = attach_xdp(h->dp, live.sink, ATTACH_NATIVE,
				 &state[ATTACH_XDP]);
		break;
	case MOAT_TC:
		err = attach_tc(h->dp, live.sink, state);
		break;
	default:
		peer_attach((enum rival)(s - PEERS));
	}
	if (err)
		bench_fail("%s: %s", side_name(s), strerror(-err));
}

static void detach(enum side s)
{
	if (s == BARE)
		live_attach(&live, -1);
	else if (s == MOAT || s == MOAT_TC)
		detach_interface(h->dp, live.sink);
	else
		peer_detach((enum rival)(s - PEERS));
}

static __u64 counted(enum moat_reason reason)
{
	struct iface_stats st;

	stats_iface(h->dp, datapath_iface_index(h->dp, live.sink), &st);
	return st.direction[MOAT_INGRESS].count[reason].packets;
}

/* ns a frame; fails where moat dropped another number than it was sent. */
static double measure(const struct variant *v, enum side s, __u32 count)
{
	__u64 before = counted(v->reason), dropped;
	struct live_result r;

	attach(s);
	r = live_run(&live, count);
	detach(s);
	dropped = counted(v->reason) - before;
	if ((s == MOAT || s == MOAT_TC) && dropped < r.received)
		bench_fail("%s: %s dropped %llu of %llu", v->name, side_name(s),
			   (unsigned long long)dropped,
			   (unsigned long long)r.received);
	return r.ns;
}

static void use(const struct variant *v)
{
	struct live_frames f = {
		.spec = { .family = v->family,
			  .from = v->from,
			  .to = v->family == 4 ? LIVE_OURS4 : LIVE_OURS6,
			  .proto = IPPROTO_TCP,
			  .sport = 1024,
			  .dport = 9999,
			  .flags = v->flags,
			  .payload_len = 6 },
		.mask = v->mask,
		.ports = true,
	};

	live_frames(&live, &f);
}

static bool runs_on(const struct variant *v, enum side s)
{
	if (s < PEERS)
		return true;
	return can[s - PEERS] && (s != PEERS + PEER_XDP_FILTER || v->ip_only);
}

static void variant(const struct variant *v, FILE *tsv)
{
	struct bar *bare = bar_new(v->name, v->what, 0.75, true);
	/* For malformed ones it asks no set, so the bar is not about them. */
	struct bar *nft = can[PEER_NFT] && v->reason != MOAT_REASON_TCP_FLAGS ?
				  bar_new(v->nft, v->what_nft, 3, true) :
				  NULL;
	__u32 count = bench_quick() ? 10000 : 200000;
	double ns[SIDES][RUNS];

	use(v);
	for (int i = 0; i < RUNS; i++) {
		for (int s = 0; s < SIDES; s++)
			ns[s][i] = runs_on(v, s) ? measure(v, s, count) : 0;
		bar_pair(bare, 1e3 / ns[MOAT][i], 1e3 / ns[BARE][i]);
		if (nft)
			bar_pair(nft, 1e3 / ns[MOAT][i],
				 1e3 / ns[PEERS + PEER_NFT][i]);
	}
	fprintf(tsv, "%s", v->name + 3);
	for (int s = 0; s < SIDES; s++)
		fprintf(tsv, "\t%.1f", bench_median(ns[s], RUNS));
	fputc('\n', tsv);
	bar_figure(bare, "moat_ns", bench_median(ns[MOAT], RUNS));
	bar_figure(bare, "bare_ns", bench_median(ns[BARE], RUNS));
	bar_figure(bare, "moat_tc_ns", bench_median(ns[MOAT_TC], RUNS));
	for (int p = 0; p < PEER_COUNT; p++) {
		static const char *const names[] = { "nft_ns", "ipset_ns",
						     "xdp_filter_ns" };

		if (runs_on(v, PEERS + p))
			bar_figure(nft ? nft : bare, names[p],
				   bench_median(ns[PEERS + p], RUNS));
	}
}

/* ---- frames of several buffers ---- */

#define JUMBO 8500 /* bytes of payload */

static int jumbo_socket(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)live.gen };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		bench_fail("packet socket: %s", strerror(errno));
	return fd;
}

/* ns a frame that a socket sends; live frames are of one page. */
static double jumbo(int fd, enum side s)
{
	unsigned count = bench_quick() ? 500 : 20000;
	static struct packet p;
	struct packet_spec syn = {
		.family = 4,
		.from = "30.0.0.1",
		.to = LIVE_OURS4,
		.proto = IPPROTO_TCP,
		.sport = 1024,
		.dport = 9999,
		.flags = SYN,
		.payload_len = JUMBO,
	};
	__u64 before = counted(MOAT_REASON_SG_NO_MATCH);
	double start, ns;

	memcpy(syn.to_mac, live.to_mac, sizeof(syn.to_mac));
	packet_build(&syn, &p);
	attach(s);
	start = bench_clock();
	for (unsigned i = 0; i < count; i++)
		if (send(fd, p.data, p.len, 0) != (ssize_t)p.len)
			bench_fail("jumbo frame: %s", strerror(errno));
	ns = (bench_clock() - start) / count;
	detach(s);
	if (s == MOAT && counted(MOAT_REASON_SG_NO_MATCH) < before + count / 2)
		bench_fail("jumbo frames are not dropped");
	return ns;
}

static void jumbos(void)
{
	struct bar *b = bar_new("P3-jumbo",
				"unmatched SYN of 8.5 KB: drop"
				" rate by a bare XDP_DROP's",
				0.75, true);
	int fd = jumbo_socket();

	place_run("ip link set gen mtu 9000 && ip link set sink mtu 9000");
	for (int i = 0; i < RUNS; i++) {
		double bare = jumbo(fd, BARE);

		bar_pair(b, 1e3 / jumbo(fd, MOAT), 1e3 / bare);
	}
	bar_figure_ours(b, "moat_million_s");
	bar_figure_theirs(b, "bare_million_s");
	close(fd);
}

int main(void)
{
	FILE *tsv = bench_file("drop.tsv");

	fputs("drop", tsv);
	for (int s = 0; s < SIDES; s++)
		fprintf(tsv, "\t%s", side_name(s));
	fputc('\n', tsv);
	enter();
	for (size_t i = 0; i < ARRAY_SIZE(variants); i += bench_quick() ? 3 : 1)
		variant(&variants[i], tsv);
	fclose(tsv);
	bench_plot("drop", "set style data histogram\nset style fill solid\n"
			   "set ylabel 'ns a frame, its generator included'\n"
			   "set yrange [0:*]\n"
			   "plot for [c=2:7] 'drop.tsv' using c:xtic(1)\n");
	jumbos();
	leave();
	bars_write();
	return 0;
}
