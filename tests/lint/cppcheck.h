/* SPDX-License-Identifier: BSD-2-Clause */
/* What cppcheck does not find in the libraries' headers, which it isn't given. */
#ifndef MOAT_CPPCHECK_H
#define MOAT_CPPCHECK_H

#define json_array_foreach(array, i, value) \
	for (i = 0; (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value) \
	for (key = first_key(object); (value = value_of(object, key)); \
	     key = key_after(object, key))
#define LIBBPF_OPTS(type, name, ...) struct type name = { __VA_ARGS__ }
#define bpf_object__for_each_program(prog, object) \
	for (prog = bpf_object__next_program(object, 0); prog; \
	     prog = bpf_object__next_program(object, prog))

#endif
