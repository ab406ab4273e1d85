/* The table of ops: PROTOCOL.md's list, in its order. */
#include <string.h>

#include "helper.h"

static const struct op table[] = {
    {"hello", OP_INLINE, op_hello},
    {"container.start", OP_START, NULL},
    {"layer.untar", OP_STREAM, op_layer_untar},
    {"layer.tar", OP_STREAM, op_layer_tar},
    {"layer.digest", OP_WORKER, op_layer_digest},
    {"layer.copy", OP_STREAM, op_layer_copy},
    {"tree.list", OP_STREAM, op_tree_list},
    {"dir.usage", OP_WORKER, op_dir_usage},
    {"dir.remove", OP_WORKER, op_dir_remove},
    {"dir.set_aside", OP_WORKER, op_dir_set_aside},
    {"dir.sync", OP_WORKER, op_dir_sync},
    {"archive.stat", OP_WORKER, op_archive_stat},
    {"archive.get", OP_STREAM, op_archive_get},
    {"archive.put", OP_STREAM, op_archive_put},
    {"container.changes", OP_STREAM, op_container_changes},
    {"volume.fill", OP_WORKER, op_volume_fill},
    {"volume.mount", OP_WORKER, op_volume_mount},
    {"volume.unmount", OP_WORKER, op_volume_unmount},
    {"net.ensure", OP_SERIAL, op_net_ensure},
    {"net.remove", OP_SERIAL, op_net_remove},
    {"net.connect", OP_SERIAL, op_net_connect},
    {"net.disconnect", OP_SERIAL, op_net_disconnect},
    {"net.route", OP_SERIAL, op_net_route},
    {"port.publish", OP_SERIAL, op_port_publish},
    {"port.withdraw", OP_SERIAL, op_port_withdraw},
    {"port.forget", OP_WORKER, op_port_forget},
    {"nft.apply", OP_SERIAL, op_nft_apply},
    {"nft.wait", OP_WAIT, NULL},
    {"sysctl.set", OP_SERIAL, op_sysctl_set},
    {"daemon.trim", OP_WORKER, op_daemon_trim},
};

const struct op *op_find(const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}
