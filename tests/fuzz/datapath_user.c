// SPDX-License-Identifier: BSD-2-Clause
/*
 * Contexts for the programs in user space. Packet memory lies below 4 GiB,
 * since a context holds addresses of 32 bits; all but the bytes that a program
 * may touch directly is poisoned.
 */
#include "fuzz/datapath_user.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include "fuzz/bpf_user.h"
#include "fuzz/fuzz.h"
#include "fuzz/shim_maps.h"
#include "kern/private.h"

#define WINDOW 16384
#define WINDOW_AT 0x10000000ul
#define ALIGN 2 /* NET_IP_ALIGN of CPUs that want aligned words */
#define HZ 250
#define LEASE_BUCKETS 16 /* as many as bpf/maps.h has */
#define NOW 100000000ull /* jiffies64 of every run */

static struct {
	struct __sk_buff skb;
	struct xdp_md xdp;
	unsigned char frame[WINDOW]; /* all of it, linear or not */
	size_t len, linear;
	size_t network; /* where helpers count from at tc */
} it;
static unsigned char *window;

/* ---- helpers ---- */

__u64 shim_jiffies(void)
{
	return NOW;
}

static long copy(size_t end, size_t off, void *to, size_t len)
{
	if (off > end || len > end - off)
		return -14; /* EFAULT */
	memcpy(to, it.frame + off, len);
	return 0;
}

long shim_load(const void *ctx, __u32 off, void *to, __u32 len, __u32 start)
{
	must(ctx == &it.skb);
	if (off > 0xffff)
		return -14;
	if (start == BPF_HDR_START_NET)
		off += it.network;
	return copy(it.linear, off, to, len);
}

long shim_xdp_load(const void *ctx, __u32 off, void *to, __u32 len)
{
	must(ctx == &it.xdp);
	return copy(it.len, off, to, len);
}

__u64 shim_xdp_length(const void *ctx)
{
	must(ctx == &it.xdp);
	return it.len;
}

/* Opens the first bytes of the frame to direct access. */
static void show(size_t linear)
{
	ASAN_POISON_MEMORY_REGION(window, WINDOW);
	ASAN_UNPOISON_MEMORY_REGION(window + ALIGN, linear);
	memcpy(window + ALIGN, it.frame, linear);
	it.linear = linear;
	it.skb.data = it.xdp.data = (__u32)(unsigned long)(window + ALIGN);
	it.skb.data_end = it.xdp.data_end = it.skb.data + (__u32)linear;
}

long shim_pull(void *ctx, __u32 len)
{
	must(ctx == &it.skb);
	if (len > it.len)
		return -12; /* ENOMEM */
	if (len > it.linear)
		show(len);
	return 0;
}

/* ---- the policy in force ---- */

static void set_knobs(const struct world *w)
{
	struct moat_knobs *k = bpf_user_knobs();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned long at = (unsigned long)k & ~(page - 1);
	static const __u32 seconds[] = {
#define X(symbol, name, s) s,
		MOAT_TIMEOUTS(X)
#undef X
	};
	static const __u32 entry[MOAT_PART_COUNT] = { 4, 8, 2, 4 };

	must(mprotect((void *)at, (unsigned long)(k + 1) - at,
		      PROT_READ | PROT_WRITE) == 0);
	k->hz = HZ;
	for (int i = 0; i < MOAT_TIMEOUT_COUNT; i++)
		k->timeout[i] = (__u64)seconds[i] * HZ;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		k->part_mask[i] = MOAT_PART_MIN / entry[i] - 1;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		k->essential[i] = w->config->essential[i];
	k->midstream_drop = w->config->midstream_drop;
	k->unassigned_allow = w->config->unassigned_allow;
	k->forwarding_judge = w->config->forwarding_judge;
	k->xdp_load_bytes = 1;
	k->trace = 1;
	load_lease_keys(k->lease_key);
	k->lease_time = MOAT_LEASE_SECONDS * HZ;
	k->lease_buckets = LEASE_BUCKETS;
	k->lease_after = WORLD_LEASE_AFTER;
}

