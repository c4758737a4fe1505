// SPDX-License-Identifier: BSD-2-Clause
/* Why something failed: our words and the last lines that libbpf printed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "kern/private.h"

static char collected[2048];
static char text[4096];

/* Keeps the end: the verifier's last lines say what it refused. */
static int collect(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[1024];
	size_t used = strlen(collected), n;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	n = strlen(line);
	if (used + n >= sizeof(collected)) {
		size_t cut = used + n + 1 - sizeof(collected);

		memmove(collected, collected + cut, used - cut + 1);
		used -= cut;
	}
	memcpy(collected + used, line, n + 1);
	return 0;
}

void why_begin(void)
{
	collected[0] = '\0';
	libbpf_set_print(collect);
}

const char *why_set(const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	if (collected[0] && n + 3 < sizeof(text))
		snprintf(text + n, sizeof(text) - n, "\n%s", collected);
	n = strlen(text);
	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	collected[0] = '\0';
	return text;
}
