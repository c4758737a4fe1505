// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random policies and packets: reference, image engine and kernel must give
 * the same verdict, reason and rule; and changes of a policy that have no
 * meaning must not change a verdict.
 *
 *   test_differential [--seed N] [--comparisons N] [--forever] [--kernel]
 *
 * The seed is printed; --seed repeats a run. On a difference the policy is cut
 * down to what still differs and printed with the packet and all answers.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engines.h"
#include "kernel_engine.h"
#include "policy/reader.h"
#include "support/random.h"
#include "vary.h"

#define COMPARISONS 240000	/* R: at least 200,000 in make test */
#define LOCALS 10		/* endpoint addresses a policy */
#define PROBES 40		/* packets an endpoint address */
#define POLICIES 25		/* policies a configuration */

struct totals {
	unsigned long comparisons, kernel, varied, policies;
	unsigned long verdicts[MOAT_VERDICT_COUNT];
	unsigned long reasons[MOAT_REASON_COUNT];
};

struct run {
	struct rng rng;
	struct config *config;
	struct kernel_engine *kernel;	/* NULL: not asked */
	struct totals totals;
};

/* What a difference is about, for shrink(). */
struct difference {
	struct run *run;
	struct probe probe;
	bool kernel;
};

static void print_policy(const struct policy *p)
{
	struct buf text = { 0 };

	if (!p)
		printf("no policy\n");
	else if (!policy_print(p, &text))
		printf("%s\n", buf_text(&text));
	buf_free(&text);
}

/* All answers to one probe under one policy; true if they differ. */
static bool ask(struct run *run, const struct policy *p,
		const struct probe *probe, bool kernel, bool print)
{
	struct answer answer[ENGINE_COUNT + 1];
	int n = ENGINE_COUNT;
	struct engines e;
	char line[256];
	bool differ = false;

	if (!engines_open(&e, p, run->config, &probe->local, 1))
		return false;
	for (int i = 0; i < ENGINE_COUNT; i++)
		engines_judge(&e, i, probe, &answer[i]);
	if (kernel && kernel_engine_load(run->kernel, &e) &&
	    kernel_engine_local(run->kernel, &probe->local, probe->family) &&
	    kernel_engine_judge(run->kernel, probe, &answer[n]))
		n++;
	for (int i = 1; i < n; i++)
		differ = differ || !answers_equal(&answer[0], &answer[i]);
	for (int i = 0; print && i < n; i++)
		printf("  %-10s %s\n",
		       i < ENGINE_COUNT ? engine_names[i] : "kernel",
		       answer_print(&answer[i], line, sizeof(line)));
	engines_close(&e);
	return differ;
}

static bool still_differs(const struct policy *p, void *arg)
{
	struct difference *d = arg;

	return ask(d->run, p, &d->probe, d->kernel, false);
}

static void print_config(const struct config *c)
{
	printf("config: max_mode %s, before_first %s, unassigned %s, midstream %s, essentials off:",
	       c->max_mode_audit ? "audit" : "enforce",
	       c->before_first_pass ? "pass" : "deny",
	       c->unassigned_allow ? "allow" : "deny",
	       c->midstream_drop ? "drop" : "judge");
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		if (!c->essential[i])
			printf(" %d", i);
	printf("\n");
	for (size_t i = 0; i < c->nfailsafe; i++) {
		const struct failsafe_rule *f = &c->failsafe[i];
		char text[ADDR_TEXT];

		printf("failsafe/%zu: %s proto %d ports %u-%u peers", i,
		       f->direction ? "egress" : "ingress", f->proto,
		       f->ports[0].first, f->ports[0].last);
		for (size_t k = 0; k < f->npeers; k++)
			printf(" %s", cidr_print(&f->peers[k], false, text));
		printf("\n");
	}
}

