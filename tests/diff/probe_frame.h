/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe as the bytes of an Ethernet frame. */
#ifndef MOAT_TEST_PROBE_FRAME_H
#define MOAT_TEST_PROBE_FRAME_H

#include <stddef.h>

#include "policy/probe.h"

#define PROBE_FRAME_MAX 128

/*
 * Builds Ethernet, IP and transport header with hop limit 255 and some
 * payload, checksums left 0. id: identifier of an ICMP query. Returns the
 * length.
 */
size_t probe_frame(const struct probe *probe, uint16_t id,
		   unsigned char frame[PROBE_FRAME_MAX]);

#endif
