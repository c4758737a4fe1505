// SPDX-License-Identifier: BSD-2-Clause
/* The agent's configuration: defaults, and every key read over them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/sha256.h"
#include "policy/config.h"

static struct config *read_good(const char *text)
{
	struct diags diags = { 0 };
	struct buf said = { 0 };
	struct config *c = config_read("moatd.yaml", text, strlen(text),
				       &diags);

	assert_int_equal(diags_render(&diags, &said), 0);
	assert_string_equal(buf_text(&said), "");
	assert_non_null(c);
	diags_free(&diags);
	buf_free(&said);
	return c;
}

static void assert_failsafe(const struct failsafe_rule *f, const char *expected)
{
	_cleanup_(buf_free) struct buf all = { 0 };
	char text[ADDR_TEXT];

	buf_printf(&all, "%s %d %d", f->name, f->direction, f->proto);
	for (size_t i = 0; i < f->nports; i++)
		buf_printf(&all, " %d-%d", f->ports[i].first, f->ports[i].last);
	for (size_t i = 0; i < f->npeers; i++)
		buf_printf(&all, " %s", cidr_print(&f->peers[i], false, text));
	assert_string_equal(buf_text(&all), expected);
}

/* interface.md section 2, line by line. */
static void assert_defaults(const struct config *c)
{
	static const uint32_t timeouts[] = { 432000, 60,  3600, 120,
					     30,     180, 30,	600 };

	assert_true(c->interfaces_auto);
	assert_int_equal(c->ninterfaces, 0);
	assert_int_equal(c->nexclude, 0);
	assert_true(c->before_first_pass);
	assert_false(c->max_mode_audit);
	assert_int_equal(c->xdp, XDP_MODE_NONE);
	assert_false(c->unassigned_allow);
	assert_false(c->forwarding_judge);
	assert_false(c->midstream_drop);
	assert_int_equal(c->nfailsafe, 1);
	assert_failsafe(&c->failsafe[0],
			"ssh 0 6 22-22 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 "
			"100.64.0.0/10 fc00::/7 fe80::/10");
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		assert_true(c->essential[i]);
	assert_memory_equal(c->timeout, timeouts, sizeof(timeouts));
	assert_int_equal(c->tables.flows, 1048576);
	assert_int_equal(c->tables.udp, 262144);
	assert_int_equal(c->tables.embryonic, 65536);
	assert_int_equal(c->tables.closing, 65536);
	assert_int_equal(c->tables.other, 65536);
	assert_int_equal(c->tables.fragments, 16384);
	assert_int_equal(c->tables.denied, 65536);
	assert_int_equal(c->tables.memory, 512 * 1048576);
	assert_string_equal(c->control_socket, "/run/moat/control.sock");
	assert_string_equal(c->read_socket, "/run/moat/read.sock");
	assert_string_equal(c->control_group, "moat");
	assert_string_equal(c->metrics_listen, "127.0.0.1:9849");
	assert_int_equal(c->flows_max_series, 200);
	assert_null(c->tls_cert);
	assert_false(c->allow_remote);
	assert_null(c->textfile);
	assert_false(c->flow_log.json);
	assert_string_equal(c->flow_log.to, "none");
	assert_int_equal(c->flow_log.window, 60);
	assert_int_equal(c->flow_log.rotate, 100 * 1048576);
	assert_int_equal(c->flow_log.keep, 5);
	assert_string_equal(c->flow_log.account_id, "-");
	assert_string_equal(c->flow_log.interface_id, "name");
	assert_string_equal(c->state, "/var/lib/moat");
	assert_string_equal(c->bpffs, "/sys/fs/bpf/moat");
	assert_string_equal(c->policy, "/etc/moat/policy.yaml");
}

