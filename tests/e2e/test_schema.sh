#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The JSON Schemas say what the parser accepts: schema.py compares them.
set -u
cd "$(dirname "$0")/../.." || exit 2
for python in python3 /usr/bin/python3; do
	if "$python" -c 'import jsonschema, yaml' 2>/dev/null; then
		exec "$python" tests/e2e/schema.py
	fi
done
echo 'no python3 with jsonschema and yaml'
exit 77
