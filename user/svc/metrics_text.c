// SPDX-License-Identifier: BSD-2-Clause
/* Lines of the exposition format: HELP, TYPE, labels with their escapes. */
#include <stdarg.h>
#include <string.h>

#include "svc/metrics_text.h"

static void note(struct metrics_out *o, int r)
{
	if (r && !o->err)
		o->err = r;
}

void metrics_family(struct metrics_out *o, const char *name, const char *type,
		    const char *help)
{
	note(o, buf_printf(o->buf, "# HELP %s %s\n# TYPE %s %s\n", name, help,
			   name, type));
}

/* Length of the UTF-8 sequence at s, 0 if it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 :
	    s[0] >= 0xe0 && s[0] < 0xf0	 ? 3 :
	    s[0] >= 0xc2 && s[0] < 0xe0	 ? 2 :
					   0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* A name of the system (of an interface) may hold any byte. */
static void escaped(struct metrics_out *o, const char *value)
{
	const unsigned char *p = (const unsigned char *)value, *run = p;
	const char *instead;
	size_t n;

	for (; *p; p += n) {
		n = utf8_length(p);
		instead = n == 0     ? "?" :
			  *p == '\\' ? "\\\\" :
			  *p == '"'  ? "\\\"" :
			  *p == '\n' ? "\\n" :
				       NULL;
		n = n ? n : 1;
		if (!instead)
			continue;
		note(o, buf_add(o->buf, run, p - run));
		note(o, buf_puts(o->buf, instead));
		run = p + n;
	}
	note(o, buf_add(o->buf, run, p - run));
}

static void label_list(struct metrics_out *o, va_list ap)
{
	const char *key, *value, *before = "";

	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (!value)
			break;
		note(o, buf_puts(o->buf, before));
		note(o, buf_puts(o->buf, key));
		note(o, buf_puts(o->buf, "=\""));
		escaped(o, value);
		note(o, buf_puts(o->buf, "\""));
		before = ",";
	}
}

static void labels(struct metrics_out *o, const char *name, va_list ap)
{
	size_t before;

	note(o, buf_puts(o->buf, name));
	before = o->buf->len;
	note(o, buf_puts(o->buf, "{"));
	label_list(o, ap);
	if (o->buf->len > before + 1)
		note(o, buf_puts(o->buf, "} "));
	else if (!o->err)
		o->buf->data[before] = ' ';
}

/* A page of a large policy is 60,000 such numbers. */
static void number(struct metrics_out *o, uint64_t value)
{
	char text[24], *p = text + sizeof(text);

	*--p = '\n';
	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	note(o, buf_add(o->buf, p, text + sizeof(text) - p));
}

void metrics_labels(struct metrics_out *o, ...)
{
	va_list ap;

	va_start(ap, o);
	label_list(o, ap);
	va_end(ap);
}

void metrics_line(struct metrics_out *o, const char *name,
		  const struct metrics_text *t, uint64_t value)
{
	note(o, buf_puts(o->buf, name));
	note(o, buf_add(o->buf, "{", 1));
	note(o, buf_add(o->buf, t->labels, t->len));
	if (t->verdict) {
		note(o, buf_puts(o->buf, ",verdict=\""));
		note(o, buf_puts(o->buf, t->verdict));
		note(o, buf_add(o->buf, "\"", 1));
	}
	note(o, buf_add(o->buf, "} ", 2));
	number(o, value);
}

void metrics_sample(struct metrics_out *o, const char *name, uint64_t value,
		    ...)
{
	va_list ap;

	va_start(ap, value);
	labels(o, name, ap);
	va_end(ap);
	number(o, value);
}

void metrics_sample_float(struct metrics_out *o, const char *name, double value,
			  ...)
{
	va_list ap;

	va_start(ap, value);
	labels(o, name, ap);
	va_end(ap);
	note(o, buf_printf(o->buf, "%.17g\n", value));
}

void metrics_gauge(struct metrics_out *o, const char *name, const char *help,
		   uint64_t value)
{
	metrics_family(o, name, "gauge", help);
	metrics_sample(o, name, value, NULL);
}

void metrics_counter(struct metrics_out *o, const char *name, const char *help,
		     uint64_t value)
{
	metrics_family(o, name, "counter", help);
	metrics_sample(o, name, value, NULL);
}

void metrics_seconds(struct metrics_out *o, const char *name, const char *help,
		     double value)
{
	metrics_family(o, name, "gauge", help);
	metrics_sample_float(o, name, value, NULL);
}
