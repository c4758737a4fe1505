/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control protocol: one JSON object a line, both ways, so that socat is a
 * client. No sockets here.
 *
 * Request: {"cmd": NAME, ...}. Reply: any number of part lines (objects
 * without "ok", only where the list below says so), then one line with "ok":
 *   {"ok": true, ...}                          code absent: 0
 *   {"ok": true, "code": 1, ...}               done, and the answer is no
 *   {"ok": false, "code": C, "error": TEXT}    C: exit code of interface.md
 * Times are RFC 3339. Fields may be added, never renamed. A request without a
 * field gets the default shown first. [r]: allowed on the read socket.
 *
 * push      document (policy text, YAML or JSON), message "", one of
 *           confirm_seconds N (1..86400) and now true (except with dry_run),
 *           dry_run false, audit false (mode of this push: audit),
 *           allow_unassigned false, refuse_cuts false
 *        -> changed, generation, policy, revision, mode ("enforce"|"audit",
 *           max_mode taken in), deadline (null or time), confirm_seconds,
 *           duration_ms, flows_by_state (live flows that the new rules would
 *           not open again), flows_cut (those that end now), flows_complete
 *           (false: too many to look at all), kill (list of "PEER:PORT"
 *           filters that `flows kill` takes), unassigned (list of addresses),
 *           sizes {rules, cidrs, classes, profiles, rows, bytes}, timings
 *           {read_ms, compile_ms, write_ms (to disk), load_ms (into the
 *           maps, the switch included), in_force_ms (all of them)},
 *           in_force (time of the switch, null: none),
 *           warnings (list of texts)
 *           code 4: refused, with diagnostics (text, may be absent);
 *           dry_run: the same, generation that of now, changed true if a push
 *           would change something
 * pending   generation N -> state "pending"|"confirmed"|"rolled-back"|"gone",
 *           deadline, seconds_left                                      [r]
 * confirm   generation N (absent: whichever waits) -> generation
 *           code 4: nothing waits; code 5: too late, rolled back
 * rollback  generation N (absent: the one before), confirm_seconds N or
 *           nothing -> as push. While a push waits: that push is undone
 * member    op "add"|"remove", group NAME, addresses [CIDR or address],
 *           message "", allow_unassigned false; laid over the policy in
 *           force, all or nothing, confirmed at once
 *        -> changed, generation, policy, group, changes [[op, group, CIDR]]
 *           (those that had an effect), members (how many lie over the
 *           document), compiled (false: the image was changed in place),
 *           in_force_ms
 *           code 4: refused, with diagnostics (text, may be absent)
 * status -> state ("enforcing"|"audit"|"before-first-policy"|"lockdown"|
 *           "degraded"), enforcing, degraded [text], generation,         [r]
 *           policy (null or {name, revision, mode, effective_mode,
 *           generation, sha256, message, confirmed, time, pushed_with,
 *           uid, members (as changes of member)}), pending (null or {generation, deadline, seconds_left,
 *           previous_generation}), last_push (null or {time, ok, result,
 *           error}), host, version, started, pins_hidden, drift_repairs,
 *           max_mode, forwarding, unassigned_policy, xdp, xdp_held_off
 *           ("" or why), xdp_unclean_boots (in a row), config,
 *           policy_file, policy_file_differs, interfaces [{name, ifindex,
 *           kind, selected, why, carrier, enforcing; selected ones also
 *           tc_ingress, tc_egress, xdp {attach, ours, first, program, why,
 *           ahead (null or {program, name, times, contested,
 *           wait_seconds}: who came ahead of ours, how often ours has
 *           followed and when it may again)},
 *           xdp_why, not_enforcing_why}], addresses [{address, interface,
 *           judged, assigned, groups [name], nacl, follows}], unassigned
 *           (count), audit_suspends [{group, by}], not_seen [{device,
 *           kind}], tables [{table, entries, limit}], memory {planned,
 *           bytes, limit (of all maps, in bytes), maps [{map, planned,
 *           bytes}]}, upkeep {walks, failures, retries, undeleted,
 *           walk_seconds, longest_slice_ms}
 *           code 1: something is in degraded, which a missing policy is
 * rules     group NAME, layer "sg"|"nacl" (both absent: all)             [r]
 *        -> rules [{layer, group, rule, direction, packets, bytes,
 *           connections, limited, would_drop_packets, would_drop_bytes,
 *           action ("allow"|"deny"), in_policy}]
 * flows     the filter fields below, limit N (0: all)                    [r]
 *        -> parts {flows: [FLOW, ...]}, then count
 *           FLOW: table, local, remote, local_port, remote_port, protocol
 *           (name or number as text), icmp_type, icmp_code, state, direction
 *           (of the opening), verdict, rule, reason, generation,
 *           packets_in, packets_out, bytes_in, bytes_out, age_seconds,
 *           expires_seconds, interface_in, interface_out
 * kill      the filter fields, at least one -> killed
 *           filter: peer (CIDR), local (CIDR), port N (service port of the
 *           opening), protocol, rule "GROUP/NAME" or "GROUP", verdict, table
 * drops  -> drops [{interface, direction, verdict ("drop"|"would-drop"),
 *           reason, layer, packets, bytes}], recent [FLOW of table denied]  [r]
 * show      generation N (absent: in force) -> document (text), generation,
 *           policy, revision, mode, sha256, time, message, members     [r]
 *           (document as it was pushed; with members over it: canonical,
 *           with them in it)
 * history-> parts {entries: [{generation, policy, revision, sha256, time,
 *           message, uid, members}, ...]}, newest first                 [r]
 * explain   document (absent: policy in force), probes [objects in the form
 *           of explain --batch], engine "kernel"|"image"|"reference",
 *           replies false (true: also judge the reply of an allowed
 *           opening)                                                    [r]
 *        -> answers [objects in the form of explain --batch, or {error}]
 *           code 4 where the document is refused, with diagnostics
 * metrics-> text (Prometheus)                                           [r]
 * doctor -> checks [{name, level "ok"|"note"|"bad", text, fix}]; code 1: one
 *           is bad                                                      [r]
 * version-> version, abi, kernel, pid, started                          [r]
 * reload -> as push: reads certificate and key of the metrics again (code 4
 *           where they are no good), then pushes the configured policy file,
 *           confirmed at once
 */
