// SPDX-License-Identifier: BSD-2-Clause
/* The commands `flows` (streamed, a slice at a time) and `kill`. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/addr.h"
#include "base/clock.h"
#include "policy/probe.h"

#define SLICE 64 /* flows in one line */
#define KILL_SLICE 512

static const char *const tables[] = {
#define X(symbol, name) name,
	MOAT_TABLES(X)
#undef X
};
static const char *const states[] = MOAT_FLOW_STATE_NAMES;

struct filter {
	bool has_peer, has_local;
	struct cidr peer, local;
	int port, proto;    /* -1: any */
	const char *rule;   /* GROUP or GROUP/NAME */
	int verdict, table; /* -1: any */
};

/* ---- filter ---- */

static json_t *bad(const char *what)
{
	return ctl_error(CTL_USAGE, "%s: not understood", what);
}

static int get_cidr(const json_t *rq, const char *key, struct cidr *ret,
		    bool *ret_has)
{
	const char *text = NULL;
	int r = ctl_get_string(rq, key, &text);

	if (r || !text)
		return r;
	r = cidr_parse(text, ret);
	*ret_has = !r || r == -EDOM;
	return *ret_has ? 0 : r;
}

static int index_of(const char *name, const char *const *list, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (strcmp(name, list[i]) == 0)
			return i;
	return -1;
}

static json_t *get_names(const json_t *rq, struct filter *f)
{
	static const char *const verdicts[] = MOAT_VERDICT_NAMES;
	const char *proto = NULL, *verdict = NULL, *table = NULL;

	if (ctl_get_string(rq, "protocol", &proto) ||
	    (proto && (f->proto = proto_parse(proto)) < 0))
		return bad("protocol");
	if (ctl_get_string(rq, "rule", &f->rule))
		return bad("rule");
	if (ctl_get_string(rq, "verdict", &verdict) ||
	    (verdict && (f->verdict = index_of(verdict, verdicts,
					       MOAT_VERDICT_COUNT)) < 0))
		return bad("verdict");
	if (ctl_get_string(rq, "table", &table) ||
	    (table &&
	     (f->table = index_of(table, tables, MOAT_TABLE_FRAGMENTS)) < 0))
		return bad("table");
	return NULL;
}

static json_t *get_filter(const json_t *rq, struct filter *f)
{
	long long port = -1;

	*f = (struct filter){
		.port = -1, .proto = -1, .verdict = -1, .table = -1
	};
	if (get_cidr(rq, "peer", &f->peer, &f->has_peer))
		return bad("peer");
	if (get_cidr(rq, "local", &f->local, &f->has_local))
		return bad("local");
	if (ctl_get_number(rq, "port", 0, 65535, &port))
		return bad("port");
	f->port = (int)port;
	return get_names(rq, f);
}

static bool rule_matches(const char *wanted, const char *name)
{
	size_t len = strlen(wanted);

	return strncmp(name, wanted, len) == 0 &&
	       (name[len] == 0 || name[len] == '/');
}

static const char *rule_text(struct agent *a, const struct flow_record *r,
			     char *buf, size_t len)
{
	if (r->flow.word & MOAT_WORD_FAILSAFE)
		return "failsafe";
	return slot_name(&a->slots, MOAT_WORD_SLOT(r->flow.word), buf, len);
}

static bool matches(struct agent *a, const struct filter *f,
		    const struct flow_record *r)
{
	char name[168];

	if (r->flow.marks & MOAT_MARK_PROMOTED)
		return false;
	return (!f->has_peer || cidr_contains(&f->peer, &r->key.remote)) &&
	       (!f->has_local || cidr_contains(&f->local, &r->key.local)) &&
	       (f->port < 0 ||
		(proto_has_ports(r->key.proto) &&
		 flow_service_port(r) == (unsigned int)f->port)) &&
	       (f->proto < 0 || r->key.proto == f->proto) &&
	       (f->verdict < 0 || (int)flow_verdict(r) == f->verdict) &&
	       (f->table < 0 || (int)r->table == f->table) &&
	       (!f->rule ||
		rule_matches(f->rule, rule_text(a, r, name, sizeof(name))));
}

/* ---- one flow ---- */

