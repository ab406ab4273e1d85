/* The name servers that queries are forwarded to: the host's, from its resolv.conf, which is read again when
 * it has changed, or the ones that a container was given. Called by forward.c. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

enum { UPSTREAM_MAX = 4 };

struct upstream {
    struct sockaddr_storage addresses[UPSTREAM_MAX];
    socklen_t lengths[UPSTREAM_MAX];
    unsigned count;
};

/* Where the host's servers stand; `path` must outlive the program. */
void upstream_set_file(const char *path);
/* The host's servers as of now. Looks at the file at most once a second. */
const struct upstream *upstream_of_host(void);
/* "10.0.0.1,fd00::1"; what is no address is left out. */
void upstream_parse_list(const char *list, struct upstream *upstream);
/* The text of a resolv.conf; only its `nameserver` lines count. */
void upstream_parse_file(const char *text, struct upstream *upstream);
