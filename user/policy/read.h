/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the policy reader and what they share; for read_*.c alone.
 * Errors go to reader.diags; a part that fails leaves what it was to fill
 * empty, so that the other parts can go on looking for errors.
 */
#ifndef MOAT_READ_H
#define MOAT_READ_H

#include "policy/reader.h"
#include "policy/strmap.h"
#include "policy/value.h"

/* Protocol and port entries of all rules together: what memory allows. */
#define MATCHES_MAX 1000000

struct match_list {
	struct service_match *items;
	size_t count, cap;
};

struct own_service {
	struct pos pos;
	struct match_list matches;
};

enum top_key {
	TOP_VERSION,
	TOP_NAME,
	TOP_REVISION,
	TOP_MODE,
	TOP_ON_TIGHTEN,
	TOP_SERVICES,
	TOP_PREFIX_LISTS,
	TOP_GROUPS,
	TOP_NACLS,
	TOP_TESTS,
	TOP_NEVER,
	TOP_COUNT
};

struct reader {
	struct diags *diags;
	const struct reader_options *options;
	struct policy *policy;
	struct tree **trees;		/* one a document */
	struct field (*top)[TOP_COUNT]; /* one a document */
	size_t ndocs;
	struct pos whole;	       /* the first document, no line in it */
	struct strmap names;	       /* to struct addr_set of the policy */
	const struct node **set_nodes; /* value of each set's key */
	struct strmap services;	       /* own ones, to struct own_service */
	struct own_service *own;
	size_t nown;
	size_t cidrs, rules, matches; /* needed so far */
};

/* The key of a section, in every document: value mappings are walked with
 * for_each_pair. */
#define for_each_document(i, r) for (size_t i = 0; i < (r)->ndocs; i++)
#define for_each_pair(key, mapping) \
	for (const struct node *key = (mapping)->child; key; \
	     key = key->next->next)

/* read_names.c: the sets of all sections, and looking them up. False: there
 * is nothing to go on with. */
bool declare_names(struct reader *r);
/* A text that can only be meant as an address: it has ':' or '/', or only
 * digits and dots. */
bool looks_like_address(const char *text);
/* By the name that a node holds, else NULL with an error. */
struct addr_set *find_set(struct reader *r, const struct node *node);

/* read_sets.c: contents of prefix lists, members and applies_to. */
void read_prefix_lists(struct reader *r);
/* Fills the addresses of a group or NACL from a list of CIDRs and names. */
void read_set(struct reader *r, struct addr_set *set, const struct node *node);

/* read_peers.c: self -1: `self` means nothing here. */
struct peer_list {
	struct peer *items;
	size_t count;
};
bool read_peers(struct reader *r, const struct field *field, long self,
		struct peer_list *ret);

/* read_services.c */
struct service_fields {
	struct field protocol, ports, icmp, service;
};
bool read_services(struct reader *r, const struct service_fields *fields,
		   struct match_list *ret);
/* One entry of `icmp`; ret->proto says whose types. */
bool read_icmp(struct reader *r, const struct node *node, bool numbers,
	       struct service_match *ret);
void matches_free(struct match_list *list); /* back to {0} */

/* read_own.c: the file's own services. */
void read_own_services(struct reader *r);

/* read_rules.c: the rules of one direction; field is empty if absent. */
void read_group_rules(struct reader *r, struct group *g, int direction,
		      const struct field *field);
void read_nacl_rules(struct reader *r, struct nacl *n, int direction,
		     const struct field *field);

/* read_limit.c */
void read_limit(struct reader *r, const struct node *node,
		struct rate_limit *ret);

/* read_groups.c */
#define DESCRIPTION_MAX 1024
void read_groups(struct reader *r);
void read_nacls(struct reader *r);
/* mode and on_tighten, where their key is there. */
void read_mode(struct reader *r, const struct field *field,
	       enum policy_mode *ret);
void read_on_tighten(struct reader *r, const struct field *field,
		     enum on_tighten *ret);

/* read_tests.c */
void read_tests(struct reader *r);
void read_nevers(struct reader *r);

/* overlap.c: at most one NACL an address. */
void check_nacl_overlap(struct reader *r);

#endif
