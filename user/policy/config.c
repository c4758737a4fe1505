// SPDX-License-Identifier: BSD-2-Clause
/* The agent's configuration: defaults, top level, destructor. */
#include "policy/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "policy/config_read.h"

DEFINE_CLEANUP(config, config_free)

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	free_list(c->interfaces, c->ninterfaces);
	free_list(c->exclude, c->nexclude);
	config_free_failsafe(c);
	free(c->control_socket);
	free(c->read_socket);
	free(c->control_group);
	free(c->metrics_listen);
	free(c->tls_cert);
	free(c->tls_key);
	free(c->tls_client_ca);
	free(c->textfile);
	free(c->flow_log.to);
	free(c->flow_log.account_id);
	free(c->flow_log.interface_id);
	free(c->state);
	free(c->bpffs);
	free(c->policy);
	free(c);
}

static bool default_texts(struct config *c)
{
	const struct {
		char **field;
		const char *text;
	} texts[] = {
		{ &c->control_socket, "/run/moat/control.sock" },
		{ &c->read_socket, "/run/moat/read.sock" },
		{ &c->control_group, "moat" },
		{ &c->metrics_listen, "127.0.0.1:9849" },
		{ &c->flow_log.to, "none" },
		{ &c->flow_log.account_id, "-" },
		{ &c->flow_log.interface_id, "name" },
		{ &c->state, "/var/lib/moat" },
		{ &c->bpffs, "/sys/fs/bpf/moat" },
		{ &c->policy, "/etc/moat/policy.yaml" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		*texts[i].field = strdup(texts[i].text);
		if (!*texts[i].field)
			return false;
	}
	return true;
}

struct config *config_default(void)
{
	static const uint32_t timeouts[MOAT_TIMEOUT_COUNT] = {
#define X(symbol, name, seconds) [MOAT_TIMEOUT_##symbol] = seconds,
		MOAT_TIMEOUTS(X)
#undef X
	};
	CLEANUP(config) struct config *c = calloc(1, sizeof(*c));

	if (!c || !default_texts(c) || config_default_failsafe(c))
		return NULL;
	c->interfaces_auto = true;
	c->before_first_pass = true;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		c->essential[i] = true;
	memcpy(c->timeout, timeouts, sizeof(timeouts));
	c->tables.flows = 1048576;
	c->tables.udp = 262144;
	c->tables.embryonic = 65536;
	c->tables.closing = 65536;
	c->tables.other = 65536;
	c->tables.fragments = 16384;
	c->tables.denied = 65536;
	c->tables.memory = 512u << 20;
	c->flows_max_series = 200;
	c->flow_log.window = 60;
	c->flow_log.rotate = 100u << 20;
	c->flow_log.keep = 5;
	sha256_text("", 0, c->sha256);
	return TAKE_PTR(c);
}

void config_set(struct diags *d, char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		error_out_of_memory(d);
		return;
	}
	free(*field);
	*field = copy;
}

void config_path(struct diags *d, const struct field *f, size_t max, char **ret)
{
	const char *text = f->value ? read_text(d, f->value, f->key->text) :
				      NULL;
	char token[NODE_TOKEN];

	if (!text)
		return;
	if (*text != '/')
		diag_error(d, node_pos(f->value),
			   "%s must be an absolute path, not %s", f->key->text,
			   node_token(f->value, token));
	else if (max && f->value->count > max)
		diag_error(d, node_pos(f->value), "%s has %u bytes, above %zu",
			   f->key->text, f->value->count, max);
	else
		config_set(d, ret, text);
}

/* A device's name or a glob over such names (netdevice(7): no blank, no
 * slash). */
static bool read_device(struct diags *d, const struct node *node,
			const char **ret)
{
	const char *text = read_text(d, node, "an interface");
	char token[NODE_TOKEN];

	if (!text)
		return false;
	for (const char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p) || *p == '/')
			text = "";
	if (*text && node->count <= 63) {
		*ret = text;
		return true;
	}
	diag_error(d, node_pos(node), "%s is no interface name or pattern",
		   node_token(node, token));
	return false;
}

/* auto: NULL where that word has no meaning. */
static void read_devices(struct diags *d, const struct items *items,
			 struct config *c, bool *ret_auto)
{
	char ***list = ret_auto ? &c->interfaces : &c->exclude;
	size_t *count = ret_auto ? &c->ninterfaces : &c->nexclude;
	const struct node *item = items->first;

	*list = calloc(items->count + 1, sizeof(char *));
	if (!*list) {
		error_out_of_memory(d);
		return;
	}
	if (ret_auto)
		*ret_auto = false;
	for_each_item(i, item, *items) {
		const char *text;

		if (!read_device(d, item, &text))
			continue;
		if (ret_auto && !strcmp(text, "auto"))
			*ret_auto = true;
		else
			config_set(d, &(*list)[(*count)++], text);
	}
}

enum top_key {
	TOP_VERSION,
	TOP_INTERFACES,
	TOP_EXCLUDE,
	TOP_BEFORE,
	TOP_MAX_MODE,
	TOP_XDP,
	TOP_UNASSIGNED,
	TOP_FORWARDING,
	TOP_MIDSTREAM,
	TOP_FAILSAFE,
	TOP_ESSENTIALS,
	TOP_TIMEOUTS,
	TOP_TABLES,
	TOP_CONTROL,
	TOP_METRICS,
	TOP_FLOW_LOG,
	TOP_STATE,
	TOP_BPFFS,
	TOP_POLICY,
	TOP_COUNT
};

