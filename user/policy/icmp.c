// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names of ICMP types and codes: RFC 792 and 1122 for IPv4, RFC 4443, 4861,
 * 2710 and 3810 for IPv6. A name without a code means every code.
 */
#include "policy/icmp.h"

#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/strmap.h"

#define ANY (-1)
#define NONE (-2) /* the family has no such type */

static const struct {
	const char *name;
	int type4, code4, type6, code6;
} names[] = {
	{ "echo-request", 8, ANY, 128, ANY },
	{ "echo-reply", 0, ANY, 129, ANY },
	{ "destination-unreachable", 3, ANY, 1, ANY },
	{ "port-unreachable", 3, 3, 1, 4 },
	{ "host-unreachable", 3, 1, 1, 3 },
	{ "net-unreachable", 3, 0, 1, 0 },
	{ "admin-prohibited", 3, 13, 1, 1 },
	{ "time-exceeded", 11, ANY, 3, ANY },
	{ "parameter-problem", 12, ANY, 4, ANY },
	{ "redirect", 5, ANY, 137, ANY },
	{ "router-solicitation", 10, ANY, 133, ANY },
	{ "router-advertisement", 9, ANY, 134, ANY },
	{ "frag-needed", 3, 4, NONE, NONE },
	{ "timestamp-request", 13, ANY, NONE, NONE },
	{ "timestamp-reply", 14, ANY, NONE, NONE },
	{ "packet-too-big", NONE, NONE, 2, ANY },
	{ "neighbor-solicitation", NONE, NONE, 135, ANY },
	{ "neighbor-advertisement", NONE, NONE, 136, ANY },
	{ "mld-query", NONE, NONE, 130, ANY },
	{ "mld-report", NONE, NONE, 131, ANY },
	{ "mld-done", NONE, NONE, 132, ANY },
	{ "mldv2-report", NONE, NONE, 143, ANY },
};

bool icmp_name_exists(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].name, name))
			return true;
	return false;
}

bool icmp_by_name(const char *name, int proto, int *ret_type, int *ret_code)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool v4 = proto == IPPROTO_ICMP;
		int type = v4 ? names[i].type4 : names[i].type6;

		if (strcmp(names[i].name, name) != 0)
			continue;
		if (type == NONE)
			return false;
		*ret_type = type;
		*ret_code = v4 ? names[i].code4 : names[i].code6;
		return true;
	}
	return false;
}

const char *icmp_pair_name(const struct service_match *v4,
			   const struct service_match *v6)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].type4 == v4->type && names[i].code4 == v4->code &&
		    names[i].type6 == v6->type && names[i].code6 == v6->code)
			return names[i].name;
	return NULL;
}

const char *icmp_nearest(const char *text)
{
	size_t best = strlen(text) / 3 + 2;
	const char *nearest = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t distance = edit_distance(text, names[i].name, best - 1);

		if (distance < best) {
			best = distance;
			nearest = names[i].name;
		}
	}
	return nearest;
}
