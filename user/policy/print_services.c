// SPDX-License-Identifier: BSD-2-Clause
/*
 * Matches back to protocol with ports or icmp. What no such keys can say (a
 * list of services of several shapes) becomes a service of the file's own.
 */
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "policy/icmp.h"
#include "policy/print.h"

json_t *print_protocol(int proto)
{
	char buf[8];
	const char *text = proto_print(proto, buf);

	return *text >= '0' && *text <= '9' ? json_integer(proto) :
					      json_string(text);
}

json_t *print_icmp(int type, int code)
{
	return code < 0 ? json_pack("{s:i}", "type", type) :
			  json_pack("{s:i, s:i}", "type", type, "code", code);
}

static json_t *print_port(const struct service_match *m)
{
	char text[16];

	if (m->first == m->last)
		return json_integer(m->first);
	snprintf(text, sizeof(text), "%u-%u", m->first, m->last);
	return json_string(text);
}

/* Matches from the start that are of one protocol. */
static size_t run_length(const struct service_match *m, size_t count)
{
	size_t n = 1;

	while (n < count && m[n].proto == m[0].proto)
		n++;
	return n;
}

static bool same_but_protocol(const struct service_match *a,
			      const struct service_match *b)
{
	return a->has_ports == b->has_ports && a->first == b->first &&
	       a->last == b->last && a->type == b->type && a->code == b->code;
}

static bool has_ports(const struct service_match *m, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!m[i].has_ports)
			return false;
	return true;
}

static bool has_types(const struct service_match *m, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (m[i].type < 0)
			return false;
	return true;
}

/* Every protocol once, each with the matches of the first. */
static bool is_product(const struct service_match *m, size_t count, size_t run)
{
	bool seen[256] = { 0 };

	if (m->proto < 0 || count % run)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (m[i].proto < 0 || m[i].proto != m[i - i % run].proto ||
		    !same_but_protocol(&m[i], &m[i % run]))
			return false;
		if (i % run == 0 && seen[m[i].proto])
			return false;
		seen[m[i].proto] = true;
	}
	return true;
}

static void print_product(struct printer *p, json_t *object,
			  const struct service_match *m, size_t count,
			  size_t run)
{
	json_t *protocols = json_array(), *ports = json_array();

	for (size_t i = 0; i < count; i += run)
		print_append(p, protocols, print_protocol(m[i].proto));
	for (size_t i = 0; i < run && m[i].has_ports; i++)
		print_append(p, ports, print_port(&m[i]));
	print_set(p, object, "protocol", protocols);
	if (json_array_size(ports))
		print_set(p, object, "ports", ports);
	else
		json_decref(ports);
}

static void print_types(struct printer *p, json_t *object,
			const struct service_match *m, size_t count)
{
	json_t *types = json_array();

	for (size_t i = 0; i < count; i++)
		print_append(p, types, print_icmp(m[i].type, m[i].code));
	print_set(p, object, "protocol", print_protocol(m->proto));
	print_set(p, object, "icmp", types);
}

/* The same names for icmp and then for icmpv6. */
static bool print_named_types(struct printer *p, json_t *object,
			      const struct service_match *m, size_t count)
{
	size_t run = run_length(m, count);

	if (m->proto != IPPROTO_ICMP || run * 2 != count ||
	    m[run].proto != IPPROTO_ICMPV6 || run_length(m + run, run) != run)
		return false;
	for (size_t i = 0; i < run; i++)
		if (!icmp_pair_name(&m[i], &m[run + i]))
			return false;

	json_t *names = json_array();
	for (size_t i = 0; i < run; i++)
		print_append(p, names,
			     json_string(icmp_pair_name(&m[i], &m[run + i])));
	print_set(p, object, "protocol", json_pack("[s, s]", "icmp", "icmpv6"));
	print_set(p, object, "icmp", names);
	return true;
}

static bool print_simple(struct printer *p, json_t *object,
			 const struct service_match *m, size_t count)
{
	size_t run = run_length(m, count);
	bool plain = !m->has_ports && m->type < 0;

	if ((plain ? run == 1 : has_ports(m, run)) &&
	    is_product(m, count, run)) {
		print_product(p, object, m, count, run);
		return true;
	}
	if (run == count && m->proto > 0 && has_types(m, count)) {
		print_types(p, object, m, count);
		return true;
	}
	return print_named_types(p, object, m, count);
}

/* Matches of one protocol that one entry of a service can hold. */
static size_t entry_length(const struct service_match *m, size_t count)
{
	size_t n = 1;

	if (!m->has_ports && m->type < 0)
		return 1;
	while (n < count && m[n].proto == m->proto &&
	       m[n].has_ports == m->has_ports &&
	       (m[n].type < 0) == (m->type < 0))
		n++;
	return n;
}

static void print_own(struct printer *p, json_t *object,
		      const struct service_match *m, size_t count)
{
	json_t *entries = json_array();

	for (size_t i = 0, n; i < count; i += n) {
		json_t *entry = json_object();

		n = entry_length(m + i, count - i);
		if (!print_simple(p, entry, m + i, n))
			p->failed = true;
		print_append(p, entries, entry);
	}

	_cleanup_free_ char *content = json_dumps(entries, JSON_COMPACT);
	json_t *known = json_object_get(p->service_names, content ?: "");
	char name[32];
	if (known) {
		json_decref(entries);
		print_set(p, object, "service", json_incref(known));
		return;
	}
	snprintf(name, sizeof(name), "s%zu", json_object_size(p->services) + 1);
	print_set(p, p->services, name, entries);
	print_set(p, p->service_names, content ?: "", json_string(name));
	print_set(p, object, "service", json_string(name));
}

void print_services(struct printer *p, json_t *object,
		    const struct service_match *m, size_t count)
{
	if (count == 1 && m->proto < 0)
		return;
	if (!print_simple(p, object, m, count))
		print_own(p, object, m, count);
}
