/* Unpacking a layer: a tar stream becomes files below one folder, whiteouts in the form overlayfs reads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "place.h"
#include "tar_read.h"

struct untar_options {
    int64_t owner_uid, owner_gid; /* < 0: as the archive says */
    bool has_mtime;
    int64_t mtime;
    uint64_t max_bytes, max_files; /* 0 = no limit */
    unsigned strip;                /* leading components cut off every name */
    bool fresh_root; /* the root was made for this: it gets owner and time like any other folder */
    bool plain; /* files for a container, not a layer: whiteout names mean nothing, a leading "/" is cut off,
                 * the root and folders that are there already stay as they are where the archive does not
                 * name them */
    bool stay_beneath;  /* plain: a link that leads out of the root refuses the archive instead of ending at
                           the root */
    bool root_metadata; /* plain: an entry of the root sets its owner and mode */
    bool no_swap;       /* plain: a folder and something else never replace each other */
    uint32_t id_limit;  /* plain: owners from here on become root, 0 = no limit */
    bool skip_devices;  /* other people's layers: leave device nodes out, cut a leading / off, instead of
                           refusing */
};

struct untar_result {
    uint64_t bytes, files;
};

/* Reads to the end of the stream. -1: bad_request for what the archive does wrong, no_space for a full disk;
 * the half-made tree is the caller's to remove. */
int untar(struct tar_reader *reader, int root, const struct untar_options *options,
          struct untar_result *result, struct err *err);
