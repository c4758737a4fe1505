/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests' side of the shim's maps. */
#ifndef MOAT_FUZZ_SHIM_MAPS_H
#define MOAT_FUZZ_SHIM_MAPS_H

#include <stdbool.h>
#include <stddef.h>

/* The programs' side; its copies of helpers stay unused here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "fuzz/bpf_shim.h"
#pragma GCC diagnostic pop

/* Fills an entry that shim_clear() leaves alone, as all of its map. */
void shim_put(const struct shim_map *map, const void *key, const void *value);
/* The nth entry of a hash; false: there are not so many. */
bool shim_next(const struct shim_map *map, size_t n, const void **ret_key,
	       const void **ret_value);
/* Forgets what programs wrote: every hash, and arrays but the large ones. */
void shim_clear(void);

#endif
