/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet that a probe describes, as bytes for BPF_PROG_TEST_RUN. */
#ifndef MOAT_WIRE_H
#define MOAT_WIRE_H

#include <stddef.h>

#include "policy/probe.h"

#define WIRE_MAX 128

/* Ethernet, IP and transport header and some payload. Checksums are left
 * out, as on packets that this host sends: they are the stack's. Returns the
 * length. */
size_t wire_build(const struct probe *p, unsigned char frame[WIRE_MAX]);

#endif
