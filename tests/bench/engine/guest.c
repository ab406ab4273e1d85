/* The one program of the benchmark's image: `true` ends at once, `sleep` waits for a signal, `fill PATH MIB` writes a
 * file. Static, so that what is measured is the engine and not a dynamic linker. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stop(int signal) {
    (void)signal;
    _exit(0);
}

static int fill(const char *path, long mebibytes) {
    static char block[1 << 20];
    unsigned long state = 88172645463325252UL;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0)
        return 1;
    for (long i = 0; i < mebibytes; i++) {
        /* Half noise, half repetition: it compresses about as well as a program does. */
        for (size_t at = 0; at < sizeof block / 2; at += 8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            memcpy(block + at, &state, 8);
        }
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

    if (strcmp(name, "true") == 0)
        return 0;
    if (strcmp(name, "fill") == 0 && argc == 3)
        return fill(argv[1], atol(argv[2]));
    (void)signal(SIGTERM, stop);
    (void)pause();
    return 0;
}
