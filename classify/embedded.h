/* The rule and data files that are part of the program. */
#ifndef CLASSIFY_EMBEDDED_H
#define CLASSIFY_EMBEDDED_H

#include "base/slice.h"

struct embedded_file {
  const char *name; /* "rules/google.yaml", "data/providers.yaml" */
  struct slice text;
};

size_t embedded_count(void);
/* In the order in which the build listed them. */
struct embedded_file embedded_file_at(size_t i);

#endif
