// SPDX-License-Identifier: BSD-2-Clause
/* The agent's configuration: any bytes as moatd.yaml. */
#include "fuzz/fuzz.h"

#include "agent/agent.h"
#include "policy/config.h"
#include "policy/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags diags = { 0 };
	struct config *c = config_read("moatd.yaml", (const char *)data, size,
				       &diags);
	struct datapath_settings settings;
	struct buf text = { 0 };

	must(!c == (diags.errors > 0));
	must(diags_render(&diags, &text) == 0);
	if (c)
		agent_settings(c, &settings);
	config_free(c);
	buf_free(&text);
	diags_free(&diags);
	return 0;
}
