// SPDX-License-Identifier: BSD-2-Clause
/* Bars, files and plots of a benchmark. */
#include "bench/bar.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#define BARS_MAX 64

struct figure {
	const char *name;
	double value;
};

struct bar {
	const char *name, *what;
	double limit;
	bool higher;
	size_t runs, nfigures;
	double ours[BAR_RUNS_MAX], theirs[BAR_RUNS_MAX];
	struct figure figures[BAR_FIGURES_MAX];
};

static struct bar *bars[BARS_MAX];
static size_t nbars;

void bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

bool bench_quick(void)
{
	const char *quick = getenv("MOAT_BENCH_QUICK");

	return quick && strcmp(quick, "1") == 0;
}

double bench_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

double bench_cpu_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

FILE *bench_file(const char *name)
{
	const char *folder = getenv("MOAT_BENCH_OUT");
	char path[PATH_MAX];
	FILE *f;

	if (!folder)
		bench_fail("MOAT_BENCH_OUT names no folder for the results");
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    sizeof(path))
		bench_fail("%s: too long", folder);
	f = fopen(path, "w");
	if (!f)
		bench_fail("%s: %s", path, strerror(errno));
	return f;
}

/* The head is the same in bar.py. */
void bench_plot(const char *name, const char *text)
{
	char file[NAME_MAX];
	FILE *f;

	snprintf(file, sizeof(file), "%s.gp", name);
	f = bench_file(file);
	fprintf(f,
		"set terminal svg size 720,400 dynamic background 'white'\n"
		"set output '%s.svg'\n"
		"set datafile separator '\\t'\n"
		"set key autotitle columnhead\n"
		"set grid\n%s\n",
		name, text);
	fclose(f);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
	if (!n)
		return 0;
	qsort(values, n, sizeof(*values), ascending);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct bar *bar_new(const char *name, const char *what, double limit,
		    bool higher)
{
	struct bar *b = calloc(1, sizeof(*b));

	if (!b || nbars == BARS_MAX)
		bench_fail("no room for bar %s", name);
	b->name = name;
	b->what = what;
	b->limit = limit;
	b->higher = higher;
	bars[nbars++] = b;
	return b;
}

void bar_pair(struct bar *b, double ours, double theirs)
{
	if (b->runs == BAR_RUNS_MAX)
		bench_fail("%s: more than %d runs", b->name, BAR_RUNS_MAX);
	/* What is left of short runs may be noise: no figure of those counts. */
	if (bench_quick()) {
		ours = ours > 0 ? ours : 0;
		theirs = theirs > 0 ? theirs : 1;
	}
	if (!(theirs > 0))
		bench_fail("%s: nothing to compare %g with", b->name, ours);
	b->ours[b->runs] = ours;
	b->theirs[b->runs++] = theirs;
}

void bar_run(struct bar *b, double measured, double limit)
{
	bar_pair(b, measured, limit);
}

void bar_figure(struct bar *b, const char *name, double value)
{
	if (b->nfigures == BAR_FIGURES_MAX)
		bench_fail("%s: more than %d figures", b->name,
			   BAR_FIGURES_MAX);
	b->figures[b->nfigures++] = (struct figure){ name, value };
}

static double median_of(const double *values, size_t n)
{
	double copy[BAR_RUNS_MAX];

	memcpy(copy, values, n * sizeof(*values));
	return bench_median(copy, n);
}

void bar_figure_ours(struct bar *b, const char *name)
{
	bar_figure(b, name, median_of(b->ours, b->runs));
}

void bar_figure_theirs(struct bar *b, const char *name)
{
	bar_figure(b, name, median_of(b->theirs, b->runs));
}

/* The ratios, sorted; their median. */
static double ratios_of(const struct bar *b, double *ret)
{
	for (size_t i = 0; i < b->runs; i++)
		ret[i] = b->ours[i] / b->theirs[i];
	return bench_median(ret, b->runs);
}

double bar_median(const struct bar *b)
{
	double ratios[BAR_RUNS_MAX];

	return ratios_of(b, ratios);
}

static json_t *bar_json(const struct bar *b)
{
	json_t *figures = json_object(), *o;
	double ratios[BAR_RUNS_MAX];
	double median = ratios_of(b, ratios);

	for (size_t i = 0; i < b->nfigures; i++)
		json_object_set_new(figures, b->figures[i].name,
				    json_real(b->figures[i].value));
	o = json_pack("{s:f, s:f, s:f, s:f, s:I, s:s, s:s, s:o}", "ratio",
		      median, "bar", b->limit, "min", ratios[0], "max",
		      ratios[b->runs - 1], "runs", (json_int_t)b->runs,
		      "better", b->higher ? "higher" : "lower", "what", b->what,
		      "figures", figures);
	if (!o)
		bench_fail("%s: no JSON of it", b->name);
	return o;
}

void bars_write(void)
{
	json_t *all = json_object();
	FILE *f = bench_file("bars.json");

	for (size_t i = 0; i < nbars; i++) {
		if (bars[i]->runs)
			json_object_set_new(all, bars[i]->name,
					    bar_json(bars[i]));
		free(bars[i]);
	}
	nbars = 0;
	if (json_dumpf(all, f, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) ||
	    fputc('\n', f) == EOF || fclose(f))
		bench_fail("bars.json: %s", strerror(errno));
	json_decref(all);
}
