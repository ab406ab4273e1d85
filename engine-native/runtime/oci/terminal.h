/* Terminals of OCI containers: the master goes to whoever listens on --console-socket, or the runtime itself
 * passes the bytes on (run and exec in the foreground). */
#pragma once

#include <sys/types.h>

#include "../lib/err.h"

/* Sends the descriptor to the unix socket at `path`, as conmon and containerd expect it. */
int terminal_send(const char *path, int master, struct err *err);

/* Until `pid` has ended: with master >= 0 between our own stdin and stdout and the terminal; signals we get
 * go to the process. Returns its wait status. */
int terminal_attend(pid_t pid, int master);