static void report(struct run *run, const struct policy *p,
		   const struct probe *probe, bool kernel)
{
	struct difference d = { run, *probe, kernel };
	struct policy *small = p ? build_copy(p) : NULL;
	char line[256];

	if (!small)
		;
	else if (ask(run, small, probe, kernel, false))
		small = shrink(small, still_differs, &d);
	else
		printf("the difference is gone when asked alone\n");
	printf("DIFFERENCE\n%s\n", probe_print(probe, line, sizeof(line)));
	ask(run, small, probe, kernel, true);
	print_config(run->config);
	print_policy(small);
	policy_free(small);
}

static void count(struct totals *t, const struct answer *a)
{
	t->comparisons++;
	t->verdicts[a->verdict]++;
	t->reasons[a->reason]++;
}

/* Random packets to one endpoint address. */
static bool check_local(struct run *run, const struct engines *e,
			const struct palette *palette,
			const struct moat_addr *local)
{
	int family = addr_is_v4(local) ? 4 : 6;
	struct palette one = *palette;

	one.locals = (struct moat_addr *)local;
	one.nlocals = 1;
	if (run->kernel && !kernel_engine_local(run->kernel, local, family))
		return false;
	for (int i = 0; i < PROBES; i++) {
		struct probe probe = random_probe(&run->rng, &one);
		struct answer want, image, kernel;
		bool asked = false;

		engines_judge(e, ENGINE_REFERENCE, &probe, &want);
		engines_judge(e, ENGINE_IMAGE, &probe, &image);
		if (run->kernel)
			asked = kernel_engine_judge(run->kernel, &probe,
						    &kernel);
		if (!answers_equal(&want, &image) ||
		    (asked && !answers_equal(&want, &kernel))) {
			report(run, e->policy, &probe, asked);
			return false;
		}
		run->totals.kernel += asked;
		count(&run->totals, &want);
	}
	return true;
}

/* The same packets under a policy that means the same. */
static bool check_variation(struct run *run, const struct policy *p,
			    const struct palette *palette, enum variation how)
{
	struct policy *other = vary(&run->rng, p, how);
	struct engines a, b;
	bool ok;

	ok = engines_open(&a, p, run->config, NULL, 0) &&
	     engines_open(&b, other, run->config, NULL, 0);
	for (int i = 0; ok && i < PROBES; i++) {
		struct probe probe = random_probe(&run->rng, palette);
		struct answer want, got;
		char line[256];

		engines_judge(&a, ENGINE_REFERENCE, &probe, &want);
		engines_judge(&b, ENGINE_IMAGE, &probe, &got);
		if (how == VARY_CREDIT && want.reason == MOAT_REASON_SG_ALLOW &&
		    got.reason == MOAT_REASON_SG_ALLOW)
			strcpy(got.rule, want.rule);
		if (!answers_equal(&want, &got)) {
			printf("VARIATION %s changes a verdict\n%s\n",
			       variation_names[how],
			       probe_print(&probe, line, sizeof(line)));
			printf("  before: %s\n",
			       answer_print(&want, line, sizeof(line)));
			printf("  after:  %s\n",
			       answer_print(&got, line, sizeof(line)));
			print_config(run->config);
			print_policy(p);
			print_policy(other);
			ok = false;
		}
		run->totals.varied++;
	}
	engines_close(&a);
	engines_close(&b);
	policy_free(other);
	return ok;
}

/*
 * Random packets under a policy, or under none (NULL) where the random one
 * only lends its addresses and ports.
 */
static bool check_policy(struct run *run, const struct policy *p,
			 const struct palette *palette)
{
	struct moat_addr locals[LOCALS];
	struct engines e;
	bool ok = true;

	for (int i = 0; i < LOCALS; i++)
		locals[i] = random_local(&run->rng, palette,
					 rng_percent(&run->rng, 55) ? 4 : 6);
	if (!engines_open(&e, p, run->config, locals, LOCALS)) {
		print_policy(p);
		return false;
	}
	if (run->kernel)
		ok = kernel_engine_load(run->kernel, &e);
	for (int i = 0; ok && i < LOCALS; i++)
		ok = check_local(run, &e, palette, &locals[i]);
	engines_close(&e);
	return ok;
}

