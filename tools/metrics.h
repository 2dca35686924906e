/* The counts of a run in Prometheus' text format. docs/cli.md lists them. */
#ifndef TOOLS_METRICS_H
#define TOOLS_METRICS_H

#include "base/buf.h"
#include "tools/pipeline.h"

/* Inputs with lines of their own; more are left out (a directory of archives), all their counts are in the sums. */
#define METRICS_INPUTS_MAX 1000u

void metrics_write(const struct pipeline *pipeline, struct buf *out);

#endif
