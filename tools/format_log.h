/* Says which format an input is read as. */
#ifndef TOOLS_FORMAT_LOG_H
#define TOOLS_FORMAT_LOG_H

#include "ingest/ingest.h"

/* One event of the log: the input's name, the format, and why. */
void format_log(const struct source *source, uint32_t input, const struct format_choice *choice);

#endif
