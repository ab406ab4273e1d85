/* The network half of the engine tests' guest: a server of one line and a client with a limit. Static, put
 * into the test image as /net by engine-harness.ts. net listen PORT TEXT     answers every connection with
 * TEXT net get ADDRESS PORT     prints what came, or the error; gives up after a second net resolve NAME TYPE
 * asks the first server of /etc/resolv.conf for addresses (1, 28) or a name (12) net serve-dns ADDRESS
 * answers every query on port 53 with that address */
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

static int udp_socket(void) {
    struct timeval limit = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static size_t put_query(unsigned char *out, const char *name, int type) {
    static const unsigned char head[12] = {'i', 'd', 1, 0, 0, 1};
    size_t at = sizeof(head);

    (void)memcpy(out, head, sizeof(head));
    while (*name) {
        size_t label = strcspn(name, ".");
        out[at++] = (unsigned char)label;
        (void)memcpy(out + at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    const unsigned char tail[5] = {0, 0, (unsigned char)type, 0, 1};
    (void)memcpy(out + at, tail, sizeof(tail));
    return at + sizeof(tail);
}

static void print_name(const unsigned char *at) {
    for (; *at && *at < 64; at += *at + 1)
        (void)printf("%.*s.", *at, at + 1);
}

/* Every answer behind a question of `asked` bytes; owners are pointers, as berth-dns writes them. */
static void print_answers(const unsigned char *message, size_t asked) {
    const unsigned char *at = message + asked;
    char text[INET6_ADDRSTRLEN];

    for (int left = message[6] << 8 | message[7]; left > 0; left--) {
        int type = at[2] << 8 | at[3], size = at[10] << 8 | at[11];
        (void)printf(" ");
        if (type == 12)
            print_name(at + 12);
        else
            (void)printf("%s", inet_ntop(type == 1 ? AF_INET : AF_INET6, at + 12, text, sizeof(text)));
        at += 12 + size;
    }
}

static int resolve(const char *name, int type) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
    unsigned char message[2048] = {0};
    char line[256], address[64];
    FILE *file = fopen("/etc/resolv.conf", "re");
    int fd = udp_socket();

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "nameserver %63s", address) == 1 &&
            inet_pton(AF_INET, address, &server.sin_addr) == 1)
            break;
    size_t asked = put_query(message, name, type);
    if (connect(fd, (struct sockaddr *)&server, sizeof(server)) || send(fd, message, asked, 0) < 0 ||
        recv(fd, message, sizeof(message), 0) < 12) {
        (void)printf("%s: no answer: %s\n", name, strerror(errno));
        return 1;
    }
    (void)printf("%s: code %d", name, message[3] & 15);
    print_answers(message, asked);
    (void)printf("\n");
    return 0;
}

static int serve_dns(const char *address) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(53)}, peer;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&own, sizeof(own)))
        return 1;
    (void)printf("serving\n");
    (void)fflush(stdout);
    for (;;) {
        static const unsigned char record[12] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4};
        unsigned char message[1024];
        socklen_t len = sizeof(peer);
        ssize_t size = recvfrom(fd, message, 512, 0, (struct sockaddr *)&peer, &len);
        if (size < 17)
            continue;
        message[2] |= 0x80;
        message[7] = 1;
        (void)memcpy(message + size, record, sizeof(record));
        (void)inet_pton(AF_INET, address, message + size + sizeof(record));
        (void)sendto(fd, message, (size_t)size + sizeof(record) + 4, 0, (struct sockaddr *)&peer, len);
    }
}

int main(int argc, char **argv) {
    (void)signal(SIGTERM, _exit);
    if (argc == 4 && strcmp(argv[1], "listen") == 0)
        return listen_on(atoi(argv[2]), argv[3]);
    if (argc == 4 && strcmp(argv[1], "get") == 0)
        return get(argv[2], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "resolve") == 0)
        return resolve(argv[2], atoi(argv[3]));
    if (argc == 3 && strcmp(argv[1], "serve-dns") == 0)
        return serve_dns(argv[2]);
    (void)fprintf(stderr,
                  "usage: net listen PORT TEXT | get ADDRESS PORT | resolve NAME TYPE | serve-dns ADDRESS\n");
    return 2;
}
