/* See sealed.h. */
#include "sealed.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"

#ifndef MFD_ALLOW_SEALING
#define MFD_CLOEXEC 1U
#define MFD_ALLOW_SEALING 2U
#endif
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void sealed_run(const char *name, char **argv) {
    auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int seals = self < 0 ? -1 : fcntl(self, F_GET_SEALS); /* -1 also for a file on a disk */
    struct stat st;

    if (self < 0 || (seals >= 0 && (seals & F_SEAL_WRITE)) || fstat(self, &st))
        return;
    auto_close int copy = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    off_t offset = 0;
    while (copy >= 0 && offset < st.st_size)
        if (sendfile(copy, self, &offset, (size_t)(st.st_size - offset)) <= 0)
            return;
    if (copy < 0 || fcntl(copy, F_ADD_SEALS, ALL_SEALS))
        return;
    (void)syscall(SYS_execveat, copy, "", argv, environ, AT_EMPTY_PATH);
}
