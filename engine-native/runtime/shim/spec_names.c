/* Tables of capability, rlimit and sysctl names. */
#include "spec_names.h"

#include "spec.h"

#include <ctype.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const capabilities[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};
_Static_assert(COUNT(capabilities) == CAP_CHECKPOINT_RESTORE + 1,
               "one name a capability, in the kernel's order");

int capability_by_name(const char *name) {
    if (strncmp(name, "CAP_", 4) == 0)
        name += 4;
    for (size_t i = 0; i < COUNT(capabilities); i++)
        if (strcmp(capabilities[i], name) == 0)
            return (int)i;
    return -1;
}

const char *capability_name(int capability) {
    return capability >= 0 && (size_t)capability < COUNT(capabilities) ? capabilities[capability] : NULL;
}

uint64_t spec_all_capabilities(void) {
    return (1ULL << COUNT(capabilities)) - 1;
}

static const struct {
    const char *name;
    int resource;
} limits[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

int rlimit_by_name(const char *name) {
    if (strncasecmp(name, "RLIMIT_", 7) == 0)
        name += 7;
    for (size_t i = 0; i < COUNT(limits); i++)
        if (strcasecmp(limits[i].name, name) == 0)
            return limits[i].resource;
    return -1;
}

const char *rlimit_name(int resource) {
    for (size_t i = 0; i < COUNT(limits); i++)
        if (limits[i].resource == resource)
            return limits[i].name;
    return NULL;
}

bool sysctl_is_ipc(const char *name) {
    static const char *const names[] = {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return strncmp(name, "fs.mqueue.", 10) == 0;
}
