/* What is wrong with rules, all of it: the first as an error, each as a line for `rules test`. */
#ifndef CLASSIFY_PROBLEMS_H
#define CLASSIFY_PROBLEMS_H

#include "base/buf.h"
#include "base/error.h"

struct problems {
  struct error first;
  size_t count;
  struct buf *lines; /* of the caller; NULL: only the first is kept */
};

/* Notes `err`. */
static inline void problems_add(struct problems *p, const struct error *err) {
  if (p->count++ == 0) p->first = *err;
  if (p->lines) buf_printf(p->lines, "%s\n", err->text);
}

#endif
