/* One run of another OCI runtime's program, in its place, with a limit. */
#pragma once

#include <stdint.h>

#include "../lib/err.h"
#include "foreign_place.h"
#include "spec.h"

#define FOREIGN_JOINED 3 /* network, ipc and uts */

struct foreign_call {
    const struct spec *spec;
    const struct foreign_place *place;
    const char *const *args; /* behind the global options, ended by NULL */
    int in, out, err;        /* the container's stdio; -1: no input, and output into the place's "errors" */
    int heard;               /* the other end of `err`: a runtime without a log complains there; -1: none */
    const int *joined;       /* FOREIGN_JOINED namespaces of other containers to be in, -1: none */
    int console;             /* a unix socket to listen on at the place's "console"; -1: none */
    int64_t deadline_ms;     /* of loop_now_ms */
};

/* 0 when the runtime said so by its exit code; else err holds what it said. */
int foreign_call(const struct foreign_call *call, struct err *err);
