/* The conversation between the shim and the child that becomes the container's process, over a seqpacket
 * pair:
 *
 *   shim                                         child
 *   clone3 ───────────────────────────────────▶  waits
 *   writes the id maps, opens mounts          ◀── SYNC_JOINED, where the user namespace is another's: the
 * child has entered it and made its own namespaces inside SYNC_START [descriptors] ─────────────────▶  joins
 * its cgroups, mounts, pivots (an exec: enters the namespaces) attaches the network meanwhile ◀─────────────
 * SYNC_STDIO [stdin, stdout, stderr | pty master] SYNC_GO ──────────────────────────────────▶  drops
 * privileges, execve ◀───────────── end of file: execve succeeded; or, from any stage, SYNC_FAILED with the
 * error
 *
 * Every wait of the shim has a limit: a child that hangs (a dead network filesystem under a mount) must not
 * keep the caller of a start for ever. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../lib/err.h"

/* MOUNTED and READY belong to the OCI runtime, whose start has more steps (oci/create.h). */
enum sync_stage {
    SYNC_START = 1,
    SYNC_STDIO,
    SYNC_GO,
    SYNC_FAILED,
    SYNC_MOUNTED,
    SYNC_READY,
    SYNC_JOINED = 20
};

#define SYNC_FDS_MAX 200 /* of one message; the kernel takes 253 */

struct sync_message {
    uint32_t stage;
    uint32_t fd_count; /* descriptors that travel with this message */
    struct err err;    /* with SYNC_FAILED */
};

/* Sends a stage with n descriptors, in several messages when there are many. */
int sync_send(int sock, enum sync_stage stage, const int *fds, size_t n, struct err *err);

/* Receives `stage` with exactly n descriptors (0 when it carries none). 1: the other side closed the socket.
 * -1 with its error when it failed, or with our own. timeout_ms < 0: wait for ever. */
int sync_receive(int sock, enum sync_stage stage, int *fds, size_t n, int timeout_ms, struct err *err);

void sync_send_failure(int sock, const struct err *err);
