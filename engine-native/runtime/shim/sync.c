/* See sync.h for the picture. */
#include "sync.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_HEAD offsetof(struct sync_message, err)

union control {
    struct cmsghdr head;
    char space[CMSG_SPACE(SYNC_FDS_MAX * sizeof(int))];
};

static int send_message(int sock, struct sync_message *message, size_t len, const int *fds) {
    union control control;
    struct iovec iov = {message, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (message->fd_count > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = &control;
        msg.msg_controllen = (socklen_t)CMSG_SPACE(message->fd_count * sizeof(int));
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        if (!cmsg)
            return -1; /* never: the room was made above */
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = (socklen_t)CMSG_LEN(message->fd_count * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, message->fd_count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

int sync_send(int sock, enum sync_stage stage, const int *fds, size_t n, struct err *err) {
    do {
        size_t part = n > SYNC_FDS_MAX ? SYNC_FDS_MAX : n;
        struct sync_message message = {.stage = stage, .fd_count = (uint32_t)part};
        if (send_message(sock, &message, MESSAGE_HEAD, fds))
            return err_sys(err, errno, "cannot talk to the container's first process");
        fds += part;
        n -= part;
    } while (n > 0);
    return 0;
}

void sync_send_failure(int sock, const struct err *err) {
    struct sync_message message = {.stage = SYNC_FAILED, .err = *err};
    (void)send_message(sock, &message, sizeof(message), NULL);
}

/* One message into *message, its descriptors into fds (at most `room`; more would be a bug and are closed).
 */
static ssize_t receive_message(int sock, struct sync_message *message, int *fds, size_t room) {
    union control control;
    struct iovec iov = {message, sizeof(*message)};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n;

    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    size_t got = 0;
    if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
        int received[SYNC_FDS_MAX];
        got = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(received, CMSG_DATA(cmsg), got * sizeof(int));
        for (size_t i = 0; i < got; i++) {
            if (i < room)
                fds[i] = received[i];
            else
                (void)close(received[i]);
        }
    }
    if ((size_t)n < MESSAGE_HEAD || got != message->fd_count || got > room) {
        errno = EPROTO;
        return -1;
    }
    return n;
}

int sync_receive(int sock, enum sync_stage stage, int *fds, size_t n, int timeout_ms, struct err *err) {
    size_t got = 0;

    do {
        struct sync_message message = {0};
        struct pollfd waiting = {.fd = sock, .events = POLLIN};
        int ready;
        do
            ready = timeout_ms < 0 ? 1 : poll(&waiting, 1, timeout_ms);
        while (ready < 0 && errno == EINTR);
        if (ready == 0)
            return err_set(err, ERR_INTERNAL, "the container's first process did not answer in %d ms",
                           timeout_ms);
        ssize_t len = receive_message(sock, &message, fds + got, n - got);
        if (len == 0 || (len < 0 && errno == ECONNRESET))
            return 1;
        if (len < 0)
            return err_sys(err, errno, "cannot hear the container's first process");
        if (message.stage == SYNC_FAILED) {
            *err = message.err;
            err->message[sizeof(err->message) - 1] = '\0';
            return -1;
        }
        if (message.stage != (uint32_t)stage)
            return err_set(err, ERR_INTERNAL, "the container's first process said %u, not %u", message.stage,
                           stage);
        got += message.fd_count;
    } while (got < n);
    return 0;
}
