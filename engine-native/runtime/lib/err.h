/* What failed, apart from how it is said: a code from PROTOCOL.md's closed list and one line that names the
 * thing in quotes. Every function that can fail takes a `struct err *` and returns -1 (or NULL) with it set.
 * Nothing in lib/ prints; only a main.c does. */
#pragma once

#include <stdarg.h>

enum err_code {
    ERR_NONE = 0,
    ERR_BAD_REQUEST,
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_NO_SPACE,
    ERR_PERMISSION,
    ERR_UNSUPPORTED,
    ERR_CGROUP,
    ERR_NETWORK,
    ERR_PORT_IN_USE,
    ERR_IMAGE_USER,
    ERR_EXEC_NOT_FOUND,
    ERR_EXEC_NOT_EXECUTABLE,
    ERR_INTERNAL,
};

struct err {
    enum err_code code;
    char message[1024];
};

/* Both return -1, so that a failing path reads `return err_set(err, …)`. Line breaks and control bytes in the
 * result become spaces: the message is one line whatever a file was called. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with ": <text of errnum>" behind it; the code comes from errnum (ENOSPC is no_space, ENOENT
 * not_found, EACCES permission, …, anything else internal). */
int err_sys(struct err *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As err_sys, but the caller knows the code better than errnum does. */
int err_sys_as(struct err *err, enum err_code code, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts a context in front of a message that is already set: "<context>: <message>". Returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *err_code_name(enum err_code code);
enum err_code err_code_from_name(const char *name);
enum err_code err_code_from_errno(int errnum);
