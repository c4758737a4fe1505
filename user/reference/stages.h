/* SPDX-License-Identifier: BSD-2-Clause */
/* The stages of the reference evaluator, private to this folder. */
#ifndef MOAT_REFERENCE_STAGES_H
#define MOAT_REFERENCE_STAGES_H

#include "policy/config.h"
#include "policy/model.h"
#include "policy/probe.h"

/* What a packet without a flow is to the stateful layer. */
enum packet_kind {
	PACKET_OPENING,	  /* may open a flow */
	PACKET_PLAIN,	  /* judged by the rules, never opens a flow */
	PACKET_MIDSTREAM, /* TCP: ACK without SYN, FIN, RST */
	PACKET_ANSWER,	  /* only ever part of a flow */
	PACKET_ERROR,	  /* ICMP error: only ever related to a flow */
	PACKET_REDIRECT,  /* never */
};
enum packet_kind packet_kind(const struct probe *probe);
/* A TCP SYN without ACK. */
bool packet_is_syn(const struct probe *probe);
/* Type of the ICMP or ICMPv6 reply to this request, -1 if it is none. */
int packet_reply_type(const struct probe *probe);
/* The reason for which it can't be accepted as a packet at all, or NONE. */
enum moat_reason packet_parse(const struct probe *probe);
/* Bit by bit; a CIDR of one family never holds an address of the other. */
bool packet_in_cidr(const struct cidr *cidr, const struct moat_addr *a,
		    int family);

/* True for a failsafe pair, either leg; *ret_number is the entry's index. */
bool early_failsafe(const struct config *c, const struct probe *probe,
		    size_t *ret_number);
/* The essential that decides (passing or not), or NONE. */
enum moat_reason early_essential(const struct config *c,
				 const struct probe *probe);

/* What one layer says. reason NONE: the layer has nothing to say. */
struct layer {
	bool denies;
	bool audit; /* a denial counts and lets pass */
	enum moat_reason reason;
	char rule[160];
};
void layer_nacl(const struct policy *p, const struct config *c,
		const struct probe *probe, struct layer *ret);
/* Security groups, or what becomes of an address that is in none. */
void layer_groups(const struct policy *p, const struct config *c,
		  const struct probe *probe, struct layer *ret);
bool layer_in_a_group(const struct policy *p, const struct moat_addr *a,
		      int family);
/* Any group of this address is in audit. */
bool layer_profile_audits(const struct policy *p, const struct moat_addr *a,
			  int family);
/* The NACL that applies to this address, or NULL. */
const struct nacl *layer_nacl_of(const struct policy *p,
				 const struct moat_addr *a, int family);

#endif
