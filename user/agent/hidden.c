// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pins that another mount hides (F21). Without CAP_SYS_ADMIN a program can't
 * be opened by its id, so the ids of ours are kept on disk: a device that
 * carries one of them, while the pin directory is empty, is enforced by maps
 * that we can't reach. Attaching a second set would judge everything twice.
 * Unless the service manager kept their descriptors (keep.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"

#define FILE_NAME "programs.json"

void agent_save_programs(struct agent *a)
{
	json_t *list = json_array(), *file;
	const struct iface *i;
	char boot[BOOT_ID_SIZE];
	int hook;

	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++)
		for (hook = 0; hook < ATTACH_HOOK_COUNT; hook++)
			if (i->hook[hook].ours)
				json_array_append_new(
					list,
					json_pack("[i, i]",
						  (int)i->link.ifindex,
						  (int)i->hook[hook].prog_id));
	boot_id(boot);
	file = json_pack("{s:s, s:o}", "boot", boot, "programs", list);
	if (file && !json_equal(file, a->programs)) {
		int r = state_save_json(a->state, FILE_NAME, file);

		/* Tried again with the next look. */
		if (r)
			log_warning("state: " FILE_NAME ": %s", strerror(-r));
		json_decref(a->programs);
		a->programs = r ? NULL : json_incref(file);
	}
	json_decref(file);
}

void agent_forget_programs(struct state *s)
{
	json_t *nothing = json_object();

	state_save_json(s, FILE_NAME, nothing);
	json_decref(nothing);
}

static bool pins_there(const struct agent *a)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/v%d/maps", a->config->bpffs,
		 MOAT_ABI_VERSION);
	return access(path, F_OK) == 0;
}

static bool runs_on(struct agent *a, uint32_t ifindex, uint32_t program)
{
	struct hook_state hook[ATTACH_HOOK_COUNT] = {};
	int h;

	if (attach_query(a->dp, ifindex, hook))
		return false;
	for (h = 0; h < ATTACH_HOOK_COUNT; h++)
		if (hook[h].prog_id == program ||
		    hook[h].foreign_prog_id == program)
			return true;
	return false;
}

/* Does one of ours run whose maps and link nobody has handed to us? */
static bool any_runs(struct agent *a, const json_t *file)
{
	const struct keep *k = &a->keep;
	bool complete = kept_complete(k->given, k->ngiven);
	const json_t *one;
	uint32_t ifindex;
	size_t i;

	json_array_foreach(json_object_get(file, "programs"), i, one) {
		ifindex = (uint32_t)json_integer_value(json_array_get(one, 0));
		if (complete && kept_attached(k->given, k->ngiven, ifindex))
			continue;
		if (runs_on(a, ifindex,
			    (uint32_t)json_integer_value(
				    json_array_get(one, 1))))
			return true;
	}
	return false;
}

/* Looking needs an instance; it becomes the agent's if pins are hidden. */
static int look(struct agent *a, const json_t *file)
{
	struct datapath_settings s;
	const char *why = "";
	int r;

	agent_settings(a->config, &s);
	r = datapath_open(&s, &a->dp, &why);
	if (r)
		return log_error(r, "datapath: %s", why);
	a->pins_hidden = any_runs(a, file);
	if (a->pins_hidden)
		return 0;
	datapath_close(a->dp);
	a->dp = NULL;
	return 0;
}

int agent_find_hidden(struct agent *a)
{
	json_t *file = NULL;
	const char *boot;
	char now[BOOT_ID_SIZE];
	int r = 0;

	if (pins_there(a) || state_load_json(a->state, FILE_NAME, &file))
		return 0;
	boot_id(now);
	boot = json_string_value(json_object_get(file, "boot"));
	if (boot && strcmp(boot, now) == 0 &&
	    json_array_size(json_object_get(file, "programs")))
		r = look(a, file);
	if (a->pins_hidden)
		log_write(LOG_LEVEL_ERROR,
			  "pins hidden: our programs run, "
			  "but nothing is pinned under %s: is another file "
			  "system mounted over it? Nothing is changed",
			  a->config->bpffs);
	else if (!r && a->keep.ngiven)
		log_warning("nothing is pinned under %s: going on with the "
			    "maps and links that the service manager kept",
			    a->config->bpffs);
	json_decref(file);
	return r;
}
