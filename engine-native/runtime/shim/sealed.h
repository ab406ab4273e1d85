/* A program of ours that enters containers runs from a sealed memory file: a privileged container could write
 * to a binary on a disk through /proc/<pid>/exe (CVE-2019-5736). Called first thing in main, by the shim and
 * the OCI runtime. */
#pragma once

/* Comes back when we run from one already, or when none can be made. */
void sealed_run(const char *name, char **argv);
