/* The network half of the engine tests' guest: small servers, and clients with a limit. Static, put into the
 * test image as /net by engine-harness.ts.
 * - listen PORT TEXT: answers every connection with TEXT, or for "peer" with the address it came from
 * - udp-listen PORT TEXT: the same for datagrams
 * - echo PORT: gives one connection after the other its own bytes back
 * - get|udp-get ADDRESS PORT: prints what came, or the error; gives up after a second
 * - chat ADDRESS PORT: sends its input line by line over one connection and prints the answers
 * - resolve NAME TYPE: asks the first server of /etc/resolv.conf for addresses (1, 28) or a name (12)
 * - ask SERVER NAME TYPE: the same of a server
 * - count: prints 1, 2, 3 and so on, a number a line, until it is killed; some ten thousand a second
 * - serve-dns ADDRESS: answers every query on port 53 with that address */
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

/* An IPv4 or IPv6 address with a port; its length, or 0. */
static socklen_t address_of(const char *host, int port, struct sockaddr_storage *storage) {
    struct sockaddr_in *four = (struct sockaddr_in *)storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;

    (void)memset(storage, 0, sizeof(*storage));
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((unsigned short)port);
        return sizeof(*four);
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
        return 0;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((unsigned short)port);
    return sizeof(*six);
}

/* For both families, where the kernel has both. */
static int bound_socket(int kind, int port) {
    struct sockaddr_storage address;
    int on = 1, off = 0;
    int fd = socket(AF_INET6, kind | SOCK_CLOEXEC, 0);
    socklen_t len = address_of(fd < 0 ? "0.0.0.0" : "::", port, &address);

    if (fd < 0)
        fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, len) || (kind == SOCK_STREAM && listen(fd, 64))) {
        perror("listen");
        exit(1);
    }
    (void)printf("listening\n");
    (void)fflush(stdout);
    return fd;
}

/* TEXT, or for "peer" the address that the other side is seen under. */
static const char *answer_to(const char *text, const struct sockaddr_storage *peer) {
    static char name[INET6_ADDRSTRLEN];

    if (strcmp(text, "peer") != 0)
        return text;
    if (peer->ss_family == AF_INET)
        return inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, name, sizeof(name));
    (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, name, sizeof(name));
    return strncmp(name, "::ffff:", 7) == 0 ? name + 7 : name;
}

static int listen_on(int port, const char *text) {
    int fd = bound_socket(SOCK_STREAM, port);

    for (;;) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int one = accept(fd, (struct sockaddr *)&peer, &len);
        if (one < 0)
            continue;
        const char *answer = answer_to(text, &peer);
        (void)!write(one, answer, strlen(answer));
        (void)close(one);
    }
}

/* Answers one connection after the other with what it sends. */
static int echo_on(int port) {
    int fd = bound_socket(SOCK_STREAM, port);

    for (;;) {
        char buffer[256];
        int one = accept(fd, NULL, NULL);
        for (ssize_t n; one >= 0 && (n = read(one, buffer, sizeof(buffer))) > 0;)
            (void)!write(one, buffer, (size_t)n);
        (void)close(one);
    }
}

static int count(void) {
    for (unsigned long i = 1;; i++) {
        (void)printf("%lu\n", i);
        if (i % 100 != 0)
            continue;
        (void)fflush(stdout);
        (void)usleep(10000);
    }
}

static int udp_listen_on(int port, const char *text) {
    int fd = bound_socket(SOCK_DGRAM, port);

    for (;;) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        char buffer[256];
        if (recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &len) < 0)
            continue;
        const char *answer = answer_to(text, &peer);
        (void)sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&peer, len);
    }
}

static int connected(const char *host, int port, int kind) {
    struct sockaddr_storage address;
    struct timeval second = {.tv_sec = 1};
    socklen_t len = address_of(host, port, &address);
    int fd = socket(address.ss_family, kind | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    if (connect(fd, (struct sockaddr *)&address, len) == 0)
        return fd;
    (void)printf("no connection: %s\n", strerror(errno));
    exit(1);
}

static int get(const char *host, int port, int kind) {
    char buffer[256];
    int fd = connected(host, port, kind);

    if (kind == SOCK_DGRAM)
        (void)send(fd, "?", 1, 0);
    ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0) {
        (void)printf("no connection: %s\n", strerror(errno));
        return 1;
    }
    (void)printf("got %.*s\n", n > 0 ? (int)n : 0, buffer);
    return 0;
}

/* One connection for every line of its input. */
static int chat(const char *host, int port, int kind) {
    char line[256], answer[256];
    int fd = connected(host, port, kind);
    struct timeval patient = {.tv_sec = kind == SOCK_DGRAM ? 1 : 5};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof(patient));
    (void)printf("connected\n");
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        ssize_t n = -1;
        for (int tries = kind == SOCK_DGRAM ? 3 : 1; n < 0 && tries > 0; tries--) /* a datagram may be lost */
            n = write(fd, line, strlen(line)) < 0 ? -1 : read(fd, answer, sizeof(answer));
        if (n <= 0)
            return 1;
        (void)printf("%.*s", (int)n, answer);
        (void)fflush(stdout);
    }
    return 0;
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

/* Every answer behind a question of `asked` bytes; owners are pointers, as
 * berth-dns writes them. */
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

static int ask(const char *server, const char *name, int type) {
    struct timeval patient = {.tv_sec = 3};
    unsigned char message[2048] = {0};
    int fd = connected(server, 53, SOCK_DGRAM);
    size_t asked = put_query(message, name, type);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof(patient));
    if (send(fd, message, asked, 0) < 0 || recv(fd, message, sizeof(message), 0) < 12) {
        (void)printf("%s: no answer: %s\n", name, strerror(errno));
        return 1;
    }
    (void)printf("%s: code %d", name, message[3] & 15);
    print_answers(message, asked);
    (void)printf("\n");
    return 0;
}

static int resolve(const char *name, int type) {
    char line[256], server[64] = "127.0.0.1";
    FILE *file = fopen("/etc/resolv.conf", "re");

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "nameserver %63s", server) == 1)
            break;
    return ask(server, name, type);
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
        return get(argv[2], atoi(argv[3]), SOCK_STREAM);
    if (argc == 4 && strcmp(argv[1], "udp-listen") == 0)
        return udp_listen_on(atoi(argv[2]), argv[3]);
    if (argc == 4 && strcmp(argv[1], "udp-get") == 0)
        return get(argv[2], atoi(argv[3]), SOCK_DGRAM);
    if (argc == 2 && strcmp(argv[1], "count") == 0)
        return count();
    if (argc == 3 && strcmp(argv[1], "echo") == 0)
        return echo_on(atoi(argv[2]));
    if (argc == 4 && strcmp(argv[1], "chat") == 0)
        return chat(argv[2], atoi(argv[3]), SOCK_STREAM);
    if (argc == 4 && strcmp(argv[1], "udp-chat") == 0)
        return chat(argv[2], atoi(argv[3]), SOCK_DGRAM);
    if (argc == 4 && strcmp(argv[1], "resolve") == 0)
        return resolve(argv[2], atoi(argv[3]));
    if (argc == 5 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], argv[3], atoi(argv[4]));
    if (argc == 3 && strcmp(argv[1], "serve-dns") == 0)
        return serve_dns(argv[2]);
    (void)fprintf(stderr, "usage: see the head of netguest.c\n");
    return 2;
}