#ifndef MOAT_CTL_PROTO_H
#define MOAT_CTL_PROTO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Bytes of one line, its newline included; longer ones end the connection. */
#define CTL_MESSAGE_MAX (16u << 20)
/* Values of one request, nested ones counted; explain sends 4,096 packets. */
#define CTL_VALUES_MAX (1u << 18)

/* Exit codes of interface.md section 3, as carried in "code". */
enum ctl_code {
	CTL_OK = 0,
	CTL_NO = 1,	     /* the answer is no */
	CTL_USAGE = 2,	     /* request not understood, or I/O */
	CTL_UNREACHABLE = 3, /* also: not allowed on this socket */
	CTL_REFUSED = 4,     /* the old policy is in force */
	CTL_ROLLED_BACK = 5,
};

/*
 * Bytes that arrived, cut into lines. Work is linear in the bytes however
 * they are cut: a line is searched once and moved at most once.
 */
struct ctl_lines {
	struct buf in;
	size_t start;	/* of the first line not yet taken */
	size_t scanned; /* no newline before here */
};
int ctl_lines_add(struct ctl_lines *l, const void *data, size_t len);
/*
 * The next whole line. 1 with *ret_line (a copy, owned by the caller, without
 * newline, may be empty); 0: none yet; -EMSGSIZE: longer than
 * CTL_MESSAGE_MAX; -EBADMSG: holds a NUL; -ENOMEM.
 */
int ctl_lines_next(struct ctl_lines *l, char **ret_line);
void ctl_lines_free(struct ctl_lines *l);

/* A line to an object with unique keys. 0; -EBADMSG with a message in err. */
int ctl_parse(const char *line, json_t **ret, char *err, size_t errlen);
/* The same of a line that the agent sent: however many values it has. */
int ctl_parse_reply(const char *line, json_t **ret, char *err, size_t errlen);
/* Appends value as one line. 0; -EMSGSIZE, -ENOMEM or -EINVAL, *out as was. */
int ctl_append(struct buf *out, const json_t *value);

/* {"ok": true}; NULL: out of memory. New reference. */
json_t *ctl_ok(void);
/* {"ok": false, "code": code, "error": text}. New reference. */
json_t *ctl_error(enum ctl_code code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What a reply says: its code; *ret_error the text ("" for none), owned by
 * the reply. CTL_USAGE for a reply that is none. */
enum ctl_code ctl_reply_code(const json_t *reply, const char **ret_error);

/*
 * Typed fields of a request. 0 and *ret; absent or null: 0 with *ret
 * untouched; -EINVAL: another type or outside the range.
 */
int ctl_get_string(const json_t *request, const char *key, const char **ret);
int ctl_get_bool(const json_t *request, const char *key, bool *ret);
int ctl_get_number(const json_t *request, const char *key, long long min,
		   long long max, long long *ret);
#endif
