/* TCP connections of askers: one query at a time each, bounded in number, time and size. Called by listen.c;
 * main.c lets slow ones go. */
#pragma once

#include "listen.h"

/* Takes over fd; closes it when there are too many. */
void connection_add(struct listener *listener, int fd, const struct ip *source);
/* The listener is about to go. */
void connection_close_all(const struct listener *listener);
/* Closes connections that were silent for too long. Returns the milliseconds until it must be called again,
 * -1: there are none. */
int connection_tick(void);
