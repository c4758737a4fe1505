/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Did the host outlive its XDP? (R-08, G17.) A driver or a kernel may take the
 * host down when XDP is attached; the unit would attach it again at every
 * boot. So each attach is written to xdp.json of the state directory before it
 * is made, with the boot it belongs to:
 *   open      made, or about to be, less than ten minutes ago
 *   survived  the host lived for ten minutes with it
 *   closed    the agent was stopped, or took XDP away, before that
 * A boot is unclean if the next one finds its record open. That is a crash of
 * the host, its reset, or its power: an agent that is killed is started in the
 * same boot, and goes on with the record. Only a survived attach sets the
 * count of unclean boots back to 0: a closed one says nothing. After two of
 * them, or with a record that can't be read, XDP is held off until somebody
 * says `moatd --retry-xdp`; tc judges all of it anyway, with the same verdicts.
 *
 * Time is CLOCK_BOOTTIME, boots are told apart by their id: the clock on the
 * wall may be anything this early.
 */
#ifndef MOAT_BOOTS_H
#define MOAT_BOOTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/state.h"

#define BOOTS_SURVIVED_NS (600 * 1000000000ull)
#define BOOTS_UNCLEAN_MAX 2
#define BOOTS_DEVICES 8
#define BOOT_ID_SIZE 64

enum boots_end { BOOTS_OPEN, BOOTS_SURVIVED, BOOTS_CLOSED };

struct boots_record {
	char boot[BOOT_ID_SIZE]; /* "": there is none */
	uint64_t at_ns;		 /* of the last attach, since boot */
	enum boots_end end;
	unsigned int unclean; /* boots in a row, before this one */
	char mode[16];	      /* the word of the configuration */
	char device[BOOTS_DEVICES][IF_NAMESIZE];
	size_t ndevices; /* may be more than have a place */
};

struct boots {
	struct state *state; /* borrowed */
	char boot[BOOT_ID_SIZE];
	struct boots_record record, before; /* before: the attach at hand */
	uint64_t written_ns;		    /* at_ns as it is on disk */
	unsigned int unclean;		    /* boots in a row, until now */
	int unreadable, unwritable;	    /* -errno, 0: neither */
};

/* This boot's id; "" and -errno where it can't be read. */
int boot_id(char ret[BOOT_ID_SIZE]);

/* Reads the record; what went wrong is in boots_why(). Again, at will. */
void boots_load(struct boots *b, struct state *s, const char *boot);
/* Must no XDP be attached, by what is known before the attempt? */
bool boots_held(const struct boots *b);
/* Why XDP is held off, for people; NULL: it isn't. */
const char *boots_why(const struct boots *b, char *buf, size_t len);
/* "native: eth0, eth1" of the last attach; in buf. */
const char *boots_what(const struct boots *b, char *buf, size_t len);

/*
 * Before an attach: 0, or -errno where it could not be written, and then there
 * must be none. The host is not worse off without XDP, but an attach that
 * leaves no trace could take it down at every boot.
 */
int boots_begin(struct boots *b, const char *mode, const char *device);
/* The attach begun last was refused: as if it had not been. */
void boots_refused(struct boots *b);
/* Every few seconds; attached: on any device, by whomever of us. 0 or -errno:
 * something had to be written, and the next call tries again. */
int boots_check(struct boots *b, bool attached, const char *mode);
/* The agent was told to stop, or everything was detached. 0 or -errno. */
int boots_close(struct boots *b);

/*
 * `moatd --retry-xdp`: 0; -ENOENT: there is no record. By path, since the
 * agent that runs, and is to find out, has the directory locked.
 */
int boots_forget(const char *state_path);

#endif
