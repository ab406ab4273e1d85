/* Names that the spec uses for the kernel's numbers. Used by spec.c only. */
#pragma once

#include <stdbool.h>

/* "CAP_CHOWN" to its number; -1 when the kernel headers know no such capability. */
int capability_by_name(const char *name);

/* "nofile" (or "RLIMIT_NOFILE") to its number; -1 when unknown. */
int rlimit_by_name(const char *name);

/* "nofile" of its number; NULL when unknown. */
const char *rlimit_name(int resource);

/* Sysctls outside net.* that an ipc namespace confines. */
bool sysctl_is_ipc(const char *name);

/* Without "CAP_"; NULL behind the last. */
const char *capability_name(int capability);