static void set_image(struct image *image)
{
	static const enum bpf_user_map maps[MOAT_PART_COUNT] = {
		BPF_USER_addr4,
		BPF_USER_addr6,
		BPF_USER_classes,
		BPF_USER_rows,
	};
	struct moat_control c = { .word = MOAT_CTL(0, 0, 1, 0),
				  .heartbeat = NOW };
	struct moat_image header = image->header;
	__u32 zero = 0;
	char *part;

	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		must(header.used[i] <= MOAT_PART_MIN);
		part = shim_lookup(bpf_user_map(maps[i]), &zero);
		memcpy(part, image->part[i], header.used[i]);
	}
	header.generation = 1;
	header.seal = MOAT_IMAGE_SEAL(1);
	shim_put(bpf_user_map(BPF_USER_image), &zero, &header);
	shim_put(bpf_user_map(BPF_USER_control), &zero, &c);
}

void datapath_user_open(const struct world *w)
{
	__u32 index = w->iface.ifindex % MOAT_IFACES, zero = 0;

	window = mmap((void *)WINDOW_AT, WINDOW, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	must(window == (void *)WINDOW_AT);
	set_knobs(w);
	set_image(w->engines.image);
	for (size_t i = 0; i < w->nown; i++)
		shim_put(bpf_user_map(BPF_USER_own), &w->own[i].addr,
			 &w->own[i].own);
	shim_put(bpf_user_map(BPF_USER_ifaces), &index, &w->iface);
	shim_put(bpf_user_map(BPF_USER_failsafe), &zero, &w->failsafe);
}

void datapath_user_long_way(bool on)
{
	((struct moat_knobs *)bpf_user_knobs())->long_way = on;
}

void datapath_user_clear(void)
{
	shim_clear();
}

/* ---- packets ---- */

static __u16 word_at(size_t off)
{
	return (__u16)(it.frame[off] << 8 | it.frame[off + 1]);
}

/* As eth_type_trans() and vlan_set_encap_proto(): a length is no type. */
static __u16 type_at(size_t off)
{
	if (word_at(off) >= ETH_P_802_3_MIN)
		return word_at(off);
	if (it.len >= off + 4 && word_at(off + 2) == 0xffff)
		return ETH_P_802_3;
	return ETH_P_802_2;
}

static bool is_tag(__u16 type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* As skb_vlan_untag(). */
static void untag(void)
{
	__u16 outer = word_at(2 * ETH_ALEN);

	if (!is_tag(outer) || it.len < ETH_HLEN + 4)
		return;
	it.skb.vlan_present = 1;
	it.skb.vlan_proto = htons(outer);
	it.skb.vlan_tci = word_at(ETH_HLEN);
	it.skb.protocol = htons(type_at(ETH_HLEN + 2));
	memmove(it.frame + 2 * ETH_ALEN, it.frame + ETH_HLEN + 2,
		it.len - ETH_HLEN - 2);
	it.len -= 4;
}

static bool mac_is_ours(void)
{
	static const unsigned char ours[ETH_ALEN];

	return it.frame[0] & 1 || !memcmp(it.frame, ours, ETH_ALEN);
}

static void make_skb(const struct run_packet *p, const struct layout *l)
{
	struct __sk_buff *skb = &it.skb;

	memset(skb, 0, sizeof(*skb));
	skb->protocol = htons(type_at(2 * ETH_ALEN));
	if (l->untag)
		untag();
	skb->len = (__u32)it.len;
	skb->wire_len = (__u32)it.len - ETH_HLEN;
	skb->ifindex = p->ifindex;
	skb->ingress_ifindex = p->ingress_ifindex;
	skb->gso_size = p->gso_size;
	skb->gso_segs = p->gso_segs;
	skb->pkt_type = mac_is_ours() ? PACKET_HOST : PACKET_OTHERHOST;
	skb->sk = (void *)&it; /* there is one, as under TEST_RUN */
	it.network = ETH_HLEN;
}

void datapath_user_run(const struct run_packet *p, const struct layout *l,
		       struct run_result *ret)
{
	const struct moat_trace *trace;
	__u32 zero = 0;

	must(p->len >= ETH_HLEN && p->len <= WINDOW - ALIGN);
	memcpy(it.frame, p->frame, p->len);
	it.len = p->len;
	if (p->hook != ATTACH_XDP)
		make_skb(p, l);
	memset(&it.xdp, 0, sizeof(it.xdp));
	it.xdp.ingress_ifindex = p->ifindex;
	show(l->linear && l->linear < it.len ? l->linear : it.len);
	ret->action = p->hook == ATTACH_XDP	   ? moat_xdp(&it.xdp) :
		      p->hook == ATTACH_TC_INGRESS ? moat_tc_ingress(&it.skb) :
						     moat_tc_egress(&it.skb);
	trace = shim_lookup(bpf_user_map(BPF_USER_trace), &zero);
	ret->trace = *trace;
}
