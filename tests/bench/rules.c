// SPDX-License-Identifier: BSD-2-Clause
#include "bench/rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/bar.h"
#include "bench/peers.h"

static void group(FILE *f, unsigned open)
{
	fputs("version: 1\nname: bench\nmode: enforce\n"
	      "security_groups:\n"
	      "  host:\n"
	      "    members: [10.0.0.0/24, \"fd00::/64\"]\n"
	      "    egress: [{name: all, to: any}]\n"
	      "    ingress:\n",
	      f);
	if (open)
		fprintf(f,
			"      - {name: open, from: any, protocol: tcp,"
			" ports: %u-%u}\n",
			open, open + 1);
	for (unsigned i = 0; i < PEERS_ALLOWED; i++)
		fprintf(f,
			"      - {name: r%u, from: [20.0.%u.%u,"
			" \"fd20::%x\"], protocol: tcp, ports: %u}\n",
			i, i >> 8, i & 0xff, i, PEERS_PORT + i);
}

static void acl(FILE *f)
{
	fputs("network_acls:\n"
	      "  edge:\n"
	      "    applies_to: [host]\n"
	      "    ingress:\n",
	      f);
	for (unsigned i = 0; i < PEERS_DENIED; i++)
		fprintf(f,
			"      - {rule: %u, action: deny,"
			" from: [40.0.%u.%u, \"fd40::%x\"]}\n",
			i + 1, i >> 8, i & 0xff, i);
	fputs("      - {rule: 10000, action: allow, from: any}\n"
	      "    egress:\n"
	      "      - {rule: 1, action: allow, to: any}\n",
	      f);
}

char *rules_text(unsigned open)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		bench_fail("no memory");
	group(f, open);
	acl(f);
	if (fclose(f))
		bench_fail("no memory");
	return text;
}