static bool check_round(struct run *run, bool without)
{
	struct policy *p = random_policy(&run->rng);
	struct palette palette;
	bool ok;

	palette_make(p, run->config, &palette);
	ok = check_policy(run, without ? NULL : p, &palette) &&
	     check_variation(run, p, &palette,
			     run->totals.policies % VARY_COUNT);
	palette_free(&palette);
	policy_free(p);
	run->totals.policies++;
	return ok;
}

static bool check_config(struct run *run, bool with_kernel)
{
	bool ok = true;

	run->config = random_config(&run->rng);
	run->kernel = NULL;
	if (with_kernel) {
		run->kernel = kernel_engine_open(run->config);
		if (!run->kernel)
			return false;
	}
	for (int i = 0; ok && i < POLICIES; i++)
		ok = check_round(run, i == 0);
	kernel_engine_close(run->kernel);
	build_config_free(run->config);
	return ok;
}

static void print_totals(const struct totals *t)
{
	printf("%lu policies, %lu packets compared (reference = image), %lu of them with the kernel, %lu under variations\n",
	       t->policies, t->comparisons, t->kernel, t->varied);
	for (int i = 0; i < MOAT_VERDICT_COUNT; i++)
		printf("  %s %lu", verdict_name(i), t->verdicts[i]);
	printf("\n");
	for (int i = 0; i < MOAT_REASON_COUNT; i++)
		if (t->reasons[i])
			printf("  %s %lu\n", reason_name(i), t->reasons[i]);
}

/* A generator that stopped meeting a reason would prove nothing about it. */
static bool covered(const struct totals *t)
{
	static const enum moat_reason wanted[] = {
		MOAT_REASON_SG_ALLOW, MOAT_REASON_NACL_ALLOW,
		MOAT_REASON_UNASSIGNED_ALLOW, MOAT_REASON_FAILSAFE,
		MOAT_REASON_ESSENTIAL_ND, MOAT_REASON_ESSENTIAL_RA,
		MOAT_REASON_ESSENTIAL_DHCP, MOAT_REASON_ESSENTIAL_DHCPV6,
		MOAT_REASON_BEFORE_POLICY, MOAT_REASON_EXT_HEADER,
		MOAT_REASON_TCP_FLAGS, MOAT_REASON_BAD_SOURCE,
		MOAT_REASON_OWN_SOURCE, MOAT_REASON_BAD_DESTINATION,
		MOAT_REASON_ICMP_FAMILY, MOAT_REASON_ND_INVALID,
		MOAT_REASON_REDIRECT, MOAT_REASON_NACL_DENY,
		MOAT_REASON_SG_NO_MATCH, MOAT_REASON_NO_FLOW,
		MOAT_REASON_NOT_RELATED, MOAT_REASON_UNASSIGNED,
		MOAT_REASON_NO_POLICY,
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (t->reasons[wanted[i]])
			continue;
		printf("never met: %s\n", reason_name(wanted[i]));
		ok = false;
	}
	return ok;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "comparisons", required_argument, NULL, 'c' },
		{ "forever", no_argument, NULL, 'f' },
		{ "kernel", no_argument, NULL, 'k' },
		{ 0 },
	};
	uint64_t seed = (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
	unsigned long wanted = COMPARISONS;
	bool with_kernel = false;
	struct run run = { 0 };
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (o == 'c')
			wanted = strtoul(optarg, NULL, 0);
		else if (o == 'f')
			wanted = 0;
		else if (o == 'k')
			with_kernel = true;
		else
			return 2;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	run.rng.state = seed;
	while (!wanted || run.totals.comparisons < wanted) {
		if (!check_config(&run, with_kernel)) {
			printf("repeat with --seed %llu\n",
			       (unsigned long long)seed);
			return 1;
		}
		if (!wanted)
			print_totals(&run.totals);
	}
	print_totals(&run.totals);
	return wanted < COMPARISONS || covered(&run.totals) ? 0 : 1;
}
