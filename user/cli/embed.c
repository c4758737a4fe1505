// SPDX-License-Identifier: BSD-2-Clause
/* Files of the source tree inside the program, each as a NUL-ended string. */
#include "cli/embed.h"

#define EMBED(symbol, path) \
	__asm__(".pushsection .rodata\n" \
		".global " #symbol "\n" \
		".type " #symbol ", %object\n" #symbol ":\n" \
		".incbin \"" path "\"\n" \
		".byte 0\n" \
		".size " #symbol ", . - " #symbol "\n" \
		".popsection")

EMBED(embed_demo, "user/cli/demo.sh");
EMBED(embed_policy, "policies/training-cluster.yaml");
EMBED(embed_schema, "policies/policy.schema.json");
