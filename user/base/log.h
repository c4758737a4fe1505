/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines to stderr with journald priorities ("<4>text") where stderr is
 * not a terminal. Only the agent and the CLI log; lower layers return -errno
 * or a diagnostic.
 */
#ifndef MOAT_LOG_H
#define MOAT_LOG_H

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A text of several lines, such as diagnostics: each is a line of the log. */
void log_lines(enum log_level level, const char *text);
/* Logs at error level and returns err, for `return log_error(err, ...)`. */
int log_error(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
