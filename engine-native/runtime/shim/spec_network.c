/* See spec_network.h. */
#include "spec_network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/net_spec.h"

#define INTERFACES_MAX 64
#define PORTS_MAX 8192

static int parse_interfaces(const struct json *object, struct spec *spec, struct err *err) {
    const struct json *array = NULL;

    if (json_opt_array(object, "interfaces", &array, err))
        return -1;
    if (!array || array->list.count == 0 || array->list.count > INTERFACES_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"interfaces\" must hold 1 to %d of them", INTERFACES_MAX);
    spec->interfaces = calloc(array->list.count, sizeof(*spec->interfaces));
    if (!spec->interfaces)
        return err_sys(err, ENOMEM, "cannot hold \"interfaces\"");
    json_each(item, array) {
        if (net_spec_parse(item, &spec->interfaces[spec->interface_count++], err))
            return -1;
    }
    return 0;
}

static int parse_port(const struct json *item, struct held_port *port, struct err *err) {
    const char *proto;
    int64_t number;

    port->ip = "0.0.0.0";
    if (json_need_string(item, "proto", &proto, err) || json_opt_string(item, "ip", &port->ip, err) ||
        json_need_int(item, "port", 1, 65535, &number, err))
        return -1;
    port->number = (unsigned)number;
    port->proto = strcmp(proto, "tcp") == 0    ? HELD_TCP
                  : strcmp(proto, "udp") == 0  ? HELD_UDP
                  : strcmp(proto, "sctp") == 0 ? HELD_SCTP
                                               : HELD_UNKNOWN;
    if (port->proto == HELD_UNKNOWN)
        return err_set(err, ERR_BAD_REQUEST, "protocol \"%s\" is not tcp, udp or sctp", proto);
    return 0;
}

static int parse_ports(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *array = NULL;

    if (json_opt_array(root, "ports", &array, err))
        return -1;
    if (!array || array->list.count == 0)
        return 0;
    if (array->list.count > PORTS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"ports\" holds more than %d ports", PORTS_MAX);
    spec->ports = calloc(array->list.count, sizeof(*spec->ports));
    if (!spec->ports)
        return err_sys(err, ENOMEM, "cannot hold \"ports\"");
    json_each(item, array) {
        if (parse_port(item, &spec->ports[spec->port_count++], err))
            return -1;
    }
    return 0;
}

int spec_parse_network(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;
    const char *mode = "none";

    if (json_opt_object(root, "network", &object, err) || json_opt_string(object, "mode", &mode, err) ||
        parse_ports(root, spec, err))
        return -1;
    if (strcmp(mode, "none") == 0) {
        spec->network_mode = NET_NONE;
        return 0;
    }
    if (strcmp(mode, "host") == 0) {
        spec->network_mode = NET_HOST;
        return 0;
    }
    if (strcmp(mode, "bridge") != 0)
        return err_set(err, ERR_BAD_REQUEST, "network mode \"%s\" is not bridge, none or host", mode);
    spec->network_mode = NET_BRIDGE;
    return parse_interfaces(object, spec, err);
}
