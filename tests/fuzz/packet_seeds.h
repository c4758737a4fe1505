/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets to begin with, in the form of fuzz_packet's inputs. */
#ifndef MOAT_FUZZ_PACKET_SEEDS_H
#define MOAT_FUZZ_PACKET_SEEDS_H

/* Bits in front of each packet. */
#define PACKET_EGRESS 1
#define PACKET_FORWARDED 2 /* another device received it */
#define PACKET_GSO 4

/* Writes one file for each seed into a folder that is there. */
void packet_seeds(const char *folder);

#endif
