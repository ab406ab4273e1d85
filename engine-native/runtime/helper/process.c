/* After fork: descriptors, signals, name, priority. */
#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void close_all_except(const int *keep, size_t count) {
    for (unsigned from = 3;;) {
        unsigned next = ~0u;
        for (size_t i = 0; i < count; i++)
            if (keep[i] >= (int)from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next > from)
            (void)syscall(SYS_close_range, from, next == ~0u ? ~0u : next - 1, 0);
        if (next == ~0u)
            return;
        from = next + 1;
    }
}

void process_become_worker(const char *name, const int *keep, size_t count, int nice_value) {
    char title[16];
    sigset_t none;
    struct rlimit files;
    close_all_except(keep, count);
    (void)sigemptyset(&none);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)snprintf(title, sizeof title, "bh:%s", name);
    (void)prctl(PR_SET_NAME, title);
    /* A tree walk holds one descriptor a level. Only here: a shim started by the loop keeps the usual soft
     * limit. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (nice_value)
        (void)setpriority(PRIO_PROCESS, 0, nice_value);
}
