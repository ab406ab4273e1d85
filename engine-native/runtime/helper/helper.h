/* What every part of the helper knows: the two folders it may touch, and the shape of an op.
 * Set once by main.c before the first request; never changed after. */
#pragma once

#include "../lib/err.h"
#include "../lib/json.h"

#define HELPER_VERSION "1"

struct helper {
    const char *run,
        *root;           /* as given, without a trailing slash: requests name paths below them the same way */
    int run_fd, root_fd; /* O_PATH descriptors of both */
    int shim_fd;         /* the sealed copy of the shim's binary */
    int daemon_pid;      /* who started it */
};

struct job;

/* One request as its op sees it. */
struct op_call {
    const struct helper *helper;
    const struct json *request, *id;
    int stream_fd;    /* the connection of a stream op, blocking; else -1 */
    const char *rest; /* bytes of the stream that came with the request */
    size_t rest_len;
    bool replied; /* a stream op that answers first sets this; then nothing more is answered */
};

enum op_kind {
    OP_INLINE, /* answered in the loop: microseconds, never blocks */
    OP_WORKER, /* a forked worker at nice 5 */
    OP_STREAM, /* the same, and the worker owns the connection */
    OP_SERIAL, /* a forked worker, one at a time, in the order asked */
    OP_START,  /* container.start */
    OP_WAIT,   /* nft.wait: answered by nft_watch.c when something happens */
};

struct op {
    const char *name;
    enum op_kind kind;
    /* `reply` is an open object: the op adds its members. Returns 0, or -1 with err set. */
    int (*run)(struct op_call *call, struct json_out *reply, struct err *err);
};

const struct op *op_find(const char *name);

int op_hello(struct op_call *call, struct json_out *reply, struct err *err);
int op_net_ensure(struct op_call *call, struct json_out *reply, struct err *err);
int op_net_remove(struct op_call *call, struct json_out *reply, struct err *err);
int op_sysctl_set(struct op_call *call, struct json_out *reply, struct err *err);
int op_net_connect(struct op_call *call, struct json_out *reply, struct err *err);
int op_net_disconnect(struct op_call *call, struct json_out *reply, struct err *err);
int op_net_route(struct op_call *call, struct json_out *reply, struct err *err);
int op_port_publish(struct op_call *call, struct json_out *reply, struct err *err);
int op_port_withdraw(struct op_call *call, struct json_out *reply, struct err *err);
int op_port_forget(struct op_call *call, struct json_out *reply, struct err *err);
int op_nft_apply(struct op_call *call, struct json_out *reply, struct err *err);
int op_dir_usage(struct op_call *call, struct json_out *reply, struct err *err);
int op_dir_remove(struct op_call *call, struct json_out *reply, struct err *err);
int op_dir_set_aside(struct op_call *call, struct json_out *reply, struct err *err);
int op_dir_sync(struct op_call *call, struct json_out *reply, struct err *err);
int op_daemon_trim(struct op_call *call, struct json_out *reply, struct err *err);
int op_archive_stat(struct op_call *call, struct json_out *reply, struct err *err);
int op_archive_get(struct op_call *call, struct json_out *reply, struct err *err);
int op_archive_put(struct op_call *call, struct json_out *reply, struct err *err);
int op_container_changes(struct op_call *call, struct json_out *reply, struct err *err);
int op_volume_fill(struct op_call *call, struct json_out *reply, struct err *err);
int op_volume_mount(struct op_call *call, struct json_out *reply, struct err *err);
int op_volume_unmount(struct op_call *call, struct json_out *reply, struct err *err);
int op_layer_untar(struct op_call *call, struct json_out *reply, struct err *err);
int op_layer_tar(struct op_call *call, struct json_out *reply, struct err *err);
int op_layer_digest(struct op_call *call, struct json_out *reply, struct err *err);
int op_layer_copy(struct op_call *call, struct json_out *reply, struct err *err);
int op_tree_list(struct op_call *call, struct json_out *reply, struct err *err);
