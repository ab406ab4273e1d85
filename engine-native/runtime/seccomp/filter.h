/* The default system call filter: compiled for a capability set from the table that generate.c made, and
 * loaded right before execve. Called by the shim for pid 1 and for every exec. Never uses libseccomp:
 * building its tree at run time costs 1.2 to 14 ms, this costs a few microseconds. */
#ifndef SECCOMP_FILTER_H
#define SECCOMP_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum seccomp_rule { RULE_NONE, RULE_CLONE, RULE_SOCKET, RULE_PERSONALITY };

struct seccomp_entry {
    uint16_t nr;
    uint8_t rule;
    uint64_t caps; /* 0: always allowed; else allowed with any of these */
};

#define SECCOMP_MAX_INSNS 1024

/* Writes the filter for `caps` (bit mask of the capabilities the process may hold) and returns its length. */
size_t seccomp_compile(uint64_t caps, struct sock_filter out[SECCOMP_MAX_INSNS]);

/* Loads the filter into this thread. Returns 0, or -1 with errno. Needs no_new_privs or CAP_SYS_ADMIN. */
int seccomp_load(uint64_t caps);

#endif
