/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One policy under several engines that must agree: the reference from the
 * model, and the image engine from the compiled tables.
 */
#ifndef MOAT_TEST_ENGINES_H
#define MOAT_TEST_ENGINES_H

#include "compile/compile.h"
#include "policy/config.h"
#include "policy/model.h"
#include "policy/probe.h"

enum engine { ENGINE_REFERENCE, ENGINE_IMAGE, ENGINE_COUNT };
extern const char *const engine_names[ENGINE_COUNT];

struct engines {
	const struct policy *policy; /* NULL: nothing committed */
	const struct config *config;
	struct slots slots;
	struct image *image;
	struct image_view view;
};

/* Compiles for the hosts given (may be none). False: the compiler refused;
 * what it said goes to stderr. */
bool engines_open(struct engines *e, const struct policy *p,
		  const struct config *c, const struct moat_addr *hosts,
		  size_t nhosts);
void engines_close(struct engines *e);
void engines_judge(const struct engines *e, enum engine which,
		   const struct probe *probe, struct answer *ret);
/* Verdict, reason and rule; the generation is not compared. */
bool answers_equal(const struct answer *a, const struct answer *b);

/* "egress 10.0.0.1 > 10.0.0.2 tcp 40000>80 flags 02", into buf. */
char *probe_print(const struct probe *probe, char *buf, size_t len);
char *answer_print(const struct answer *a, char *buf, size_t len);

#endif
