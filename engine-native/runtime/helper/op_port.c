/* port.publish and port.withdraw: entries of the firewall's maps of published ports, without running nft.
 * port.forget: what the kernel remembers of UDP flows through them. */
#include <stdlib.h>

#include "../lib/cleanup.h"
#include "../lib/conntrack.h"
#include "../lib/nf_ports.h"
#include "helper.h"

static int parse_port(const struct json *item, struct nf_port *port, struct err *err) {
    int64_t number, to_number;
    *port = (struct nf_port){.ip = ""};
    if (json_need_string(item, "proto", &port->proto, err) < 0 ||
        json_opt_string(item, "ip", &port->ip, err) < 0 ||
        json_need_int(item, "port", 1, 65535, &number, err) < 0 ||
        json_need_string(item, "to", &port->to, err) < 0 ||
        json_need_int(item, "toPort", 1, 65535, &to_number, err) < 0)
        return -1;
    port->port = (uint16_t)number;
    port->to_port = (uint16_t)to_number;
    return 0;
}

enum change { PUBLISH, WITHDRAW, FORGET };

static int change(struct op_call *call, enum change what, struct err *err) {
    const char *table = "";
    const struct json *list = NULL;
    size_t count = 0;
    if ((what != FORGET && json_need_string(call->request, "table", &table, err) < 0) ||
        json_opt_array(call->request, "ports", &list, err) < 0)
        return -1;
    if (!list || list->list.count == 0)
        return err_set(err, ERR_BAD_REQUEST, "\"ports\" is missing");
    auto_free struct nf_port *ports = calloc(list->list.count, sizeof *ports);
    if (!ports)
        return err_set(err, ERR_INTERNAL, "out of memory");
    json_each(item, list) {
        if (parse_port(item, &ports[count++], err) < 0)
            return -1;
    }
    return what == PUBLISH    ? nf_ports_add(table, ports, count, err)
           : what == WITHDRAW ? nf_ports_remove(table, ports, count, err)
                              : conntrack_forget(ports, count, err);
}

int op_port_publish(struct op_call *call, struct json_out *reply, struct err *err) {
    (void)reply;
    return change(call, PUBLISH, err);
}

int op_port_withdraw(struct op_call *call, struct json_out *reply, struct err *err) {
    (void)reply;
    return change(call, WITHDRAW, err);
}

/* Walks the host's whole table of connections, some ten ms: nobody waits for it, and it holds up nothing. */
int op_port_forget(struct op_call *call, struct json_out *reply, struct err *err) {
    (void)reply;
    return change(call, FORGET, err);
}
