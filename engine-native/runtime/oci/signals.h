/* Names of signals, as `kill` takes them. */
#pragma once

/* "9", "KILL", "SIGKILL", "RTMIN+3". -1 when there is no such signal. */
int signal_by_name(const char *name);
