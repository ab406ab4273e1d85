/* See options.h. */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROOT "/run/berth-runtime"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Long options are known to every command; which of them a command takes is in `takes` of commands[]. */
enum {
    OPT_BUNDLE = 'b',
    OPT_PROCESS = 'p',
    OPT_TTY = 't',
    OPT_DETACH = 'd',
    OPT_USER = 'u',
    OPT_ENV = 'e',
    OPT_ALL = 'a',
    OPT_FORCE = 'f',
    OPT_QUIET = 'q',
    OPT_GROUPS = 'g',
    OPT_CAP = 'c',
    OPT_RESOURCES = 'r',
    OPT_PID_FILE = 256,
    OPT_CONSOLE_SOCKET,
    OPT_CWD,
    OPT_NO_PIVOT,
    OPT_NO_NEW_KEYRING,
    OPT_PRESERVE_FDS,
    OPT_FORMAT,
    OPT_STATS,
    OPT_INTERVAL,
    OPT_KEEP,
    OPT_NO_NEW_PRIVS,
    OPT_IGNORED_FLAG,
    OPT_IGNORED_VALUE,
    OPT_LIMIT,
};

static const struct {
    const char *option, *group, *key;
} limit_names[] = {
    {"memory", "memory", "limit"},     {"memory-reservation", "memory", "reservation"},
    {"memory-swap", "memory", "swap"}, {"pids-limit", "pids", "limit"},
    {"cpu-share", "cpu", "shares"},    {"cpu-shares", "cpu", "shares"},
    {"cpu-quota", "cpu", "quota"},     {"cpu-burst", "cpu", "burst"},
    {"cpu-period", "cpu", "period"},   {"cpuset-cpus", "cpu", "cpus"},
    {"cpuset-mems", "cpu", "mems"},    {"blkio-weight", "blockIO", "weight"},
};

static const struct option command_options[] = {
    {"bundle", required_argument, NULL, OPT_BUNDLE},
    {"pid-file", required_argument, NULL, OPT_PID_FILE},
    {"console-socket", required_argument, NULL, OPT_CONSOLE_SOCKET},
    {"process", required_argument, NULL, OPT_PROCESS},
    {"cwd", required_argument, NULL, OPT_CWD},
    {"user", required_argument, NULL, OPT_USER},
    {"env", required_argument, NULL, OPT_ENV},
    {"cap", required_argument, NULL, OPT_CAP},
    {"additional-gids", required_argument, NULL, OPT_GROUPS},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"preserve-fds", required_argument, NULL, OPT_PRESERVE_FDS},
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"resources", required_argument, NULL, OPT_RESOURCES},
    {"apparmor", required_argument, NULL, OPT_IGNORED_VALUE},
    {"process-label", required_argument, NULL, OPT_IGNORED_VALUE},
    {"tty", no_argument, NULL, OPT_TTY},
    {"detach", no_argument, NULL, OPT_DETACH},
    {"no-pivot", no_argument, NULL, OPT_NO_PIVOT},
    {"no-new-keyring", no_argument, NULL, OPT_NO_NEW_KEYRING},
    {"no-subreaper", no_argument, NULL, OPT_IGNORED_FLAG},
    {"no-new-privs", no_argument, NULL, OPT_NO_NEW_PRIVS},
    {"force", no_argument, NULL, OPT_FORCE},
    {"all", no_argument, NULL, OPT_ALL},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"stats", no_argument, NULL, OPT_STATS},
    {"keep", no_argument, NULL, OPT_KEEP},
    {"memory", required_argument, NULL, OPT_LIMIT},
    {"memory-reservation", required_argument, NULL, OPT_LIMIT},
    {"memory-swap", required_argument, NULL, OPT_LIMIT},
    {"pids-limit", required_argument, NULL, OPT_LIMIT},
    {"cpu-share", required_argument, NULL, OPT_LIMIT},
    {"cpu-shares", required_argument, NULL, OPT_LIMIT},
    {"cpu-quota", required_argument, NULL, OPT_LIMIT},
    {"cpu-burst", required_argument, NULL, OPT_LIMIT},
    {"cpu-period", required_argument, NULL, OPT_LIMIT},
    {"cpuset-cpus", required_argument, NULL, OPT_LIMIT},
    {"cpuset-mems", required_argument, NULL, OPT_LIMIT},
    {"blkio-weight", required_argument, NULL, OPT_LIMIT},
    {NULL, 0, NULL, 0},
};

