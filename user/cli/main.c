// SPDX-License-Identifier: BSD-2-Clause
/* moat: the command line. Everything else links into tests. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
