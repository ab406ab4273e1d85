/* The nodes every container has in /dev, shared by the two sides of mounts.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "spec.h"

#define DEFAULT_DEVICES 6

struct default_device {
    const char *path;
    unsigned major, minor;
};

extern const struct default_device default_devices[DEFAULT_DEVICES];

bool mounts_need_host_sys(const struct spec *spec);
bool mounts_need_host_proc(const struct spec *spec);

struct device_link {
    const char *target, *name;
};
/* What every /dev links to; ended by a NULL name. */
extern const struct device_link device_links[];

/* Fills /dev (dev_fd, a tmpfs of ours): nodes, or binds of `sources` in a user namespace, and the usual
 * links. *next_source moves past what was used. */
int devices_fill(const struct spec *spec, int dev_fd, int root_fd, const int **next_source, struct err *err);
