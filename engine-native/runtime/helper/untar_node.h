/* One entry of an archive becomes one node on disk. */
#pragma once

#include "place.h"
#include "tar_read.h"

/* entry->path is cleaned; its device kind has been allowed. Whiteout names become overlayfs's own marks. */
int untar_node(struct tar_reader *reader, struct place *place, const struct tar_entry *entry,
               struct err *err);