static const char documented[] =
	"version: 1\n"
	"interfaces: auto\n"
	"exclude: []\n"
	"before_first_policy: pass\n"
	"max_mode: enforce\n"
	"xdp: none\n"
	"unassigned: deny\n"
	"forwarding: pass\n"
	"midstream: judge\n"
	"failsafe:\n"
	"  - {name: ssh, direction: ingress, protocol: tcp, ports: [22], peers: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, \"fc00::/7\", \"fe80::/10\"]}\n"
	"essentials: {ipv6-nd: true, ipv6-ra: true, dhcp: true, dhcpv6: true, icmp-errors: true}\n"
	"timeouts: {tcp_established: 432000s, tcp_half_open: 60s, tcp_half_closed: 3600s, tcp_closing: 120s, udp: 30s, udp_stream: 180s, icmp: 30s, other: 600s}\n"
	"tables: {flows: 1048576, udp: 262144, embryonic: 65536, closing: 65536, other: 65536, fragments: 16384, denied: 65536, memory: 512MiB}\n"
	"control: {socket: /run/moat/control.sock, read_socket: /run/moat/read.sock, group: moat}\n"
	"metrics: {listen: \"127.0.0.1:9849\", flows_max_series: 200}\n"
	"flow_log: {format: vpc, to: none, window: 60s, rotate: 100MiB, keep: 5, account_id: \"-\", interface_id: name}\n"
	"state: /var/lib/moat\n"
	"bpffs: /sys/fs/bpf/moat\n"
	"policy: /etc/moat/policy.yaml\n";

static void defaults(void **state)
{
	static const char *const texts[] = { "", "# nothing\n", "version: 1\n",
					     "{}", documented };
	struct config *c = config_default();
	char sha[SHA256_TEXT];

	assert_non_null(c);
	assert_defaults(c);
	config_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		c = read_good(texts[i]);
		assert_defaults(c);
		assert_string_equal(c->sha256,
				    sha256_text(texts[i], strlen(texts[i]),
						sha));
		config_free(c);
	}
}

static void words(void **state)
{
	struct config *c = read_good("interfaces: [auto, \"eth*\", wg0]\n"
				     "exclude: docker0\n"
				     "before_first_policy: deny\n"
				     "max_mode: audit\n"
				     "xdp: native\n"
				     "unassigned: allow\n"
				     "forwarding: judge\n"
				     "midstream: drop\n"
				     "essentials: {ipv6-ra: false}\n"
				     "state: /a\nbpffs: /b\npolicy: /c\n");

	assert_true(c->interfaces_auto);
	assert_int_equal(c->ninterfaces, 2);
	assert_string_equal(c->interfaces[0], "eth*");
	assert_string_equal(c->interfaces[1], "wg0");
	assert_int_equal(c->nexclude, 1);
	assert_string_equal(c->exclude[0], "docker0");
	assert_false(c->before_first_pass);
	assert_true(c->max_mode_audit);
	assert_int_equal(c->xdp, XDP_MODE_NATIVE);
	assert_true(c->unassigned_allow);
	assert_true(c->forwarding_judge);
	assert_true(c->midstream_drop);
	assert_true(c->essential[MOAT_ESSENTIAL_IPV6_ND]);
	assert_false(c->essential[MOAT_ESSENTIAL_IPV6_RA]);
	assert_string_equal(c->state, "/a");
	assert_string_equal(c->bpffs, "/b");
	assert_string_equal(c->policy, "/c");
	config_free(c);

	c = read_good("interfaces: \"*\"\nxdp: generic\n");
	assert_false(c->interfaces_auto);
	assert_string_equal(c->interfaces[0], "*");
	assert_int_equal(c->xdp, XDP_MODE_GENERIC);
	config_free(c);
}

