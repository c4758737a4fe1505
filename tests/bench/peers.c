// SPDX-License-Identifier: BSD-2-Clause
#include "bench/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "bench/bar.h"

static const char *const names[PEER_COUNT] = { "nft", "ipset", "xdp-filter" };

const char *peer_name(enum rival p)
{
	return names[p];
}

/* A command that reads what write() says. */
static bool feed(const char *command, void (*fill)(FILE *f))
{
	FILE *f = popen(command, "we");

	if (!f)
		return false;
	fill(f);
	return pclose(f) == 0;
}

static void run(const char *command)
{
	if (system(command))
		bench_fail("failed: %s", command);
}

static void each(FILE *f, const char *head, unsigned count, const char *format)
{
	fputs(head, f);
	for (unsigned i = 0; i < count; i++)
		fprintf(f, format, i >> 8, i & 0xff, PEERS_PORT + i);
}

/* The set lookups before the drop are all that nft does: no state. */
static void nft_rules(FILE *f)
{
	fputs("table netdev bench {\n", f);
	each(f, "set denied4 { type ipv4_addr; elements = {", PEERS_DENIED,
	     " 40.0.%u.%u,");
	each(f, "} }\nset denied6 { type ipv6_addr; elements = {", PEERS_DENIED,
	     " fd40::%02x%02x,");
	each(f, "} }\nset open4 { type ipv4_addr . inet_service; elements = {",
	     PEERS_ALLOWED, " 20.0.%u.%u . %u,");
	each(f, "} }\nset open6 { type ipv6_addr . inet_service; elements = {",
	     PEERS_ALLOWED, " fd20::%02x%02x . %u,");
	fputs("} }\nchain in { type filter hook ingress device sink"
	      " priority 0; policy accept;\n"
	      "tcp flags & (fin|syn) == (fin|syn) drop\n"
	      "ip saddr @denied4 drop\n"
	      "ip6 saddr @denied6 drop\n"
	      "tcp flags & (syn|ack) == syn"
	      " ip saddr . tcp dport != @open4 drop\n"
	      "tcp flags & (syn|ack) == syn"
	      " ip6 saddr . tcp dport != @open6 drop\n}\n}\n",
	      f);
}

static void ipset_sets(FILE *f)
{
	fputs("create denied4 hash:ip\ncreate denied6 hash:ip family inet6\n"
	      "create open4 hash:ip,port\n"
	      "create open6 hash:ip,port family inet6\n",
	      f);
	each(f, "", PEERS_DENIED, "add denied4 40.0.%u.%u\n");
	each(f, "", PEERS_DENIED, "add denied6 fd40::%02x%02x\n");
	each(f, "", PEERS_ALLOWED, "add open4 20.0.%u.%u,%u\n");
	each(f, "", PEERS_ALLOWED, "add open6 fd20::%02x%02x,%u\n");
}

static void raw_rules(FILE *f, const char *family)
{
	fprintf(f,
		"*raw\n-A PREROUTING -i sink -p tcp --tcp-flags FIN,SYN"
		" FIN,SYN -j DROP\n"
		"-A PREROUTING -i sink -m set --match-set denied%s src -j DROP\n"
		"-A PREROUTING -i sink -p tcp --tcp-flags SYN,ACK SYN"
		" -m set ! --match-set open%s src,dst -j DROP\nCOMMIT\n",
		family, family);
}

static void raw_rules4(FILE *f)
{
	raw_rules(f, "4");
}

static void raw_rules6(FILE *f)
{
	raw_rules(f, "6");
}

static void xdp_filter_rules(FILE *f)
{
	fputs("set -e\nexec >/dev/null\nxdp-filter load sink -m native\n", f);
	each(f, "", PEERS_DENIED, "xdp-filter ip 40.0.%u.%u -m src\n");
	each(f, "", PEERS_DENIED, "xdp-filter ip fd40::%02x%02x -m src\n");
	fputs("xdp-filter unload sink -k\n", f);
}

static bool have(const char *tool)
{
	char line[128];

	snprintf(line, sizeof(line), "command -v %s >/dev/null", tool);
	if (!system(line))
		return true;
	fprintf(stderr, "no %s here: not measured\n", tool);
	return false;
}

/* xdp-filter pins its sets under /sys/fs/bpf; they outlive its programs. */
bool peer_prepare(enum rival p)
{
	switch (p) {
	case PEER_NFT:
		return have("nft");
	case PEER_IPSET:
		return have("iptables-legacy-restore") && have("ipset") &&
		       feed("ipset restore", ipset_sets);
	default:
		return have("xdp-filter") &&
		       !mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) &&
		       feed("sh", xdp_filter_rules);
	}
}

void peer_attach(enum rival p)
{
	bool ok;

	switch (p) {
	case PEER_NFT:
		ok = feed("nft -f -", nft_rules);
		break;
	case PEER_IPSET:
		ok = feed("iptables-legacy-restore", raw_rules4) &&
		     feed("ip6tables-legacy-restore", raw_rules6);
		break;
	default:
		ok = !system("xdp-filter load sink -m native >/dev/null");
	}
	if (!ok)
		bench_fail("%s refused its rules", names[p]);
}

void peer_detach(enum rival p)
{
	switch (p) {
	case PEER_NFT:
		run("nft delete table netdev bench");
		break;
	case PEER_IPSET:
		run("iptables-legacy -t raw -F && ip6tables-legacy -t raw -F");
		break;
	default:
		run("xdp-filter unload sink -k >/dev/null");
	}
}
