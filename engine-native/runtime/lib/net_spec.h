/* How one interface of a container is written in JSON (PROTOCOL.md, "Spec": network.interfaces). Read by the
 * shim for a start and by the helper for net.connect. */
#pragma once

#include "json.h"
#include "netlink.h"

/* Strings point into the parsed message. */
int net_spec_parse(const struct json *object, struct net_attach *net, struct err *err);
