/* Published ports, held on the host for as long as the shim lives: no other program can listen there, and a
 * port that is taken fails the start. Nothing is ever received: the firewall leads packets past these
 * sockets, and in the moment when it is gone they are dropped, so that clients try again instead of being
 * refused. */
#pragma once

#include "spec.h"

/* All or none; `port_in_use` when somebody has one. */
int held_ports_take(const struct spec *spec, struct err *err);
/* In the container's first process: a copy of a host's socket must not stay there. */
void held_ports_close(void);