static void failsafe(void **state)
{
	struct config *c = read_good(
		"failsafe:\n"
		"  - {name: a, direction: egress, protocol: udp, ports: [53, 100-200], peers: \"fd00::1\"}\n"
		"  - {name: b, direction: ingress, protocol: 6, ports: 22, peers: [0.0.0.0/0, \"::/0\", 0.0.0.0/0]}\n");

	assert_int_equal(c->nfailsafe, 2);
	assert_failsafe(&c->failsafe[0], "a 1 17 53-53 100-200 fd00::1/128");
	assert_failsafe(&c->failsafe[1], "b 0 6 22-22 0.0.0.0/0 ::/0");
	config_free(c);

	c = read_good("failsafe: []\n");
	assert_int_equal(c->nfailsafe, 0);
	config_free(c);
}

static void numbers(void **state)
{
	struct config *c = read_good(
		"timeouts: {tcp_established: 5d, tcp_half_open: 1m, udp: 2h, other: 7s}\n"
		"tables: {flows: 16, udp: 67108864, memory: 2GiB}\n"
		"flow_log: {format: json, to: /var/log/moat.log, window: 1h,\n"
		"  rotate: 64KiB, keep: 0, account_id: \"123456789012\", interface_id: eni-1}\n"
		"control: {socket: /t/c, read_socket: /t/r, group: wheel}\n");

	assert_int_equal(c->timeout[MOAT_TIMEOUT_TCP_ESTABLISHED], 432000);
	assert_int_equal(c->timeout[MOAT_TIMEOUT_TCP_HALF_OPEN], 60);
	assert_int_equal(c->timeout[MOAT_TIMEOUT_UDP], 7200);
	assert_int_equal(c->timeout[MOAT_TIMEOUT_OTHER], 7);
	assert_int_equal(c->timeout[MOAT_TIMEOUT_ICMP], 30);
	assert_int_equal(c->tables.flows, 16);
	assert_int_equal(c->tables.udp, 67108864);
	assert_int_equal(c->tables.closing, 65536);
	assert_true(c->tables.memory == 2ull << 30);
	assert_true(c->flow_log.json);
	assert_string_equal(c->flow_log.to, "/var/log/moat.log");
	assert_int_equal(c->flow_log.window, 3600);
	assert_int_equal(c->flow_log.rotate, 65536);
	assert_int_equal(c->flow_log.keep, 0);
	assert_string_equal(c->flow_log.account_id, "123456789012");
	assert_string_equal(c->flow_log.interface_id, "eni-1");
	assert_string_equal(c->control_socket, "/t/c");
	assert_string_equal(c->read_socket, "/t/r");
	assert_string_equal(c->control_group, "wheel");
	config_free(c);
}

/* Another address than loopback says yes to being seen. */
static void metrics(void **state)
{
	static const struct {
		const char *text, *listen;
		bool remote, tls;
	} cases[] = {
		{ "{listen: \"127.9.9.9:1\"}", "127.9.9.9:1", false, false },
		{ "{listen: \"[::1]:65535\"}", "[::1]:65535", false, false },
		{ "{listen: \"0.0.0.0:9849\", allow_remote: true}",
		  "0.0.0.0:9849", true, false },
		{ "{listen: \"[::]:9849\", tls: {cert: /c, key: /k}}",
		  "[::]:9849", false, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_free) struct buf text = { 0 };

		buf_printf(&text, "metrics: %s\n", cases[i].text);

		struct config *c = read_good(buf_text(&text));
		assert_string_equal(c->metrics_listen, cases[i].listen);
		assert_int_equal(c->allow_remote, cases[i].remote);
		assert_int_equal(c->tls_cert != NULL, cases[i].tls);
		config_free(c);
	}

	struct config *c = read_good(
		"metrics: {tls: {cert: /c, key: /k, client_ca: /a},\n"
		"  flows_max_series: 0, textfile: /t}\n");
	assert_string_equal(c->tls_cert, "/c");
	assert_string_equal(c->tls_key, "/k");
	assert_string_equal(c->tls_client_ca, "/a");
	assert_string_equal(c->textfile, "/t");
	assert_int_equal(c->flows_max_series, 0);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(words),
		cmocka_unit_test(failsafe), cmocka_unit_test(numbers),
		cmocka_unit_test(metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
