/* What another OCI runtime reads: its bundle's config.json, and the process.json of an exec. The daemon has
 * written most of it (spec->runtime.config); the shim adds what it alone knows: the user's numbers, which are
 * in the image, and the system call policy. Never touches the system. */
#pragma once

#include <stdbool.h>

#include "../lib/json.h"
#include "identity.h"
#include "spec.h"

void foreign_put_config(struct json_out *out, const struct spec *spec, const struct identity *identity);
void foreign_put_process(struct json_out *out, const struct spec *spec, const struct process_spec *process,
                         const struct identity *identity, bool privileged);

/* The last error in what a runtime has written to its --log (JSON lines, or any text): at most size - 1
 * bytes. "" when there is none. */
void foreign_last_error(const char *log, size_t len, char *message, size_t size);
