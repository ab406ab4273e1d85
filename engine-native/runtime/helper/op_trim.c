/* daemon.trim: gives back the memory of the daemon's code that only its start needed. Node maps 50 MB of its
 * binary while it starts and needs a fifth of that afterwards; what is touched again is read again. Pages
 * that another process maps too are left alone by the kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "helper.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* The range of a line of /proc/<pid>/maps ("from-to mode …") that shows a file and cannot be written. */
static bool is_file_of_code(const char *line, struct iovec *range) {
    char *dash, *space;
    unsigned long from = strtoul(line, &dash, 16);
    unsigned long to = *dash == '-' ? strtoul(dash + 1, &space, 16) : 0;

    if (to <= from || strncmp(space, " r-", 3) != 0 || !strchr(space, '/'))
        return false;
    range->iov_base = (void *)from; /* NOLINT(performance-no-int-to-ptr): an address in another process */
    range->iov_len = to - from;
    return true;
}

int op_daemon_trim(struct op_call *call, struct json_out *reply, struct err *err) {
    char path[32], line[4352];
    struct iovec range;
    uint64_t advised = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/maps", call->helper->daemon_pid);
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, call->helper->daemon_pid, 0);
    FILE *maps = pidfd < 0 ? NULL : fopen(path, "re");
    if (!maps)
        return err_sys(err, errno, "cannot look at the daemon's memory");
    while (fgets(line, sizeof line, maps)) {
        if (!is_file_of_code(line, &range))
            continue;
        long n = syscall(SYS_process_madvise, pidfd, &range, 1UL, MADV_PAGEOUT, 0U);
        if (n > 0)
            advised += (uint64_t)n;
    }
    (void)fclose(maps);
    json_put_uint(reply, "bytes", advised);
    return 0;
}
