// SPDX-License-Identifier: BSD-2-Clause
/* tests and never: what a policy says of itself. */
#include <netinet/in.h>
#include <string.h>

#include "policy/read.h"

/* Of the client range of every default kernel; a test may say another. */
#define DEFAULT_SPORT 40000

enum test_key {
	TEST_SRC,
	TEST_DST,
	TEST_PROTOCOL,
	TEST_DPORT,
	TEST_SPORT,
	TEST_ICMP,
	TEST_EXPECT,
	TEST_DESCRIPTION,
	TEST_COUNT
};

static const struct key_def test_keys[] = {
	[TEST_SRC] = { "src", true, NULL },
	[TEST_DST] = { "dst", true, NULL },
	[TEST_PROTOCOL] = { "protocol", true, NULL },
	[TEST_DPORT] = { "dport", false, NULL },
	[TEST_SPORT] = { "sport", false, NULL },
	[TEST_ICMP] = { "icmp", false, NULL },
	[TEST_EXPECT] = { "expect", true, NULL },
	[TEST_DESCRIPTION] = { "description", false, NULL },
};
static const struct object_def test_def = OBJECT_DEF("a test", test_keys);

static bool read_test_addresses(struct reader *r, const struct field *f,
				struct policy_test *t)
{
	int family;

	if (!f[TEST_SRC].value || !f[TEST_DST].value)
		return false;
	bool src = read_address(r->diags, f[TEST_SRC].value, "src", &t->src,
				&t->family);
	bool dst = read_address(r->diags, f[TEST_DST].value, "dst", &t->dst,
				&family);
	if (!src || !dst)
		return false;
	if (family == t->family)
		return true;
	diag_error(r->diags, node_pos(f[TEST_DST].value),
		   "src and dst are of two families");
	return false;
}

static void read_test_port(struct reader *r, const struct field *f,
			   uint16_t *ret)
{
	static const uint64_t range[2] = { 0, 65535 };
	uint64_t port;

	if (f->key &&
	    read_number(r->diags, f->value, f->key->text, range, &port))
		*ret = (uint16_t)port;
}

static void read_test_ports(struct reader *r, const struct field *f,
			    struct policy_test *t)
{
	char text[8];

	if (proto_has_ports(t->proto)) {
		t->sport = DEFAULT_SPORT;
		if (!f[TEST_DPORT].key)
			diag_error(r->diags, node_pos(f[TEST_PROTOCOL].value),
				   "a test of %s needs `dport`",
				   proto_print(t->proto, text));
		read_test_port(r, &f[TEST_DPORT], &t->dport);
		read_test_port(r, &f[TEST_SPORT], &t->sport);
		return;
	}
	for (int i = TEST_DPORT; i <= TEST_SPORT; i++)
		if (f[i].key)
			diag_error(r->diags, node_pos(f[i].key),
				   "protocol %s has no ports",
				   proto_print(t->proto, text));
}

static void read_test_icmp(struct reader *r, const struct field *f,
			   struct policy_test *t)
{
	struct service_match m = { .proto = t->proto };
	char text[8];

	t->type = -1;
	t->code = -1;
	if (!f[TEST_ICMP].value)
		return;
	if (t->proto != IPPROTO_ICMP && t->proto != IPPROTO_ICMPV6) {
		diag_error(r->diags, node_pos(f[TEST_ICMP].key),
			   "protocol %s has no ICMP types",
			   proto_print(t->proto, text));
		return;
	}
	if (!read_icmp(r, f[TEST_ICMP].value, true, &m))
		return;
	t->type = m.type;
	t->code = m.code < 0 ? 0 : m.code;
}

static void check_family(struct reader *r, const struct field *f,
			 const struct policy_test *t)
{
	if (t->proto == IPPROTO_ICMP && t->family == 6)
		diag_error(r->diags, node_pos(f[TEST_PROTOCOL].value),
			   "icmp is IPv4's; these addresses need icmpv6");
	if (t->proto == IPPROTO_ICMPV6 && t->family == 4)
		diag_error(r->diags, node_pos(f[TEST_PROTOCOL].value),
			   "icmpv6 is IPv6's; these addresses need icmp");
}

