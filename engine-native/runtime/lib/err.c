/* The error struct: codes, their names, and one-line messages. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [ERR_NONE] = "none",
    [ERR_BAD_REQUEST] = "bad_request",
    [ERR_NOT_FOUND] = "not_found",
    [ERR_EXISTS] = "exists",
    [ERR_NO_SPACE] = "no_space",
    [ERR_PERMISSION] = "permission",
    [ERR_UNSUPPORTED] = "unsupported",
    [ERR_CGROUP] = "cgroup",
    [ERR_NETWORK] = "network",
    [ERR_PORT_IN_USE] = "port_in_use",
    [ERR_IMAGE_USER] = "image_user",
    [ERR_EXEC_NOT_FOUND] = "exec_not_found",
    [ERR_EXEC_NOT_EXECUTABLE] = "exec_not_executable",
    [ERR_INTERNAL] = "internal",
};

const char *err_code_name(enum err_code code) {
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "internal";
}

enum err_code err_code_from_name(const char *name) {
    for (unsigned i = 1; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return (enum err_code)i;
    return ERR_INTERNAL;
}

enum err_code err_code_from_errno(int errnum) {
    switch (errnum) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case EPERM:
    case EACCES:
    case EROFS:
        return ERR_PERMISSION;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERR_UNSUPPORTED;
    default:
        return ERR_INTERNAL;
    }
}

static void flatten(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

__attribute__((format(printf, 4, 0))) static void say(struct err *err, enum err_code code, const char *suffix,
                                                      const char *format, va_list args) {
    err->code = code;
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    if (suffix && n >= 0 && (size_t)n < sizeof err->message)
        (void)snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", suffix);
    flatten(err->message);
}

int err_set(struct err *err, enum err_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(err, code, NULL, format, args);
    va_end(args);
    return -1;
}

int err_sys(struct err *err, int errnum, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(err, err_code_from_errno(errnum), strerror(errnum), format, args);
    va_end(args);
    return -1;
}

int err_sys_as(struct err *err, enum err_code code, int errnum, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(err, code, strerror(errnum), format, args);
    va_end(args);
    return -1;
}

int err_wrap(struct err *err, const char *format, ...) {
    struct err inner = *err;
    va_list args;
    va_start(args, format);
    say(err, inner.code, inner.message, format, args);
    va_end(args);
    return -1;
}
