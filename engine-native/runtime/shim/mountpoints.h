/* Where something is mounted over the container's root, a file or directory to mount on has to be there. What
 * the image lacks is made in `upper`; this takes it away again when the container has ended, so that a layer
 * made of `upper` holds what the program wrote and nothing of ours. */
#pragma once

#include "spec.h"

/* Removes what still looks as it was made: empty, with the owner and mode that we give, and not in the image;
 * then the directories on the way, under the same rule, or as they are in the image. Nothing of the container
 * may run any more. A target behind a symlink is left alone. Never fails: a leftover is harmless. */
void mountpoints_remove(const struct spec *spec);
