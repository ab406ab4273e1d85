/* See held_ports.h. */
#include "held_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/cleanup.h"

static int *held;
static size_t held_count;

void held_ports_close(void) {
    for (size_t i = 0; i < held_count; i++)
        (void)close(held[i]);
    free(held);
    held = NULL;
    held_count = 0;
}

/* A range of ports may be longer than the usual 1024 descriptors. The container's own limit is set apart. */
static void make_room(size_t count) {
    struct rlimit files;
    if (count < 512 || getrlimit(RLIMIT_NOFILE, &files))
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static int drop_everything(int fd) {
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &drop};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int bind_to(int fd, const struct held_port *port) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port->number)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port->number)};
    int on = 1;
    if (inet_pton(AF_INET, port->ip, &four.sin_addr) == 1)
        return bind(fd, (const struct sockaddr *)&four, sizeof(four));
    (void)inet_pton(AF_INET6, port->ip, &six.sin6_addr);
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    return bind(fd, (const struct sockaddr *)&six, sizeof(six));
}

/* On [::] nothing leads ::1 to the container, so a client that tries localhost there first must be refused at
 * once and go on to 127.0.0.1: bound, but not listening. A program's old connections may stand in the way. */
static int hold_quietly(const struct held_port *port) {
    struct in6_addr any;
    if (port->proto != HELD_TCP || inet_pton(AF_INET6, port->ip, &any) != 1 || !IN6_IS_ADDR_UNSPECIFIED(&any))
        return -1;
    auto_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || bind_to(fd, port) ? -1 : steal_fd(&fd);
}

/* The descriptor, or -1. A kernel without SCTP has nobody who could be on its ports: -2. */
static int hold(const struct held_port *port, struct err *err) {
    static const char *const names[] = {[HELD_TCP] = "tcp", [HELD_UDP] = "udp", [HELD_SCTP] = "sctp"};
    unsigned char binary[16];
    bool is_six = inet_pton(AF_INET6, port->ip, binary) == 1;
    int quiet = hold_quietly(port);
    if (quiet >= 0)
        return quiet;
    int on = 1, kind = port->proto == HELD_UDP ? SOCK_DGRAM : SOCK_STREAM;
    if (!is_six && inet_pton(AF_INET, port->ip, binary) != 1)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an address", port->ip);
    auto_close int fd =
        socket(is_six ? AF_INET6 : AF_INET, kind | SOCK_CLOEXEC, port->proto == HELD_SCTP ? IPPROTO_SCTP : 0);
    if (fd < 0 && port->proto == HELD_SCTP)
        return -2;
    /* For TCP: connections of a program that was here before and are only timing out do not count; one that
     * listens does, which listen() below asks again. */
    bool listens = kind == SOCK_STREAM;
    if (listens && fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || drop_everything(fd) || bind_to(fd, port) || (listens && listen(fd, 0))) {
        bool taken = errno == EADDRINUSE;
        (void)err_sys_as(err, taken ? ERR_PORT_IN_USE : ERR_NETWORK, errno,
                         "failed to bind host port %s%s%s:%u/%s", is_six ? "[" : "", port->ip,
                         is_six ? "]" : "", port->number, names[port->proto]);
        return -1;
    }
    return steal_fd(&fd);
}

int held_ports_take(const struct spec *spec, struct err *err) {
    if (spec->port_count == 0)
        return 0;
    make_room(spec->port_count);
    held = calloc(spec->port_count, sizeof(*held));
    if (!held)
        return err_sys(err, ENOMEM, "cannot hold the ports");
    for (size_t i = 0; i < spec->port_count; i++) {
        int fd = hold(&spec->ports[i], err);
        if (fd == -1) {
            held_ports_close();
            return -1;
        }
        if (fd >= 0)
            held[held_count++] = fd;
    }
    return 0;
}
