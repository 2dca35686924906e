/* The query: traffic rows filtered, grouped by columns and by steps of time, added up. */
#ifndef TOOLS_QUERY_H
#define TOOLS_QUERY_H

#include "aggregate/aggregate.h"
#include "tools/tally.h"

#define QUERY_TERMS_MAX 32

enum query_format { QUERY_TABLE, QUERY_JSON, QUERY_CSV };

/* column = value; several of the same column are alternatives, different columns must all hold. */
struct query_term {
  const struct column *column;
  struct slice value;
};

struct query_request {
  const struct column *by[QUERY_TERMS_MAX];
  size_t by_count;
  struct query_term where[QUERY_TERMS_MAX];
  size_t where_count;
  int64_t step_s; /* 0: the whole time is one */
  enum query_format format;
  size_t top; /* SIZE_MAX: all */
};

/* Tells groups, each of whose keys is [step's time] and the values of `by`, every part ended by a NUL. */
void query_write(const struct query_request *request, const struct tally *groups, struct buf *out);

#endif
