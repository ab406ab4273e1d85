/* See timestamp.h. */
#include "timestamp.h"

#include <stdio.h>
#include <string.h>

void timestamp_format(const struct timespec *time, char out[TIMESTAMP_SIZE]) {
    struct tm tm;

    if (!gmtime_r(&time->tv_sec, &tm))
        memset(&tm, 0, sizeof(tm));
    (void)snprintf(out, TIMESTAMP_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, time->tv_nsec);
}
