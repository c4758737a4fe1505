/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmarks have in common: bars made of paired runs, files of the
 * output folder, plots, the clock. Failures end the program: a benchmark that
 * could not run has no figure.
 */
#ifndef MOAT_BENCH_BAR_H
#define MOAT_BENCH_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define BAR_RUNS_MAX 64
#define BAR_RUNS_MIN 5
#define BAR_FIGURES_MAX 32

struct bar;

/*
 * A bar of design section 7: ours divided by theirs, compared with limit.
 * higher: a larger ratio is better. what: one line for the table. Texts are
 * not copied. Written by bars_write() if it holds at least one run.
 */
struct bar *bar_new(const char *name, const char *what, double limit,
		    bool higher);
/* A pair of runs made one after the other; theirs must be above 0, but where
 * sizes are shrunk: figures of those count for nothing. */
void bar_pair(struct bar *b, double ours, double theirs);
/* A run against a fixed limit (ms, MiB): ratio is measured / limit, and the
 * bar's own limit then 1. */
void bar_run(struct bar *b, double measured, double limit);
/* A figure of the bar; the name holds the unit: "moat_ns". */
void bar_figure(struct bar *b, const char *name, double value);
/* The same of one side's median over the pairs so far. */
void bar_figure_ours(struct bar *b, const char *name);
void bar_figure_theirs(struct bar *b, const char *name);
double bar_median(const struct bar *b);
/* $MOAT_BENCH_OUT/bars.json; and frees all bars. */
void bars_write(void);

/* MOAT_BENCH_QUICK: sizes small enough that all ends in a few seconds. */
bool bench_quick(void);
/* A new file of $MOAT_BENCH_OUT; close it with fclose(). */
FILE *bench_file(const char *name);
/*
 * NAME.gp: a gnuplot script that writes NAME.svg from the .tsv files beside
 * it. The text follows a common head: terminal, output, tab as the separator,
 * the first line of a file as the names of its columns.
 */
void bench_plot(const char *name, const char *text);
/* Median; sorts the values. 0 of none. */
double bench_median(double *values, size_t n);
/* CLOCK_MONOTONIC in ns; the CPU time of this thread. */
double bench_clock(void);
double bench_cpu_clock(void);
void bench_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

#endif
