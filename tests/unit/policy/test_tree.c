// SPDX-License-Identifier: BSD-2-Clause
/* The node tree: shape and places, what YAML of ours leaves out, hints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "moat/base.h"
#include "policy/diag.h"
#include "policy/tree.h"

static struct tree *read_text(struct diags *d, const char *text)
{
	int file = diags_add_source(d, "t.yaml", text, strlen(text));

	assert_int_equal(file, 0);
	return tree_read(d, file);
}

/* Reads text and compares what is said about it. */
static void expect(const char *text, bool readable, const char *said)
{
	struct diags d = { 0 };
	struct buf out = { 0 };
	struct tree *tree = read_text(&d, text);

	assert_int_equal(diags_render(&d, &out), 0);
	assert_string_equal(buf_text(&out), said);
	assert_int_equal(tree != NULL, readable);
	tree_free(tree);
	buf_free(&out);
	diags_free(&d);
}

static void assert_place(const struct node *node, int line, int column)
{
	assert_int_equal(node->line, line);
	assert_int_equal(node->column, column);
	assert_int_equal(node_pos(node).file, 0);
}

static void shape_and_places(void **state)
{
	struct diags d = { 0 };
	struct tree *tree = read_text(&d, "a: [1, '2']\n"
					  "\xc3\xa4: {x: }\n"
					  "b:\n  - c: d\n");
	const struct node *root = tree_root(tree);

	assert_int_equal(d.errors, 0);
	assert_int_equal(root->kind, NODE_MAPPING);
	assert_int_equal(root->count, 3);

	const struct node *key = root->child, *list = key->next;
	assert_string_equal(key->text, "a");
	assert_place(key, 1, 1);
	assert_int_equal(list->kind, NODE_SEQUENCE);
	assert_int_equal(list->count, 2);
	assert_place(list, 1, 4);
	assert_true(list->child->plain);
	assert_false(list->child->next->plain);
	assert_string_equal(list->child->next->text, "2");
	assert_place(list->child->next, 1, 8);
	assert_null(list->child->next->next);

	key = list->next;
	assert_string_equal(key->text, "\xc3\xa4");
	/* Columns count characters, not bytes. */
	assert_place(key->next, 2, 4);
	assert_true(node_is_null(key->next->child->next));

	key = key->next->next;
	assert_place(key->next->child->child->next, 4, 8);
	assert_string_equal(key->next->child->child->next->text, "d");
	tree_free(tree);
	diags_free(&d);
}

static void empty_documents(void **state)
{
	static const char *const texts[] = { "", "\n", "# nothing\n" };

	for (size_t i = 0; i < 3; i++) {
		struct diags d = { 0 };
		struct tree *tree = read_text(&d, texts[i]);

		assert_non_null(tree);
		assert_null(tree_root(tree));
		tree_free(tree);
		diags_free(&d);
	}
}

static void tokens(void **state)
{
	char buf[NODE_TOKEN];
	char text[200];

	memset(text, 'x', sizeof(text));
	/* A two-byte letter across the cut is left out as a whole. */
	memcpy(text + 71, "\xc3\xa4", 2);
	text[199] = '\0';
	text_token(text, buf);
	assert_int_equal(strlen(buf), 71 + 5);
	assert_string_equal(buf + 71, "x...`");
	assert_string_equal(text_token("abc", buf), "`abc`");
}

static void left_out_of_yaml(void **state)
{
	expect("a: &x 1\nb: *x\nc: !t 2\na: 3\n", true,
	       "t.yaml:1:4: error: anchors are not allowed here; write the value out, or quote it if it begins with &\n"
	       "    1 | a: &x 1\n"
	       "      |    ^\n"
	       "t.yaml:2:4: error: aliases are not allowed here; quote this value if it begins with *\n"
	       "    2 | b: *x\n"
	       "      |    ^\n"
	       "t.yaml:3:4: error: tags are not allowed here; quote the value if it begins with !\n"
	       "    3 | c: !t 2\n"
	       "      |    ^\n"
	       "t.yaml:4:1: error: key `a` stands twice, first in line 1\n"
	       "    4 | a: 3\n"
	       "      | ^\n");
	expect("{a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, h: 2}",
	       true,
	       "t.yaml:1:56: error: key `h` stands twice, first in line 1\n"
	       "    1 | {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, h: 2}\n"
	       "      |                                                        ^\n");
	expect("a: 1\n---\nb: 2\n", false,
	       "t.yaml:2:1: error: a second document in one file; give several files instead\n"
	       "    2 | ---\n"
	       "      | ^\n");
	expect("\"a\\0b\": 1\n", true,
	       "t.yaml:1:1: error: a text can't hold a NUL character\n"
	       "    1 | \"a\\0b\": 1\n"
	       "      | ^\n");
	expect("? [x]\n: 1\n", true,
	       "t.yaml:1:3: error: a key must be text\n"
	       "    1 | ? [x]\n"
	       "      |   ^\n");
}

/* What was found before the syntax error is not shown. */
static void syntax_error_alone(void **state)
{
	expect("a: 1\na: 2\nb: [1\n", false,
	       "t.yaml:4:1: error: YAML: did not find expected ',' or ']' while parsing a flow sequence that begins in line 3\n");
	expect("a: \x01\n", false,
	       "t.yaml:1:4: error: YAML: control characters are not allowed\n"
	       "    1 | a: ?\n"
	       "      |    ^\n");
}

static void unquoted_values(void **state)
{
	expect("a: [10.0.0.0/8, fd00::]\n", false,
	       "t.yaml:1:17: error: quote this value: \"fd00::\" (a colon means something in YAML)\n"
	       "    1 | a: [10.0.0.0/8, fd00::]\n"
	       "      |                 ^\n");
	expect("a: [::1]\n", false,
	       "t.yaml:1:5: error: quote this value: \"::1\" (a colon means something in YAML)\n"
	       "    1 | a: [::1]\n"
	       "      |     ^\n");
	expect("a: [*]\n", false,
	       "t.yaml:1:5: error: quote this value: \"*\" (an unquoted * is an alias in YAML)\n"
	       "    1 | a: [*]\n"
	       "      |     ^\n");
}

static void depth_is_limited(void **state)
{
	char text[100000];

	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';

	struct diags d = { 0 };
	assert_null(read_text(&d, text));
	assert_int_equal(d.errors, 1);
	assert_string_equal(d.items[0].text, "nested more than 32 levels deep");
	assert_int_equal(d.items[0].pos.column, 33);
	diags_free(&d);
}

static void size_is_limited(void **state)
{
	size_t len = MOAT_MAX_DOCUMENT + 1u;
	char *text = malloc(len + 1);

	assert_non_null(text);
	memset(text, '#', len);
	text[len] = '\0';

	struct diags d = { 0 };
	assert_null(read_text(&d, text));
	assert_int_equal(d.errors, 1);
	assert_string_equal(d.items[0].text,
			    "the document has 16777217 bytes, above 16777216");
	diags_free(&d);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shape_and_places),
		cmocka_unit_test(empty_documents),
		cmocka_unit_test(tokens),
		cmocka_unit_test(left_out_of_yaml),
		cmocka_unit_test(syntax_error_alone),
		cmocka_unit_test(unquoted_values),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(size_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
