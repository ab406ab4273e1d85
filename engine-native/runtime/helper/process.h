/* What a process of the helper's must do to itself after fork. */
#pragma once

#include <stddef.h>

/* Closes every descriptor except 0–2 and `keep` (negative ones are skipped), undoes the loop's signal mask,
 * takes the name (`ps` shows which op runs) and the nice value. Must be the first call of a forked worker. */
void process_become_worker(const char *name, const int *keep, size_t count, int nice_value);

void close_all_except(const int *keep, size_t count);
