// SPDX-License-Identifier: BSD-2-Clause
/* /sys/class/infiniband lists what the RDMA core knows. */
#include "agent/rdma.h"

#include <dirent.h>
#include <stdio.h>

size_t rdma_devices(struct rdma_device *ret, size_t max)
{
	DIR *d = opendir("/sys/class/infiniband");
	struct dirent *e;
	size_t n = 0;

	while (d && n < max && (e = readdir(d)))
		if (e->d_name[0] != '.')
			snprintf(ret[n++].name, sizeof(ret->name), "%.63s",
				 e->d_name);
	if (d)
		closedir(d);
	return n;
}
