/* Layers as the one tree their containers see: an overlay that only this process can reach, gone with it.
 * Used by tree.list and layer.copy, in workers. */
#pragma once

#include "helper.h"

/* `lower`: a JSON list of folders below ROOT or RUN, topmost first; may be empty when `upper` is given.
 * `upper` and `work` (both or neither): what is written goes there. Returns a descriptor of the root, or -1.
 * Every path must be looked up below it with RESOLVE_IN_ROOT. */
int merged_open(const struct helper *helper, const struct json *lower, const char *upper, const char *work,
                struct err *err);
