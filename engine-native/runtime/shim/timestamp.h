/* RFC 3339 with nanoseconds, UTC: "2026-01-02T03:04:05.123456789Z". */
#pragma once

#include <time.h>

#define TIMESTAMP_SIZE 96 /* what the compiler thinks the widest fields need; 31 in fact */

void timestamp_format(const struct timespec *time, char out[TIMESTAMP_SIZE]);