static json_t *iface_name(const struct agent *a, uint32_t ifindex)
{
	const struct net_link *l = netfacts_link(&a->facts, ifindex);

	return l ? json_string(l->name) : json_null();
}

static void add_ports(json_t *o, const struct flow_record *r)
{
	unsigned int far = ntohs(r->key.rport);

	if (r->key.opener) {
		json_object_set_new(o, "icmp_type", json_integer(far >> 8));
		json_object_set_new(o, "icmp_code", json_integer(far & 0xff));
	}
	json_object_set_new(o, "local_port",
			    json_integer(r->key.opener ? 0 :
							 ntohs(r->key.lport)));
	json_object_set_new(o, "remote_port",
			    json_integer(r->key.opener ? 0 : far));
}

static void add_times(struct agent *a, json_t *o, const struct flow_record *r)
{
	int64_t now = (int64_t)(clock_boot_ns() / 1000000000);
	int64_t created = (int64_t)(datapath_boot_ns(a->dp, r->flow.created) /
				    1000000000);
	int64_t expires = (int64_t)(datapath_boot_ns(a->dp, r->flow.expires) /
				    1000000000);

	json_object_set_new(o, "age_seconds",
			    json_integer(now > created ? now - created : 0));
	json_object_set_new(o, "expires_seconds",
			    json_integer(expires > now ? expires - now : 0));
}

json_t *agent_flow_json(struct agent *a, const struct flow_record *r)
{
	const struct moat_flow *f = &r->flow;
	char local[ADDR_TEXT], remote[ADDR_TEXT], proto[8], rule[168];
	unsigned int state = f->state < MOAT_FLOW_STATE_COUNT ? f->state : 0;
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "table",
		tables[r->table], "local", addr_print(&r->key.local, local),
		"remote", addr_print(&r->key.remote, remote), "protocol",
		proto_print(r->key.proto, proto), "state", states[state],
		"direction",
		f->direction == MOAT_INGRESS ? "ingress" : "egress", "verdict",
		verdict_name(flow_verdict(r)), "rule",
		rule_text(a, r, rule, sizeof(rule)), "reason",
		reason_name(MOAT_WORD_REASON(f->word)), "generation",
		(int)MOAT_WORD_GENERATION(f->word));

	add_ports(o, r);
	json_object_set_new(o, "packets_in",
			    json_integer((json_int_t)f->packets[MOAT_INGRESS]));
	json_object_set_new(o, "packets_out",
			    json_integer((json_int_t)f->packets[MOAT_EGRESS]));
	json_object_set_new(o, "bytes_in",
			    json_integer((json_int_t)f->bytes[MOAT_INGRESS]));
	json_object_set_new(o, "bytes_out",
			    json_integer((json_int_t)f->bytes[MOAT_EGRESS]));
	add_times(a, o, r);
	json_object_set_new(o, "interface_in",
			    iface_name(a, f->ifindex[MOAT_INGRESS]));
	json_object_set_new(o, "interface_out",
			    iface_name(a, f->ifindex[MOAT_EGRESS]));
	return o;
}

/* ---- a walk over all tables for one request ---- */

struct scan {
	struct agent *agent;
	json_t *request; /* the filter's texts live in it */
	struct filter filter;
	struct flow_slice slice;
	uint64_t now;
};

/* NULL, or the reply that says what was not understood. End it either way. */
static json_t *scan_begin(struct scan *s, const struct ctl_request *rq)
{
	s->agent = rq->arg;
	s->request = json_incref((json_t *)rq->json);
	s->now = datapath_jiffies(s->agent->dp);
	return get_filter(s->request, &s->filter);
}

static void scan_end(struct scan *s)
{
	flow_walk_free(s->slice.cursor);
	json_decref(s->request);
}

static bool scan_wants(const struct scan *s, const struct flow_record *r)
{
	return r->flow.expires > s->now && matches(s->agent, &s->filter, r);
}

static bool scan_done(const struct scan *s)
{
	return s->slice.table >= MOAT_TABLE_FRAGMENTS;
}

/* A slice, and on to the next table after a table's last. 0 or -errno. */
static int scan_next(struct scan *s)
{
	int r = flows_walk(s->agent->dp, &s->slice);

	if (r <= 0)
		s->slice.table++;
	return r < 0 ? r : 0;
}

