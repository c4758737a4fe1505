// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random policies and packets: reference, image engine and kernel must give
 * the same verdict, reason and rule; and changes of a policy that have no
 * meaning must not change a verdict.
 *
 *   test_differential [--seed N] [--comparisons N] [--forever] [--no-kernel]
 *
 * The seed is printed; --seed repeats a run, which then prints the same hash of
 * all images and answers, whatever compiler built the program. On a difference the policy is cut
 * down to what still differs and printed with the packet and all answers.
 */
#include <getopt.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sha256.h"
#include "engines.h"
#include "kernel_engine.h"
#include "policy/reader.h"
#include "reference/reference.h"
#include "replies.h"
#include "support/random.h"
#include "vary.h"

#define COMPARISONS 240000 /* R: at least 200,000 in make test */
#define LOCALS 10	   /* endpoint addresses a policy */
#define PROBES 40	   /* packets an endpoint address */
#define POLICIES 60	   /* policies a configuration */

struct totals {
	unsigned long comparisons, kernel, varied, policies;
	unsigned long replies, replies_denied, xdp_drops;
	unsigned long verdicts[MOAT_VERDICT_COUNT];
	unsigned long reasons[MOAT_REASON_COUNT];
};

struct run {
	struct rng rng;
	struct config *config;
	unsigned configs; /* so far: each switch is met on and off */
	struct kernel_engine *kernel; /* NULL: not asked */
	struct totals totals;
	struct sha256 said; /* images and the reference's answers */
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

/* n answers that were not the same: reference, image and maybe kernel. */
static void report(struct run *run, const struct policy *p,
		   const struct probe *probe, const struct answer *said, int n)
{
	bool kernel = n > ENGINE_COUNT;
	struct difference d = { run, *probe, kernel };
	struct policy *small = p ? build_copy(p) : NULL;
	char line[256];

	printf("DIFFERENCE\n%s\n", probe_print(probe, line, sizeof(line)));
	for (int i = 0; i < n; i++)
		printf("  %-10s %s\n",
		       i < ENGINE_COUNT ? engine_names[i] : "kernel",
		       answer_print(&said[i], line, sizeof(line)));
	if (!small)
		;
	else if (ask(run, small, probe, kernel, false))
		small = shrink(small, still_differs, &d);
	else
		printf("the difference is gone when asked alone\n");
	printf("under the policy below:\n");
	ask(run, small, probe, kernel, true);
	print_config(run->config);
	print_policy(small);
	policy_free(small);
}

static void count(struct run *run, const struct answer *a)
{
	char line[256];

	run->totals.comparisons++;
	run->totals.verdicts[a->verdict]++;
	run->totals.reasons[a->reason]++;
	answer_print(a, line, sizeof(line));
	sha256_add(&run->said, line, strlen(line));
}

static void count_image(struct run *run, const struct image *image)
{
	const struct moat_image *h = &image->header;

	sha256_add(&run->said, h, sizeof(*h));
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		sha256_add(&run->said, image->part[i], h->used[i]);
}

/* Types of ICMP that ask for nothing never make a flow: the second one is
 * judged by the rules like the first. */
static bool check_plain(struct run *run, const struct probe *probe,
			const struct answer *first)
{
	struct answer again;
	char line[256];

	if (probe->proto != IPPROTO_ICMP && probe->proto != IPPROTO_ICMPV6)
		return true;
	kernel_engine_follow(run->kernel, probe, &again);
	if (answers_equal(first, &again))
		return true;
	printf("AGAIN %s\n", probe_print(probe, line, sizeof(line)));
	printf("  first      %s\n", answer_print(first, line, sizeof(line)));
	printf("  second     %s\n", answer_print(&again, line, sizeof(line)));
	return false;
}

/*
 * The kernel has just allowed an opening: its reply belongs to the flow and
 * meets the NACL of the other direction alone, as the reference says.
 */
static bool check_reply(struct run *run, const struct engines *e,
			const struct probe *opening, const struct answer *said)
{
	struct answer want = { .verdict = MOAT_ALLOW,
			       .reason = MOAT_REASON_ESTABLISHED };
	struct answer got;
	struct probe reply;
	char line[256];

	if (!reply_make(opening, &reply))
		return check_plain(run, opening, said);
	if (reply_settled_early(e, &reply))
		return true;
	if (!reference_reply(e->policy, e->config, opening, &want))
		want.reason = MOAT_REASON_NACL_DENY;
	kernel_engine_follow(run->kernel, &reply, &got);
	run->totals.replies++;
	run->totals.replies_denied += want.verdict != MOAT_ALLOW;
	if (want.verdict == got.verdict && want.reason == got.reason &&
	    (want.verdict == MOAT_ALLOW || !strcmp(want.rule, got.rule)))
		return true;
	printf("REPLY to %s\n", probe_print(opening, line, sizeof(line)));
	printf("  reference  %s\n", answer_print(&want, line, sizeof(line)));
	printf("  kernel     %s\n", answer_print(&got, line, sizeof(line)));
	print_config(run->config);
	print_policy(e->policy);
	return false;
}

/* XDP drops nothing that tc wouldn't, and for the same reason (F19). */
static bool check_xdp(struct run *run, const struct engines *e,
		      const struct probe *probe, const struct answer *said)
{
	struct answer xdp;
	char line[256];

	if (probe->direction != MOAT_INGRESS ||
	    !kernel_engine_xdp_drops(run->kernel, probe, &xdp))
		return true;
	run->totals.xdp_drops++;
	if (answers_equal(said, &xdp))
		return true;
	printf("XDP drops %s\n", probe_print(probe, line, sizeof(line)));
	printf("  reference  %s\n", answer_print(said, line, sizeof(line)));
	printf("  XDP        %s\n", answer_print(&xdp, line, sizeof(line)));
	print_config(run->config);
	print_policy(e->policy);
	return false;
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
		struct answer said[ENGINE_COUNT + 1];
		bool asked = false;
		int n = 0;

		for (; n < ENGINE_COUNT; n++)
			engines_judge(e, n, &probe, &said[n]);
		if (run->kernel) {
			if (!check_xdp(run, e, &probe, &said[0]))
				return false;
			asked = kernel_engine_judge(run->kernel, &probe,
						    &said[n]);
		}
		n += asked;
		for (int k = 1; k < n; k++) {
			if (answers_equal(&said[0], &said[k]))
				continue;
			report(run, e->policy, &probe, said, n);
			return false;
		}
		run->totals.kernel += asked;
		count(run, &said[0]);
		if (asked && said[0].verdict == MOAT_ALLOW &&
		    (said[0].reason == MOAT_REASON_SG_ALLOW ||
		     said[0].reason == MOAT_REASON_NACL_ALLOW ||
		     said[0].reason == MOAT_REASON_UNASSIGNED_ALLOW) &&
		    !check_reply(run, e, &probe, &said[0]))
			return false;
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
	count_image(run, e.image);
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

	if (rng_percent(&run->rng, 12))
		random_crowd(&run->rng, p);
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
	run->config->before_first_pass = run->configs & 1;
	run->config->unassigned_allow = run->configs & 2;
	run->configs++;
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
	printf("%lu policies, %lu packets compared (reference = image), %lu of them with the kernel, %lu under variations; %lu replies in the kernel, %lu of them denied; %lu dropped by XDP already\n",
	       t->policies, t->comparisons, t->kernel, t->varied, t->replies,
	       t->replies_denied, t->xdp_drops);
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
		MOAT_REASON_SG_ALLOW,	      MOAT_REASON_NACL_ALLOW,
		MOAT_REASON_UNASSIGNED_ALLOW, MOAT_REASON_FAILSAFE,
		MOAT_REASON_ESSENTIAL_ND,     MOAT_REASON_ESSENTIAL_RA,
		MOAT_REASON_ESSENTIAL_DHCP,   MOAT_REASON_ESSENTIAL_DHCPV6,
		MOAT_REASON_BEFORE_POLICY,    MOAT_REASON_EXT_HEADER,
		MOAT_REASON_TCP_FLAGS,	      MOAT_REASON_BAD_SOURCE,
		MOAT_REASON_OWN_SOURCE,	      MOAT_REASON_BAD_DESTINATION,
		MOAT_REASON_ICMP_FAMILY,      MOAT_REASON_ND_INVALID,
		MOAT_REASON_REDIRECT,	      MOAT_REASON_NACL_DENY,
		MOAT_REASON_SG_NO_MATCH,      MOAT_REASON_NO_FLOW,
		MOAT_REASON_NOT_RELATED,      MOAT_REASON_UNASSIGNED,
		MOAT_REASON_NO_POLICY,
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (t->reasons[wanted[i]])
			continue;
		printf("never met: %s\n", reason_name(wanted[i]));
		ok = false;
	}
	if (t->kernel && (!t->xdp_drops || !t->replies_denied)) {
		printf("never met: a drop by XDP, or a denied reply\n");
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
		{ "no-kernel", no_argument, NULL, 'k' },
		{ 0 },
	};
	uint64_t seed = (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
	unsigned long wanted = COMPARISONS;
	bool with_kernel = geteuid() == 0;
	struct run run = { 0 };
	char hash[SHA256_TEXT];
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (o == 'c')
			wanted = strtoul(optarg, NULL, 0);
		else if (o == 'f')
			wanted = 0;
		else if (o == 'k')
			with_kernel = false;
		else
			return 2;
	}
	if (!with_kernel)
		printf("NOT compared with the kernel, which needs root\n");
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	run.rng.state = seed;
	sha256_init(&run.said);
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
	printf("sha256 %s\n", sha256_end(&run.said, hash));
	return wanted < COMPARISONS || covered(&run.totals) ? 0 : 1;
}
