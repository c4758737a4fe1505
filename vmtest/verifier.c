// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads the datapath as the agent does and prints what this kernel's verifier
 * spent on each program. Its figures are asked for by the log level that
 * Linux 5.2 brought, in the agent's own call: bpf_prog_info has them from
 * 5.16 only.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "bpf/harness.h"

#define LOG_STATS 4 /* BPF_LOG_STATS of linux/bpf_verifier.h */
#define BUDGET 250000

static int over, seen;

static void tell(const char *name, const char *log, long fd)
{
	const char *at = strstr(log, "processed ");
	unsigned insns = 0;

	/* Others only ask what the kernel can do. */
	if (strncmp(name, "moat_tc_", 8) && strcmp(name, "moat_xdp") &&
	    strcmp(name, "moat_clock"))
		return;
	if (fd < 0 || !at || sscanf(at, "processed %u", &insns) != 1) {
		printf("%s: %s\n", name, fd < 0 ? "refused" : log);
		over++;
		return;
	}
	printf("%-16s %6u instructions verified\n", name, insns);
	seen++;
	if (insns > BUDGET)
		over++;
}

/* libbpf's calls come here instead of the C library's. */
long syscall(long number, ...)
{
	static char log[1 << 16];
	static long (*real)(long, ...);
	union bpf_attr *attr;
	long a[6];
	va_list ap;
	long ret;

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	attr = (union bpf_attr *)a[1];
	if (number != SYS_bpf || a[0] != BPF_PROG_LOAD || attr->log_level)
		return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	log[0] = 0;
	attr->log_level = LOG_STATS;
	attr->log_buf = (__u64)log;
	attr->log_size = sizeof(log);
	ret = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	tell(attr->prog_name, log, ret);
	return ret;
}

int main(void)
{
	struct datapath_settings s;
	struct datapath *dp;
	const char *why = "?";
	int err;

	harness_settings(&s);
	s.trace = false;
	err = datapath_open(&s, &dp, &why);
	if (err) {
		printf("datapath_open: %d: %s\n", err, why);
		return 1;
	}
	printf("tcx %d, xdp frags %d, xdp_load_bytes %d, memlock limited %d, HZ %u\n",
	       datapath_facts()->tcx, datapath_facts()->xdp_frags,
	       datapath_facts()->xdp_load_bytes,
	       datapath_facts()->memlock_limited, datapath_facts()->hz);
	datapath_close(dp);
	return over || seen < 4;
}
