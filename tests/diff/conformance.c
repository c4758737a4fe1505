// SPDX-License-Identifier: BSD-2-Clause
/* Finding and reading conformance data: see conformance.h. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

static char *path_of(const char *file)
{
	const char *folder = getenv("MOAT_CONFORMANCE");
	char *path;

	if (!folder || !*folder)
		folder = MOAT_SOURCE_DIR "/../shared/conformance";
	if (asprintf(&path, "%s/%s", folder, file) < 0)
		abort();
	return path;
}

void conformance_need(const char *file)
{
	_cleanup_free_ char *path = path_of(file);

	if (!access(path, R_OK))
		return;
	fprintf(stderr,
		"%s is not there: NOTHING of it was tested (set MOAT_CONFORMANCE)\n",
		path);
	exit(77);
}

bool conformance_each(const char *file,
		      bool (*fn)(const json_t *line, void *arg), void *arg)
{
	_cleanup_free_ char *path = path_of(file);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool ok = true;

	if (!f)
		return false;
	while (ok && getline(&line, &size, f) > 0) {
		json_t *value = json_loads(line, 0, NULL);

		ok = value && fn(value, arg);
		json_decref(value);
	}
	return ok;
}

json_t *conformance_load(const char *file)
{
	_cleanup_free_ char *path = path_of(file);

	return json_load_file(path, 0, NULL);
}
