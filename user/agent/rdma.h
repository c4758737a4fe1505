/* SPDX-License-Identifier: BSD-2-Clause */
/* RDMA devices, whose traffic passes none of our hooks (G15). */
#ifndef MOAT_RDMA_H
#define MOAT_RDMA_H

#include <stddef.h>

struct rdma_device {
	char name[64];
};
/* Those of the namespace that sysfs shows; none where there is no sysfs. */
size_t rdma_devices(struct rdma_device *ret, size_t max);

#endif
