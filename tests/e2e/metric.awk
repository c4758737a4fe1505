# SPDX-License-Identifier: BSD-2-Clause
# What metric.py does, where Python takes seconds to start: an emulated
# machine. usage: awk -v name=NAME -v labels='LABEL=VALUE ...' -f metric.awk
BEGIN { n = split(labels, label, " ") }
index($0, name "{") == 1 || index($0, name " ") == 1 {
	for (i = 1; i <= n; i++) {
		at = index(label[i], "=")
		text = substr(label[i], 1, at) "\"" substr(label[i], at + 1) "\""
		if (!index($0, "{" text) && !index($0, "," text))
			next
	}
	sum += $NF
	seen = 1
}
END {
	if (!seen)
		exit 1
	printf "%.15g\n", sum
}