/* ---- flows ---- */

struct listing {
	struct scan scan;
	long long limit, count;
	json_t *part;
};

static bool list_one(const struct flow_record *r, void *arg)
{
	struct listing *l = arg;

	if (l->limit && l->count >= l->limit)
		return false;
	if (!scan_wants(&l->scan, r))
		return true;
	json_array_append_new(l->part, agent_flow_json(l->scan.agent, r));
	l->count++;
	return true;
}

static int list_next(void *state, json_t **ret)
{
	struct listing *l = state;
	bool full = l->limit && l->count >= l->limit;
	int r;

	if (scan_done(&l->scan) || full) {
		*ret = ctl_ok();
		json_object_set_new(*ret, "count", json_integer(l->count));
		return 0;
	}
	l->part = json_array();
	r = scan_next(&l->scan);
	if (r < 0) {
		json_decref(l->part);
		*ret = ctl_error(CTL_USAGE, "flow table: %s", strerror(-r));
		return 0;
	}
	if (json_array_size(l->part))
		*ret = json_pack("{s:o}", "flows", l->part);
	else
		json_decref(l->part);
	return 1;
}

static void list_end(void *state)
{
	struct listing *l = state;

	scan_end(&l->scan);
	free(l);
}

json_t *agent_flows(struct ctl_request *rq)
{
	struct listing *l = calloc(1, sizeof(*l));
	json_t *error;

	if (!l)
		return ctl_error(CTL_USAGE, "out of memory");
	l->scan.slice = (struct flow_slice){ .max = SLICE,
					     .fn = list_one,
					     .arg = l };
	error = scan_begin(&l->scan, rq);
	if (!error && ctl_get_number(rq->json, "limit", 0, 1 << 30, &l->limit))
		error = bad("limit");
	if (error) {
		list_end(l);
		return error;
	}
	rq->stream = (struct ctl_stream){ list_next, list_end, l };
	return NULL;
}

/* ---- kill ---- */

struct killing {
	struct scan scan;
	uint64_t killed;
	int err;
};

static bool kill_one(const struct flow_record *r, void *arg)
{
	struct killing *k = arg;
	int err;

	if (!scan_wants(&k->scan, r))
		return true;
	err = flows_kill(k->scan.agent->dp, r);
	if (err && err != -ENOENT)
		k->err = err;
	k->killed += !err;
	return true;
}

static bool is_empty(const struct filter *f)
{
	return !f->has_peer && !f->has_local && f->port < 0 && f->proto < 0 &&
	       !f->rule && f->verdict < 0 && f->table < 0;
}

/* A slice a part, as for a listing; only the last one says something. */
static int kill_next(void *state, json_t **ret)
{
	struct killing *k = state;
	int r;

	if (!scan_done(&k->scan)) {
		r = scan_next(&k->scan);
		if (r < 0)
			k->err = r;
		return 1;
	}
	if (k->err) {
		*ret = ctl_error(CTL_USAGE, "kill: %s after %llu flows",
				 strerror(-k->err),
				 (unsigned long long)k->killed);
		return 0;
	}
	*ret = ctl_ok();
	json_object_set_new(*ret, "killed",
			    json_integer((json_int_t)k->killed));
	return 0;
}

static void kill_end(void *state)
{
	struct killing *k = state;

	agent_count_killed(k->scan.agent, k->killed);
	scan_end(&k->scan);
	free(k);
}

json_t *agent_kill(struct ctl_request *rq)
{
	struct killing *k = calloc(1, sizeof(*k));
	json_t *error;

	if (!k)
		return ctl_error(CTL_USAGE, "out of memory");
	k->scan.slice = (struct flow_slice){ .max = KILL_SLICE,
					     .fn = kill_one,
					     .arg = k };
	error = scan_begin(&k->scan, rq);
	if (!error && is_empty(&k->scan.filter))
		error = ctl_error(CTL_USAGE,
				  "kill: which flows? "
				  "(peer, local, port, protocol, rule, "
				  "verdict, table)");
	if (error) {
		kill_end(k);
		return error;
	}
	rq->stream = (struct ctl_stream){ kill_next, kill_end, k };
	return NULL;
}
