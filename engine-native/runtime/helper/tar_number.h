/* Numbers in tar headers and PAX records. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* An octal field (spaces and NULs around it), or GNU's base-256. 0 or -1. */
int tar_number(const char *field, size_t len, int64_t *out);

/* A PAX decimal without a fraction, 0..max. */
int pax_unsigned(const char *text, size_t len, uint64_t max, uint64_t *out);

/* A PAX time: "-12.5" and the like; rounds towards the past. */
int pax_time(const char *text, size_t len, int64_t *seconds, uint32_t *ns);
