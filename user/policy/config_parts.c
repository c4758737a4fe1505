// SPDX-License-Identifier: BSD-2-Clause
/* essentials, timeouts, tables, control, metrics and flow_log. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "policy/config_read.h"

/* sockaddr_un.sun_path with its NUL (unix(7)). */
#define SOCKET_PATH_MAX 107

#define DAY 86400ul /* seconds */

void config_essentials(struct diags *d, const struct node *node,
		       struct config *c)
{
	static const struct key_def keys[] = {
#define X(symbol, name) [MOAT_ESSENTIAL_##symbol] = { name, false, NULL },
		MOAT_ESSENTIALS(X)
#undef X
	};
	static const struct object_def def = OBJECT_DEF("essentials", keys);
	struct field f[ARRAY_SIZE(keys)];

	if (!read_object(d, node, &def, f))
		return;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		if (f[i].value)
			read_bool(d, f[i].value, keys[i].name,
				  &c->essential[i]);
}

void config_timeouts(struct diags *d, const struct node *node, struct config *c)
{
	static const struct key_def keys[] = {
#define X(symbol, name, seconds) \
	[MOAT_TIMEOUT_##symbol] = { #name, false, NULL },
		MOAT_TIMEOUTS(X)
#undef X
	};
	static const struct object_def def = OBJECT_DEF("timeouts", keys);
	static const uint64_t range[2] = { 1, 365 * DAY };
	struct field f[ARRAY_SIZE(keys)];
	uint64_t seconds;

	if (!read_object(d, node, &def, f))
		return;
	for (int i = 0; i < MOAT_TIMEOUT_COUNT; i++)
		if (f[i].value &&
		    read_duration(d, f[i].value, keys[i].name, range, &seconds))
			c->timeout[i] = (uint32_t)seconds;
}

void config_tables(struct diags *d, const struct node *node, struct config *c)
{
	static const struct key_def keys[] = {
		{ "flows", false, NULL },     { "udp", false, NULL },
		{ "embryonic", false, NULL }, { "closing", false, NULL },
		{ "other", false, NULL },     { "fragments", false, NULL },
		{ "denied", false, NULL },    { "memory", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("tables", keys);
	static const uint64_t entries[2] = { 16, 64u << 20 };
	static const uint64_t memory[2] = { 1u << 20, 1ull << 40 };
	uint32_t *const fields[] = {
		&c->tables.flows,   &c->tables.udp,   &c->tables.embryonic,
		&c->tables.closing, &c->tables.other, &c->tables.fragments,
		&c->tables.denied,
	};
	struct field f[ARRAY_SIZE(keys)];
	uint64_t n;

	if (!read_object(d, node, &def, f))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (f[i].value &&
		    read_number(d, f[i].value, keys[i].name, entries, &n))
			*fields[i] = (uint32_t)n;
	if (f[7].value)
		read_size(d, f[7].value, "memory", memory, &c->tables.memory);
}

void config_control(struct diags *d, const struct node *node, struct config *c)
{
	static const struct key_def keys[] = {
		{ "socket", false, NULL },
		{ "read_socket", false, NULL },
		{ "group", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("control", keys);
	struct field f[ARRAY_SIZE(keys)];

	if (!read_object(d, node, &def, f))
		return;
	config_path(d, &f[0], SOCKET_PATH_MAX, &c->control_socket);
	config_path(d, &f[1], SOCKET_PATH_MAX, &c->read_socket);
	const char *group = f[2].value ? read_text(d, f[2].value, "group") :
					 NULL;
	if (group)
		config_set(d, &c->control_group, group);
	if (!strcmp(c->control_socket, c->read_socket))
		diag_error(d, node_pos(f[1].key ? f[1].value : node),
			   "socket and read_socket are the same path");
}

static bool is_loopback(const struct moat_addr *addr)
{
	static const struct moat_addr one = { .b = { [15] = 1 } };

	return addr_is_v4(addr) ? addr_v4(addr) >> 24 == 127 :
				  addr_equal(addr, &one);
}

/* ADDRESS:PORT or [ADDRESS]:PORT. */
static bool parse_listen(const char *text, struct moat_addr *ret)
{
	const char *colon = strrchr(text, ':');
	char address[ADDR_TEXT];
	size_t len = colon ? (size_t)(colon - text) : 0;
	uint64_t port;
	int family;
	bool brackets = *text == '[';

	if (!len || len >= sizeof(address) ||
	    !parse_decimal(colon + 1, strlen(colon + 1), 65535, &port) ||
	    !port || (brackets && colon[-1] != ']'))
		return false;
	memcpy(address, text + brackets, len);
	address[len - 2ul * brackets] = '\0';
	return !addr_parse(address, ret, &family) && brackets == (family == 6);
}

static void read_tls(struct diags *d, const struct node *node, struct config *c)
{
	static const struct key_def keys[] = {
		{ "cert", true, NULL },
		{ "key", true, NULL },
		{ "client_ca", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("tls", keys);
	struct field f[ARRAY_SIZE(keys)];

	if (!read_object(d, node, &def, f))
		return;
	config_path(d, &f[0], 0, &c->tls_cert);
	config_path(d, &f[1], 0, &c->tls_key);
	config_path(d, &f[2], 0, &c->tls_client_ca);
}

static void read_listen(struct diags *d, const struct field *f, bool has_tls,
			struct config *c)
{
	const char *text = read_text(d, f->value, "listen");
	struct moat_addr addr;
	char token[NODE_TOKEN];

	if (!text)
		return;
	if (!parse_listen(text, &addr))
		diag_error(
			d, node_pos(f->value),
			"listen must be ADDRESS:PORT or [ADDRESS]:PORT, not %s",
			node_token(f->value, token));
	else if (!is_loopback(&addr) && !has_tls && !c->allow_remote)
		diag_error(
			d, node_pos(f->value),
			"%s is no loopback address; it needs `tls` or `allow_remote: true`",
			node_token(f->value, token));
	else
		config_set(d, &c->metrics_listen, text);
}

void config_metrics(struct diags *d, const struct node *node, struct config *c)
{
	static const struct key_def keys[] = {
		{ "listen", false, NULL },
		{ "flows_max_series", false, NULL },
		{ "tls", false, NULL },
		{ "allow_remote", false, NULL },
		{ "textfile", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("metrics", keys);
	static const uint64_t series[2] = { 0, 100000 };
	struct field f[ARRAY_SIZE(keys)];
	uint64_t n;

	if (!read_object(d, node, &def, f))
		return;
	if (f[1].value &&
	    read_number(d, f[1].value, "flows_max_series", series, &n))
		c->flows_max_series = (uint32_t)n;
	if (f[2].value)
		read_tls(d, f[2].value, c);
	if (f[3].value)
		read_bool(d, f[3].value, "allow_remote", &c->allow_remote);
	config_path(d, &f[4], 0, &c->textfile);
	if (f[0].value)
		read_listen(d, &f[0], f[2].value, c);
}

/* A field of a line whose fields are separated by blanks. */
static void read_word(struct diags *d, const struct field *f, char **ret)
{
	const char *text = f->value ? read_text(d, f->value, f->key->text) :
				      NULL;
	char token[NODE_TOKEN];

	if (!text)
		return;
	for (const char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p))
			text = "";
	if (*text && f->value->count <= 64)
		config_set(d, ret, text);
	else
		diag_error(d, node_pos(f->value),
			   "%s must be one word of at most 64 letters, not %s",
			   f->key->text, node_token(f->value, token));
}

static void read_log_target(struct diags *d, const struct node *node,
			    struct config *c)
{
	static const char *const words[] = { "none", "stdout", "syslog",
					     "journald" };
	const char *text = read_text(d, node, "to");
	char token[NODE_TOKEN];
	bool known = text && *text == '/';

	for (size_t i = 0; text && i < ARRAY_SIZE(words); i++)
		known = known || !strcmp(text, words[i]);
	if (known)
		config_set(d, &c->flow_log.to, text);
	else if (text)
		diag_error(
			d, node_pos(node),
			"to must be none, stdout, syslog, journald or an absolute path, not %s",
			node_token(node, token));
}

void config_flow_log(struct diags *d, const struct node *node, struct config *c)
{
	static const struct key_def keys[] = {
		{ "format", false, NULL },	 { "to", false, NULL },
		{ "window", false, NULL },	 { "rotate", false, NULL },
		{ "keep", false, NULL },	 { "account_id", false, NULL },
		{ "interface_id", false, NULL },
	};
	static const struct object_def def = OBJECT_DEF("flow_log", keys);
	static const char *const formats[] = { "vpc", "json", NULL };
	static const uint64_t window[2] = { 1, 3600 };
	static const uint64_t rotate[2] = { 64u << 10, 1ull << 40 };
	static const uint64_t keep[2] = { 0, 1000 };
	struct field f[ARRAY_SIZE(keys)];
	uint64_t n;

	if (!read_object(d, node, &def, f))
		return;
	if (f[0].value)
		c->flow_log.json = read_choice(d, f[0].value, "format",
					       formats) == 1;
	if (f[1].value)
		read_log_target(d, f[1].value, c);
	if (f[2].value && read_duration(d, f[2].value, "window", window, &n))
		c->flow_log.window = (uint32_t)n;
	if (f[3].value)
		read_size(d, f[3].value, "rotate", rotate, &c->flow_log.rotate);
	if (f[4].value && read_number(d, f[4].value, "keep", keep, &n))
		c->flow_log.keep = (uint32_t)n;
	read_word(d, &f[5], &c->flow_log.account_id);
	read_word(d, &f[6], &c->flow_log.interface_id);
}
