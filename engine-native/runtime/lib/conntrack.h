/* Connection tracking of datagrams. A client that goes on sending from one port is one "connection" for the
 * kernel, for ever: it would be led to a container that is gone, or past one that has just come. */
#pragma once

#include "nf_ports.h"

/* Forgets the UDP flows that lead to a container through one of these ports, and those that came for one of
 * them before it was published. Ports of other protocols are passed over: their connections end by
 * themselves. */
int conntrack_forget(const struct nf_port *ports, size_t count, struct err *err);
