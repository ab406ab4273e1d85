/* What berth-dns gives up once it holds its folder: root, and every capability but the one to bind port 53.
 * Called once by main.c. */
#pragma once

#include "../lib/err.h"

int dns_drop_privileges(struct err *err);
