/* A short-lived process that owns the namespaces which we make for another runtime: user, with our maps, and
 * network, with our links, owned by that user namespace. They outlive it where the place keeps them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "../lib/err.h"
#include "spec.h"

struct foreign_holder {
    pid_t pid;  /* 0: the container has no namespace of ours */
    int userns; /* for the id maps of mounts; -1: the host's */
};

int foreign_holder_start(const struct spec *spec, struct foreign_holder *holder, struct err *err);
void foreign_holder_end(struct foreign_holder *holder);
