/* The network part of the spec: mode, interfaces, held ports. Called by spec.c only. */
#pragma once

#include "spec.h"

int spec_parse_network(const struct json *root, struct spec *spec, struct err *err);
