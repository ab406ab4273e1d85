/* The tar block: POSIX.1-2008 ustar with PAX, and what GNU tar adds. Shared by the reader and the writer. */
#pragma once

#include <stdint.h>

#define TAR_BLOCK 512

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
        version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");

/* Sum of all bytes with the checksum field taken as spaces. */
unsigned tar_checksum(const struct tar_header *header);