static const struct key_def top_keys[TOP_COUNT] = {
	[TOP_VERSION] = { "version", false, NULL },
	[TOP_INTERFACES] = { "interfaces", false, NULL },
	[TOP_EXCLUDE] = { "exclude", false, NULL },
	[TOP_BEFORE] = { "before_first_policy", false, NULL },
	[TOP_MAX_MODE] = { "max_mode", false, NULL },
	[TOP_XDP] = { "xdp", false, NULL },
	[TOP_UNASSIGNED] = { "unassigned", false, NULL },
	[TOP_FORWARDING] = { "forwarding", false, NULL },
	[TOP_MIDSTREAM] = { "midstream", false, NULL },
	[TOP_FAILSAFE] = { "failsafe", false, NULL },
	[TOP_ESSENTIALS] = { "essentials", false, NULL },
	[TOP_TIMEOUTS] = { "timeouts", false, NULL },
	[TOP_TABLES] = { "tables", false, NULL },
	[TOP_CONTROL] = { "control", false, NULL },
	[TOP_METRICS] = { "metrics", false, NULL },
	[TOP_FLOW_LOG] = { "flow_log", false, NULL },
	[TOP_STATE] = { "state", false, NULL },
	[TOP_BPFFS] = { "bpffs", false, NULL },
	[TOP_POLICY] = { "policy", false, NULL },
};
static const struct object_def top_def = OBJECT_DEF("the configuration",
						    top_keys);

static void read_interfaces(struct diags *d, const struct field *f,
			    struct config *c)
{
	struct items items;

	if (f[TOP_INTERFACES].value &&
	    read_some_items(d, f[TOP_INTERFACES].value, "interfaces", &items))
		read_devices(d, &items, c, &c->interfaces_auto);
	if (f[TOP_EXCLUDE].value &&
	    read_items(d, f[TOP_EXCLUDE].value, "exclude", &items))
		read_devices(d, &items, c, NULL);
}

/* Words of two: the first is false, the second true. */
static void read_switches(struct diags *d, const struct field *f,
			  struct config *c)
{
	const struct {
		enum top_key key;
		const char *words[3];
		bool *field;
	} switches[] = {
		{ TOP_BEFORE, { "deny", "pass", NULL }, &c->before_first_pass },
		{ TOP_MAX_MODE,
		  { "enforce", "audit", NULL },
		  &c->max_mode_audit },
		{ TOP_UNASSIGNED,
		  { "deny", "allow", NULL },
		  &c->unassigned_allow },
		{ TOP_FORWARDING,
		  { "pass", "judge", NULL },
		  &c->forwarding_judge },
		{ TOP_MIDSTREAM, { "judge", "drop", NULL }, &c->midstream_drop },
	};

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		const struct field *s = &f[switches[i].key];
		int choice = s->value ? read_choice(d, s->value, s->key->text,
						    switches[i].words) :
					-1;

		if (choice >= 0)
			*switches[i].field = choice;
	}
}

static void read_scalars(struct diags *d, const struct field *f,
			 struct config *c)
{
	static const char *const xdp[] = { "none", "auto", "native", "generic",
					   NULL };
	static const uint64_t range[2] = { 0, UINT64_MAX };
	uint64_t version;
	int mode = f[TOP_XDP].value ?
			   read_choice(d, f[TOP_XDP].value, "xdp", xdp) :
			   -1;

	if (mode >= 0)
		c->xdp = (enum xdp_mode)mode;
	if (f[TOP_VERSION].value &&
	    read_number(d, f[TOP_VERSION].value, "version", range, &version) &&
	    version != 1)
		diag_error(d, node_pos(f[TOP_VERSION].value),
			   "version %llu: this agent reads 1",
			   (unsigned long long)version);
	config_path(d, &f[TOP_STATE], 0, &c->state);
	config_path(d, &f[TOP_BPFFS], 0, &c->bpffs);
	config_path(d, &f[TOP_POLICY], 0, &c->policy);
}

static void read_parts(struct diags *d, const struct field *f, struct config *c)
{
	static void (*const parts[TOP_COUNT])(
		struct diags * d, const struct node *node, struct config *c) = {
		[TOP_FAILSAFE] = config_failsafe,
		[TOP_ESSENTIALS] = config_essentials,
		[TOP_TIMEOUTS] = config_timeouts,
		[TOP_TABLES] = config_tables,
		[TOP_CONTROL] = config_control,
		[TOP_METRICS] = config_metrics,
		[TOP_FLOW_LOG] = config_flow_log,
	};

	for (int i = 0; i < TOP_COUNT; i++)
		if (parts[i] && f[i].value)
			parts[i](d, f[i].value, c);
}

struct config *config_read(const char *name, const char *text, size_t len,
			   struct diags *diags)
{
	int errors = diags->errors;
	CLEANUP(config) struct config *c = config_default();
	int file = c ? diags_add_source(diags, name, text, len) : -1;
	struct field f[TOP_COUNT];

	if (file < 0) {
		error_out_of_memory(diags);
		return NULL;
	}
	CLEANUP(tree) struct tree *tree = tree_read(diags, file);
	const struct node *root = tree ? tree_root(tree) : NULL;

	/* A file of comments only: the defaults. */
	if (root && read_object(diags, root, &top_def, f)) {
		read_interfaces(diags, f, c);
		read_switches(diags, f, c);
		read_scalars(diags, f, c);
		read_parts(diags, f, c);
	}
	sha256_text(text, len, c->sha256);
	return diags->errors == errors ? TAKE_PTR(c) : NULL;
}
