/* CSV as RFC 4180 has it. */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/buf.h"

/* One field: quoted when it holds a quote, a comma or a line end. */
static inline void csv_append_field(struct buf *out, struct slice value) {
  bool is_plain = true;
  for (size_t i = 0; i < value.len && is_plain; i++) {
    char c = value.ptr[i];
    is_plain = c != '"' && c != ',' && c != '\r' && c != '\n';
  }
  if (is_plain) {
    buf_append_slice(out, value);
    return;
  }
  buf_append_byte(out, '"');
  for (size_t i = 0; i < value.len; i++) {
    if (value.ptr[i] == '"') buf_append_byte(out, '"');
    buf_append_byte(out, value.ptr[i]);
  }
  buf_append_byte(out, '"');
}

#endif
