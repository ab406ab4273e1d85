/* Can the file system that holds the layers be mounted idmapped? Asked once, by hello. */
#pragma once

#include <stdbool.h>

bool idmap_works(const char *folder);
