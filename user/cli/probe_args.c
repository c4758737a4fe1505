// SPDX-License-Identifier: BSD-2-Clause
/* Packets as words of the command line. */
#include "cli/probe_args.h"

#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/cleanup.h"

#define PROTO_ICMP 1
#define PROTO_ICMPV6 58

int probe_addresses(const char *command, const char *local, const char *remote,
		    struct probe *ret)
{
	int family, other;

	if (addr_parse(local, &ret->local, &family))
		return usage_error(command, "\"%s\" is no address", local);
	if (addr_parse(remote, &ret->remote, &other))
		return usage_error(command, "\"%s\" is no address", remote);
	if (family != other)
		return usage_error(command, "%s and %s are of two families",
				   local, remote);
	ret->family = family;
	return 0;
}

int probe_service(const char *command, const char *text, struct probe *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char name[16];
	long long port = 0;

	if (len >= sizeof(name))
		return usage_error(command, "\"%s\" is no protocol", text);
	memcpy(name, text, len);
	name[len] = '\0';
	ret->proto = proto_parse(name);
	if (ret->proto < 0)
		return usage_error(command,
				   "\"%s\" is no protocol; tcp, udp, "
				   "icmp, icmpv6, sctp, gre, esp, ah or a "
				   "number",
				   name);
	if (slash && !proto_has_ports(ret->proto))
		return usage_error(command, "%s has no ports%s", name,
				   ret->proto == PROTO_ICMP ||
						   ret->proto == PROTO_ICMPV6 ?
					   "; its type is given by --icmp" :
					   "");
	if (slash && !parse_number(slash + 1, 65535, &port))
		return usage_error(command, "\"%s\" is no port", slash + 1);
	if (!slash && proto_has_ports(ret->proto))
		return usage_error(command, "%s needs a port: %s/443", name,
				   name);
	ret->dport = (uint16_t)port;
	if (proto_has_ports(ret->proto))
		ret->sport = PROBE_SPORT;
	if (ret->proto == PROTO_ICMP)
		ret->type = 8;
	if (ret->proto == PROTO_ICMPV6)
		ret->type = 128;
	return 0;
}

int probe_icmp(const char *command, const char *text, struct probe *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	long long type, code = 0;
	char number[8] = "";

	if (ret->proto != PROTO_ICMP && ret->proto != PROTO_ICMPV6)
		return usage_error(command, "--icmp goes with icmp and icmpv6");
	if (len < sizeof(number))
		snprintf(number, sizeof(number), "%.*s", (int)len, text);
	if (!parse_number(number, 255, &type) ||
	    (slash && !parse_number(slash + 1, 255, &code)))
		return usage_error(command,
				   "--icmp takes TYPE or TYPE/CODE, "
				   "not \"%s\"",
				   text);
	ret->type = (uint8_t)type;
	ret->code = (uint8_t)code;
	return 0;
}

static const struct {
	const char *name;
	char letter;
	uint8_t bit;
} flag_names[] = {
	{ "FIN", 'F', MOAT_TCP_FLAG_FIN }, { "SYN", 'S', MOAT_TCP_FLAG_SYN },
	{ "RST", 'R', MOAT_TCP_FLAG_RST }, { "PSH", 'P', MOAT_TCP_FLAG_PSH },
	{ "ACK", 'A', MOAT_TCP_FLAG_ACK }, { "URG", 'U', MOAT_TCP_FLAG_URG },
};

static uint8_t flag_word(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (len == 3 && !strncasecmp(text, flag_names[i].name, 3))
			return flag_names[i].bit;
	return 0;
}

static uint8_t flag_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (letter == flag_names[i].letter)
			return flag_names[i].bit;
	return 0;
}

/* Letters, "SA", unless the word is a name, "SYN". 0: neither. */
static uint8_t flag_set(const char *text, size_t len)
{
	uint8_t bits = flag_word(text, len), bit;

	for (size_t i = 0; i < len && !flag_word(text, len); i++) {
		bit = flag_letter(text[i]);
		if (!bit)
			return 0;
		bits |= bit;
	}
	return bits;
}

int probe_flags(const char *command, const char *text, struct probe *ret)
{
	const char *at = text;
	uint8_t bits = 0, some;
	size_t len;

	if (ret->proto != 6)
		return usage_error(command, "--flags goes with tcp");
	while (*at) {
		len = strcspn(at, ",");
		some = flag_set(at, len);
		if (!some)
			return usage_error(command,
					   "--flags takes SYN, ACK, "
					   "FIN, RST, PSH and URG joined by "
					   "commas, not \"%s\"",
					   text);
		bits |= some;
		at += len;
		at += *at == ',';
	}
	ret->flags_given = true;
	ret->flags = bits;
	return 0;
}
