/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets as words of the command line, for explain and path. */
#ifndef MOAT_PROBE_ARGS_H
#define MOAT_PROBE_ARGS_H

#include "cli/cli.h"
#include "policy/probe.h"

#define PROBE_SPORT 40000 /* of an opening, where none is given */

/* Each: 0, or CTL_USAGE said. */
/* Two addresses of one family. */
int probe_addresses(const char *command, const char *local, const char *remote,
		    struct probe *ret);
/* PROTO[/DPORT]; sets the source port and ICMP's echo request too. */
int probe_service(const char *command, const char *text, struct probe *ret);
/* --icmp T/C. */
int probe_icmp(const char *command, const char *text, struct probe *ret);
/* --flags SYN,ACK or SA. */
int probe_flags(const char *command, const char *text, struct probe *ret);

#endif
