// SPDX-License-Identifier: BSD-2-Clause
/*
 * The closed table of services: the same file gives the same image on every
 * host, whatever its /etc/services says.
 */
#include "policy/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "policy/icmp.h"
#include "policy/reader.h"
#include "policy/strmap.h"

/* text: PROTOCOL[+PROTOCOL] and then ports, ranges or an ICMP name. */
static const struct service_entry table[] = {
	{ "ssh", "tcp 22" },
	{ "http", "tcp 80" },
	{ "https", "tcp 443" },
	{ "http3", "udp 443" },
	{ "dns", "tcp+udp 53" },
	{ "ntp", "udp 123" },
	{ "nfs", "tcp 2049" },
	{ "lustre", "tcp 988, 1018-1023" },
	{ "etcd", "tcp 2379-2380" },
	{ "slurm", "tcp 6817-6819" },
	{ "kubelet", "tcp 10250" },
	{ "kube-api", "tcp 443, 6443" },
	{ "vxlan", "udp 4789, 8472" },
	{ "prometheus", "tcp 9090" },
	{ "node-exporter", "tcp 9100" },
	{ "dcgm-exporter", "tcp 9400" },
	{ "moat", "tcp 9849" },
	{ "torchrun", "tcp 29400, 29500" },
	{ "ray", "tcp 6379, 8265, 10001-19999" },
	{ "ephemeral", "tcp 32768-60999" },
	{ "ping", "icmp+icmpv6 echo-request" },
};

size_t service_table(const struct service_entry **ret)
{
	*ret = table;
	return ARRAY_SIZE(table);
}

static const struct service_entry *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

bool builtin_exists(const char *name)
{
	return find(name);
}

const char *builtin_nearest(const char *text)
{
	size_t best = strlen(text) / 3 + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t distance = edit_distance(text, table[i].name, best - 1);

		if (distance < best) {
			best = distance;
			nearest = table[i].name;
		}
	}
	return nearest;
}

/* "22, 80-90" or "echo-request" of one protocol; the number of matches. */
static size_t expand(int proto, const char *what, struct service_match *out)
{
	size_t n = 0;

	if (icmp_name_exists(what)) {
		*out = (struct service_match){ .proto = proto };
		icmp_by_name(what, proto, &out->type, &out->code);
		return 1;
	}
	for (char *end; *what; what = end + strspn(end, ", "), n++) {
		unsigned long first = strtoul(what, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) :
						   first;

		out[n] = (struct service_match){ .proto = proto,
						 .has_ports = true,
						 .first = (uint16_t)first,
						 .last = (uint16_t)last,
						 .type = -1,
						 .code = -1 };
	}
	return n;
}

size_t builtin_service(const char *name,
		       struct service_match ret[BUILTIN_MATCHES])
{
	const struct service_entry *entry = find(name);
	size_t n = 0;

	if (!entry)
		return 0;
	const char *what = strchr(entry->text, ' ') + 1;
	for (const char *p = entry->text; p < what; p++) {
		size_t len = strcspn(p, "+ ");
		char proto[16] = "";

		memcpy(proto, p, len);
		n += expand(proto_parse(proto), what, ret + n);
		p += len;
	}
	return n;
}