/* The words of a command that are options of it. An option of another command is a mistake, not something to
 * ignore. */
static const struct {
    const char *command, *takes;
} commands[] = {
    {"create", " bundle console-socket pid-file no-pivot no-new-keyring preserve-fds "},
    {"run", " bundle console-socket pid-file no-pivot no-new-keyring preserve-fds detach keep no-subreaper "},
    {"start", " "},
    {"state", " "},
    {"kill", " all "},
    {"delete", " force "},
    {"exec", " process tty detach user env cwd pid-file console-socket cap additional-gids no-new-privs "
             "preserve-fds apparmor process-label no-subreaper "},
    {"ps", " format "},
    {"list", " format quiet "},
    {"features", " "},
    {"pause", " "},
    {"resume", " "},
    {"update",
     " resources memory memory-reservation memory-swap pids-limit cpu-share cpu-shares cpu-quota cpu-burst "
     "cpu-period cpuset-cpus cpuset-mems blkio-weight "},
    {"events", " stats interval "},
};

static const char *takes(const char *command) {
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i].command, command) == 0)
            return commands[i].takes;
    return NULL;
}

static bool is_taken(const char *list, const char *name) {
    size_t len = strlen(name);

    for (const char *found = list; (found = strstr(found, name)); found += len)
        if (found[-1] == ' ' && found[len] == ' ')
            return true;
    return false;
}

static const char *long_name(int value) {
    for (const struct option *o = command_options; o->name; o++)
        if (o->val == value)
            return o->name;
    return "";
}

static int add_word(char ***list, char *word, struct err *err) {
    size_t n = 0;

    while (*list && (*list)[n])
        n++;
    char **more = realloc(*list, (n + 2) * sizeof(char *));
    if (!more)
        return err_set(err, ERR_INTERNAL, "out of memory");
    more[n] = word;
    more[n + 1] = NULL;
    *list = more;
    return 0;
}

static int add_limit(struct options *o, const char *name, struct err *err) {
    for (size_t i = 0; i < COUNT(limit_names); i++) {
        if (strcmp(limit_names[i].option, name) != 0 || o->limit_count == (int)COUNT(o->limits))
            continue;
        o->limits[o->limit_count++] = (struct limit_option){limit_names[i].group, limit_names[i].key, optarg};
        return 0;
    }
    return err_set(err, ERR_BAD_REQUEST, "option \"--%s\" cannot be given again", name);
}

static int parse_count(const char *text, int *out, struct err *err) {
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || (*end && strcmp(end, "s") != 0) || value < 0 || value > 1 << 20)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is no number", text);
    *out = (int)value;
    return 0;
}

static bool take_flag(struct options *o, int option) {
    switch (option) {
    case OPT_TTY:
        return o->tty = true;
    case OPT_DETACH:
        return o->detach = true;
    case OPT_NO_PIVOT:
        return o->no_pivot = true;
    case OPT_NO_NEW_KEYRING:
        return o->no_new_keyring = true;
    case OPT_NO_NEW_PRIVS:
        return o->no_new_privileges = true;
    case OPT_FORCE:
        return o->force = true;
    case OPT_ALL:
        return o->all = true;
    case OPT_QUIET:
        return o->quiet = true;
    case OPT_STATS:
        return o->stats = true;
    case OPT_KEEP:
        return o->keep = true;
    default:
        return option == OPT_IGNORED_FLAG || option == OPT_IGNORED_VALUE;
    }
}

static const char **value_of(struct options *o, int option) {
    switch (option) {
    case OPT_BUNDLE:
        return &o->bundle;
    case OPT_PID_FILE:
        return &o->pid_file;
    case OPT_CONSOLE_SOCKET:
        return &o->console_socket;
    case OPT_PROCESS:
        return &o->process_file;
    case OPT_CWD:
        return &o->cwd;
    case OPT_USER:
        return &o->user;
    case OPT_FORMAT:
        return &o->format;
    case OPT_RESOURCES:
        return &o->resources_file;
    default:
        return NULL;
    }
}

