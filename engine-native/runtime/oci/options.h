/* The command line of berth-runtime, as runc's: options before the command are global, those behind it the
 * command's, and after its first argument nothing is an option any more. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"

enum { LOG_TEXT, LOG_JSON };

struct options {
    const char *root, *log;
    int log_format;
    bool systemd, debug;
    const char *command;
    /* of the command */
    const char *bundle, *pid_file, *console_socket, *process_file, *cwd, *user, *format, *resources_file;
    bool no_pivot, no_new_keyring, detach, tty, force, all, quiet, stats, keep, no_new_privileges;
    int interval_s, preserved_fds;
    char **env, **capabilities, **groups; /* NULL-terminated; the words of -e, --cap and -g */
    struct limit_option {
        const char *group, *key, *value; /* of `update`: member of linux.resources */
    } limits[16];
    int limit_count;
    char **args; /* what is left: the id first */
    int arg_count;
};

/* bad_request says which word is not understood. */
int options_parse(int argc, char **argv, struct options *options, struct err *err);
