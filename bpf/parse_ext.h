/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* IPv6 extension headers (RFC 8200 section 4) and the shape of fragments. */
#ifndef MOAT_PARSE_EXT_H
#define MOAT_PARSE_EXT_H

#include <linux/in.h>

#include "hook.h"

#define EXT_MAX 8 /* headers walked; more are dropped */
#define EXT_OFFSET_MASK 0x3fff

#define IPPROTO_MOBILITY 135 /* RFC 6275 */
#define IPPROTO_HIP 139	     /* RFC 7401 */
#define IPPROTO_SHIM6 140    /* RFC 5533 */
#define IPPROTO_TRIAL1 253   /* RFC 3692 */
#define IPPROTO_TRIAL2 254

/* What every extension header begins with, and what some hold behind it. */
struct ext_header {
	__u8 next;
	__u8 length; /* fragment header: reserved */
	union {
		struct {
			__u8 type;
			__u8 left;
		} routing;
		__be16 offset; /* fragment: 13 bits, 2 reserved, more */
	};
	__u32 id;
};

/* Headers of IANA's list of extension headers; all but the first five end
 * the walk and drop: nothing behind them can be judged. ESP is a protocol. */
static __always_inline bool is_extension(__u8 proto)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_NONE:
	case IPPROTO_MOBILITY:
	case IPPROTO_HIP:
	case IPPROTO_SHIM6:
	case IPPROTO_TRIAL1:
	case IPPROTO_TRIAL2:
		return true;
	}
	return false;
}

/*
 * RFC 791, RFC 8200 section 4.5: all fragments but the last carry a multiple
 * of 8 bytes, and none ends above 65,535. RFC 1858 section 3: TCP at offset 1
 * would rewrite the flags. payload: bytes behind the fragment's headers.
 */
static __always_inline enum moat_reason fragment_shape(struct pkt *p, bool more,
						       __u32 payload)
{
	if (p->frag_offset + payload > 65535 || (more && payload % 8) ||
	    (more && !payload))
		return MOAT_REASON_BAD_FRAGMENT;
	if (p->frag_offset == 8 && p->key.proto == IPPROTO_TCP)
		return MOAT_REASON_BAD_FRAGMENT;
	if (!more)
		p->flags |= PKT_FRAG_LAST;
	p->flags |= p->frag_offset ? PKT_FRAG_LATER : PKT_FRAG_FIRST;
	return MOAT_REASON_NONE;
}

/* RFC 6946: an atomic fragment (offset 0, no more) is an ordinary packet. */
static __always_inline enum moat_reason ext_fragment(struct pkt *p,
						     const struct ext_header *h)
{
	__u16 word = bpf_ntohs(h->offset);

	if (p->flags & PKT_FRAG_HEADER)
		return MOAT_REASON_BAD_FRAGMENT; /* CVE-2023-4809 */
	p->flags |= PKT_FRAG_HEADER;
	p->key.proto = h->next;
	p->frag_id = h->id;
	p->frag_offset = word & 0xfff8;
	if (!(word & 0xfff9))
		return MOAT_REASON_NONE;
	return fragment_shape(p, word & 1, p->end - p->l4 - 8);
}

/* One header: its length, or 0 with the reason in *ret. */
static __always_inline __u32 ext_length(struct pkt *p, bool first,
					const struct ext_header *h,
					enum moat_reason *ret)
{
	*ret = MOAT_REASON_EXT_HEADER;
	switch (p->key.proto) {
	case IPPROTO_HOPOPTS:
		if (!first) /* RFC 8200 section 4.1 */
			return 0;
		break;
	case IPPROTO_DSTOPTS:
		break;
	case IPPROTO_ROUTING:
		/* RFC 5095: type 0 is deprecated; none that still routes. */
		*ret = MOAT_REASON_ROUTING_HEADER;
		if (!h->routing.type || h->routing.left)
			return 0;
		break;	 /* segments left 0: it has done its work */
	case IPPROTO_AH: /* RFC 4302 section 2.2 */
		return (h->length + 2) * 4;
	case IPPROTO_FRAGMENT:
		return 8;
	default:
		return 0;
	}
	return (h->length + 1) * 8;
}

/* Walks to the transport header: p->l4 and p->key.proto move along. A later
 * fragment ends the walk: what follows its header is payload. */
static __noinline enum moat_reason parse_extensions(const struct frame *fr,
						    struct pkt *p)
{
	enum moat_reason reason;
	struct ext_header h;
	__u32 length, off;

	for (int i = 0; i < EXT_MAX; i++) {
		if (!is_extension(p->key.proto))
			return MOAT_REASON_NONE;
		if (p->key.proto == IPPROTO_NONE)
			return MOAT_REASON_EXT_HEADER;
		off = p->l4 & EXT_OFFSET_MASK;
		if (off + sizeof(h) > p->end ||
		    hook_load(fr, off, &h, sizeof(h)))
			return MOAT_REASON_TRUNCATED;
		length = ext_length(p, i == 0, &h, &reason);
		if (!length)
			return reason;
		if (off + length > p->end)
			return MOAT_REASON_TRUNCATED;
		if (p->key.proto == IPPROTO_FRAGMENT) {
			reason = ext_fragment(p, &h);
			if (reason != MOAT_REASON_NONE)
				return reason;
		}
		p->key.proto = h.next;
		p->l4 = off + length;
		if (p->l4 > EXT_OFFSET_MASK)
			return MOAT_REASON_EXT_HEADER;
		if (p->flags & PKT_FRAG_LATER)
			return MOAT_REASON_NONE;
	}
	return is_extension(p->key.proto) ? MOAT_REASON_EXT_HEADER :
					    MOAT_REASON_NONE;
}

#endif
