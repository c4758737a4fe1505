// SPDX-License-Identifier: BSD-2-Clause
/* moatd. */
#include "agent/agent.h"

int main(int argc, char **argv)
{
	return agent_main(argc, argv);
}
