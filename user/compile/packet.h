/* SPDX-License-Identifier: BSD-2-Clause */
/* What the image engine knows of a probe before it reads the image. */
#ifndef MOAT_COMPILE_PACKET_H
#define MOAT_COMPILE_PACKET_H

#include "policy/config.h"
#include "policy/probe.h"

enum packet_shape {
	SHAPE_OPENING,	 /* judged by the rules of its direction */
	SHAPE_MIDSTREAM, /* TCP: ACK without SYN, FIN, RST */
	SHAPE_REPLY,	 /* part of a flow or nothing */
	SHAPE_ERROR,	 /* ICMP error: related or nothing */
	SHAPE_REDIRECT,
};

enum packet_shape packet_shape_of(const struct probe *p);
/* Protocol and port as one number, see include/moat/image.h. */
__u32 packet_service(const struct probe *p);
/* False for the other family's ICMP and for IPv6 extension headers: they are
 * walked or end the walk, never a packet's protocol (IANA; F42). */
bool packet_possible(int family, int proto);
/* NONE, or the reason for which it can't be accepted as a packet. */
enum moat_reason packet_parsed(const struct probe *p);
/* Index of the failsafe entry that lets it pass, or -1. */
int packet_failsafe(const struct config *c, const struct probe *p);
/* NONE, or the essential (or ND_INVALID, REDIRECT) that decides. */
enum moat_reason packet_essential(const struct config *c,
				  const struct probe *p);

#endif
