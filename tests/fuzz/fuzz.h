/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the targets share. A target is a program with libFuzzer's entry
 * points; a finding ends it, and libFuzzer keeps the input.
 */
#ifndef MOAT_FUZZ_H
#define MOAT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Entry points that libFuzzer calls (llvm.org/docs/LibFuzzer.html). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A property that every input must leave true. */
#define must(condition) \
	((condition) ? (void)0 : fuzz_finding(__FILE__, __LINE__, #condition))

_Noreturn static inline void fuzz_finding(const char *file, int line,
					  const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

#endif