static int take_option(struct options *o, int option, const char *name, struct err *err) {
    const char **value = value_of(o, option);

    if (value) {
        *value = optarg;
        return 0;
    }
    switch (option) {
    case OPT_ENV:
        return add_word(&o->env, optarg, err);
    case OPT_CAP:
        return add_word(&o->capabilities, optarg, err);
    case OPT_GROUPS:
        return add_word(&o->groups, optarg, err);
    case OPT_PRESERVE_FDS:
        return parse_count(optarg, &o->preserved_fds, err);
    case OPT_INTERVAL:
        return parse_count(optarg, &o->interval_s, err);
    case OPT_LIMIT:
        return add_limit(o, name, err);
    default:
        return take_flag(o, option) ? 0 : err_set(err, ERR_BAD_REQUEST, "unknown option");
    }
}

static int parse_command(int argc, char **argv, struct options *o, struct err *err) {
    const char *list = takes(argv[0]);
    const char *short_options = "+b:p:tdu:e:afqg:c:r:";
    int option, index;

    if (!list)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is no command; see berth-runtime --help", argv[0]);
    o->command = argv[0];
    o->interval_s = 5;
    /* -f is --force, and --format where there is a format. */
    bool has_format = is_taken(list, "format");
    if (has_format)
        short_options = "+af:q";
    optind = 0;
    opterr = 0;
    while (index = -1, (option = getopt_long(argc, argv, short_options, command_options, &index)) != -1) {
        option = option == OPT_FORCE && has_format ? OPT_FORMAT : option;
        const char *name = index >= 0 ? command_options[index].name : long_name(option);
        if (option == '?' || option == ':')
            return err_set(err, ERR_BAD_REQUEST,
                           "flag provided but not defined, or without its value: \"%s\"",
                           argv[optind > 1 ? optind - 1 : 1]);
        if (!is_taken(list, name))
            return err_set(err, ERR_BAD_REQUEST, "\"%s\" has no option \"--%s\"", argv[0], name);
        if (take_option(o, option, name, err))
            return -1;
    }
    o->args = argv + optind;
    o->arg_count = argc - optind;
    return 0;
}

static int set_log_format(struct options *o, const char *name, struct err *err) {
    if (strcmp(name, "json") != 0 && strcmp(name, "text") != 0)
        return err_set(err, ERR_BAD_REQUEST, "log format \"%s\" is not text or json", name);
    o->log_format = name[0] == 'j' ? LOG_JSON : LOG_TEXT;
    return 0;
}

int options_parse(int argc, char **argv, struct options *o, struct err *err) {
    static const struct option global[] = {
        {"root", required_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'},
        {"log-format", required_argument, NULL, 'f'},
        {"log-level", required_argument, NULL, 'i'},
        {"criu", required_argument, NULL, 'i'},
        {"rootless", required_argument, NULL, 'i'},
        {"cgroup-manager", required_argument, NULL, 'm'},
        {"systemd-cgroup", no_argument, NULL, 's'},
        {"debug", no_argument, NULL, 'd'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *o = (struct options){.root = DEFAULT_ROOT};
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+vh", global, NULL)) != -1) {
        if (option == 'r')
            o->root = optarg;
        else if (option == 'l')
            o->log = optarg;
        else if (option == 'f' && set_log_format(o, optarg, err))
            return -1;
        else if (option == 's' || (option == 'm' && strcmp(optarg, "systemd") == 0))
            o->systemd = true;
        else if (option == 'd')
            o->debug = true;
        else if (option == 'v' || option == 'h')
            o->command = option == 'v' ? "version" : "help";
        else if (option == '?')
            return err_set(err, ERR_BAD_REQUEST, "flag provided but not defined: \"%s\"", argv[optind - 1]);
    }
    if (o->root[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "root \"%s\" must be an absolute path", o->root);
    if (o->command)
        return 0;
    if (optind == argc) {
        o->command = "help";
        return 0;
    }
    return parse_command(argc - optind, argv + optind, o, err);
}