static void read_test(struct reader *r, const struct node *node,
		      struct policy_test *t)
{
	static const char *const verdicts[] = { "allow", "drop", "deny", NULL };
	struct field f[TEST_COUNT];

	if (!read_object(r->diags, node, &test_def, f))
		return;
	t->pos = node_pos(node);
	if (f[TEST_EXPECT].value)
		t->expect_allow = read_choice(r->diags, f[TEST_EXPECT].value,
					      "expect", verdicts) == 0;
	if (f[TEST_DESCRIPTION].value)
		t->description = read_copy(r->diags, f[TEST_DESCRIPTION].value,
					   "description", DESCRIPTION_MAX);
	bool addresses = read_test_addresses(r, f, t);
	t->proto = f[TEST_PROTOCOL].value ?
			   read_protocol(r->diags, f[TEST_PROTOCOL].value) :
			   -1;
	if (t->proto < 0)
		return;
	read_test_ports(r, f, t);
	read_test_icmp(r, f, t);
	if (addresses)
		check_family(r, f, t);
}

/* All entries of a list that stands in several documents. */
static size_t count_entries(struct reader *r, enum top_key key,
			    const char *what)
{
	size_t count = 0;
	struct items items;

	for_each_document(i, r) {
		struct field *f = &r->top[i][key];

		if (!f->value)
			continue;
		if (read_items(r->diags, f->value, what, &items))
			count += items.count;
		else
			*f = (struct field){ 0 };
	}
	return count;
}

void read_tests(struct reader *r)
{
	struct policy *p = r->policy;
	size_t count = count_entries(r, TOP_TESTS, "tests");

	p->tests = calloc(count + 1, sizeof(*p->tests));
	if (!p->tests) {
		error_out_of_memory(r->diags);
		return;
	}
	for_each_document(i, r) {
		const struct field *f = &r->top[i][TOP_TESTS];
		struct items items;

		if (!f->value ||
		    !read_items(r->diags, f->value, "tests", &items))
			continue;
		const struct node *item = items.first;
		for_each_item(j, item, items)
			read_test(r, item, &p->tests[p->ntests++]);
	}
}

static void read_never(struct reader *r, const struct node *node,
		       struct policy_never *never)
{
	static const struct key_def keys[] = {
		{ "from", true, NULL },		{ "to", true, NULL },
		{ "protocol", false, NULL },	{ "ports", false, NULL },
		{ "icmp", false, NULL },	{ "service", false, NULL },
		{ "description", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("an entry of never",
							keys);
	struct field f[ARRAY_SIZE(keys)];
	struct peer_list from = { 0 }, to = { 0 };
	struct match_list matches = { 0 };

	if (!read_object(r->diags, node, &def, f))
		return;
	never->pos = node_pos(node);
	read_peers(r, &f[0], -1, &from);
	read_peers(r, &f[1], -1, &to);
	const struct service_fields fields = {
		.protocol = f[2], .ports = f[3], .icmp = f[4], .service = f[5]
	};
	read_services(r, &fields, &matches);
	never->from = from.items;
	never->nfrom = from.count;
	never->to = to.items;
	never->nto = to.count;
	never->services = matches.items;
	never->nservices = matches.count;
	if (f[6].value)
		never->description = read_copy(r->diags, f[6].value,
					       "description", DESCRIPTION_MAX);
}

void read_nevers(struct reader *r)
{
	struct policy *p = r->policy;
	size_t count = count_entries(r, TOP_NEVER, "never");

	p->nevers = calloc(count + 1, sizeof(*p->nevers));
	if (!p->nevers) {
		error_out_of_memory(r->diags);
		return;
	}
	for_each_document(i, r) {
		const struct field *f = &r->top[i][TOP_NEVER];
		struct items items;

		if (!f->value ||
		    !read_items(r->diags, f->value, "never", &items))
			continue;
		const struct node *item = items.first;
		for_each_item(j, item, items)
			read_never(r, item, &p->nevers[p->nnevers++]);
	}
}
