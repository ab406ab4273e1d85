/* The default policy of facts.h once more, as the OCI runtime spec's linux.seccomp: for containers that
 * another runtime than ours confines. */
#pragma once

#include <stdint.h>

#include "../lib/json.h"

/* Writes the object for a process that may hold `caps`. */
void seccomp_put_default_profile(struct json_out *out, uint64_t caps);
