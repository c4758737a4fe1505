/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's configuration, read by the same reader as policies. */
#ifndef MOAT_CONFIG_H
#define MOAT_CONFIG_H

#include <stdbool.h>

#include "moat/knobs.h"
#include "policy/diag.h"
#include "policy/model.h"

enum xdp_mode {
	XDP_MODE_NONE,
	XDP_MODE_AUTO,
	XDP_MODE_NATIVE,
	XDP_MODE_GENERIC
};

struct failsafe_rule {
	char *name;
	int direction;
	int proto;
	struct {
		uint16_t first, last;
	} ports[16];
	size_t nports;
	struct cidr *peers;
	size_t npeers;
};

struct config {
	bool interfaces_auto;
	char **interfaces; /* names and globs */
	size_t ninterfaces;
	char **exclude;
	size_t nexclude;
	bool before_first_pass;
	bool max_mode_audit;
	enum xdp_mode xdp;
	bool unassigned_allow;
	bool forwarding_judge;
	bool midstream_drop;
	struct failsafe_rule *failsafe;
	size_t nfailsafe;
	bool essential[MOAT_ESSENTIAL_COUNT];
	uint32_t timeout[MOAT_TIMEOUT_COUNT]; /* seconds */
	struct {
		uint32_t flows, udp, embryonic, closing, other, fragments,
			denied;	 /* entries */
		uint64_t memory; /* bytes */
	} tables;
	char *control_socket, *read_socket, *control_group;
	char *metrics_listen; /* ADDRESS:PORT */
	uint32_t flows_max_series;
	char *tls_cert, *tls_key, *tls_client_ca; /* NULL: none */
	bool allow_remote;
	char *textfile; /* NULL: none */
	struct {
		bool json;
		char *to;	 /* none, stdout, syslog, journald or a path */
		uint32_t window; /* seconds */
		uint64_t rotate; /* bytes */
		uint32_t keep;
		char *account_id;
		char *interface_id;
	} flow_log;
	char *state;
	char *bpffs;
	char *policy;
	char sha256[65]; /* of the text read */
};

/* The defaults of interface.md section 2. NULL: -ENOMEM. */
struct config *config_default(void);
/* Reads text over the defaults. NULL with errors in *diags. */
struct config *config_read(const char *name, const char *text, size_t len,
			   struct diags *diags);
void config_free(struct config *c);

#endif
