/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of Prometheus' exposition format, for those who make pages of them. */
#ifndef MOAT_METRICS_TEXT_H
#define MOAT_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* A failed append is remembered in err. */
struct metrics_out {
	struct buf *buf;
	int err;
};
void metrics_family(struct metrics_out *o, const char *name, const char *type,
		    const char *help);
/* Labels: name, value, name, value, …, NULL. A NULL value ends them too. */
void metrics_sample(struct metrics_out *o, const char *name, uint64_t value,
		    ...) __attribute__((sentinel));
/* The labels alone, with commas: for what several families repeat. */
void metrics_labels(struct metrics_out *o, ...) __attribute__((sentinel));
struct metrics_text {
	const char *labels; /* of metrics_labels(), not terminated */
	size_t len;
	const char *verdict; /* a further label, or NULL */
};
void metrics_line(struct metrics_out *o, const char *name,
		  const struct metrics_text *t, uint64_t value);
void metrics_sample_float(struct metrics_out *o, const char *name, double value,
			  ...) __attribute__((sentinel));
/* A family of one sample without labels. */
void metrics_gauge(struct metrics_out *o, const char *name, const char *help,
		   uint64_t value);
void metrics_counter(struct metrics_out *o, const char *name, const char *help,
		     uint64_t value);
void metrics_seconds(struct metrics_out *o, const char *name, const char *help,
		     double seconds);

#endif
