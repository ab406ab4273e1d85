/* The network half of the engine tests' guest: a server of one line and a client with a limit. Static, put into the
 * test image as /net by engine-harness.ts.
 *   net listen PORT TEXT     answers every connection with TEXT
 *   net get ADDRESS PORT     prints what came, or the error; gives up after a second */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int listen_on(int port, const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64)) {
        perror("listen");
        return 1;
    }
    (void)printf("listening\n");
    (void)fflush(stdout);
    for (;;) {
        int peer = accept(fd, NULL, NULL);
        if (peer < 0)
            continue;
        (void)!write(peer, text, strlen(text));
        (void)close(peer);
    }
}

static int get(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct timeval second = {.tv_sec = 1};
    char buffer[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)inet_pton(AF_INET, host, &address.sin_addr);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        (void)printf("no connection: %s\n", strerror(errno));
        return 1;
    }
    ssize_t n = read(fd, buffer, sizeof(buffer));
    (void)printf("got %.*s\n", n > 0 ? (int)n : 0, buffer);
    return 0;
}

int main(int argc, char **argv) {
    (void)signal(SIGTERM, _exit);
    if (argc == 4 && strcmp(argv[1], "listen") == 0)
        return listen_on(atoi(argv[2]), argv[3]);
    if (argc == 4 && strcmp(argv[1], "get") == 0)
        return get(argv[2], atoi(argv[3]));
    (void)fprintf(stderr, "usage: net listen PORT TEXT | net get ADDRESS PORT\n");
    return 2;
}
