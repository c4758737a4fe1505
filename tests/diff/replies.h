/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies to openings, as packets at the same end. */
#ifndef MOAT_TEST_REPLIES_H
#define MOAT_TEST_REPLIES_H

#include "engines.h"

/* The packet that answers an opening; false where none does. */
bool reply_make(const struct probe *opening, struct probe *ret);
/* What passes whatever the flow, and what is no packet: not a reply's case. */
bool reply_settled_early(const struct engines *e, const struct probe *probe);

#endif
