/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cleanup attributes: an owning local carries one and is initialised at once;
 * ownership leaves through TAKE_PTR or TAKE_FD. CLEANUP(type) names a function
 * `void type_freep(struct type **)` that DEFINE_CLEANUP makes.
 */
#ifndef MOAT_CLEANUP_H
#define MOAT_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

#define DEFINE_CLEANUP(type, destroy) \
	static inline void type##_freep(struct type **p) \
	{ \
		if (*p) \
			destroy(*p); \
	}
#define CLEANUP(type) _cleanup_(type##_freep)

#define TAKE_PTR(p) \
	({ \
		__typeof__(p) taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})
#define TAKE_FD(fd) \
	({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
