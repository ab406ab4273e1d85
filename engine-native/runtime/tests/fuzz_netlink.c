/* libFuzzer's entry for the readers of netlink's answers. They come from the kernel alone; what is looked for
 * is that a message of another length than ours is no reason to read beyond it, or never to end. */
#include <linux/if_link.h>
#include <sys/socket.h>

#include "../lib/cleanup.h"
#include "../lib/nl_message.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    struct nl_batch batch = {0};

    nl_begin(&batch, RTM_NEWLINK, 0, &(struct ifinfomsg){.ifi_index = 7}, sizeof(struct ifinfomsg));
    nl_attr_string(&batch, IFLA_IFNAME, "eth0");
    struct rtattr *info = nl_nest(&batch, IFLA_LINKINFO);
    nl_attr_string(&batch, IFLA_INFO_KIND, "bridge");
    nl_nest_end(&batch, info);
    fuzz_seed(*argc, *argv, 0, batch.data, batch.len);
    batch = (struct nl_batch){0};
    nl_begin(&batch, NLMSG_ERROR, 0, &(struct nlmsgerr){.error = -19}, sizeof(struct nlmsgerr));
    fuzz_seed(*argc, *argv, 1, batch.data, batch.len);
    return 0;
}

/* A socket that gives these bytes as one message and then nothing. */
static int answering(const uint8_t *data, size_t size, int *peer) {
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) ||
        send(fds[1], data, size, 0) != (ssize_t)size)
        abort();
    *peer = fds[1];
    return fds[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    struct nl_link link;
    unsigned failed = 0;
    int first_peer, second_peer;
    auto_close int first = answering(data, size, &first_peer), second = answering(data, size, &second_peer);
    struct nl_batch batch = {0};

    (void)nl_find_link(first, "eth0", &link, &err);
    nl_begin(&batch, RTM_NEWLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    (void)nl_talk(second, &batch, &failed, &err);
    (void)close(first_peer);
    (void)close(second_peer);
    return 0;
}
