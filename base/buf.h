/* A growing run of bytes, reused: buf_clear keeps the memory. Used where rows, JSON or SQL are written. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdlib.h>

#include "base/memory.h"
#include "base/slice.h"

struct buf {
  char *ptr;
  size_t len, cap;
};

static inline void buf_deinit(struct buf *b) {
  free(b->ptr);
  *b = (struct buf){0};
}
static inline void buf_clear(struct buf *b) { b->len = 0; }
static inline struct slice buf_slice(const struct buf *b) { return slice_of(b->ptr ? b->ptr : "", b->len); }

/* Room for `extra` more bytes; returns where they go. The caller adds to `len` what it wrote. */
static inline char *buf_reserve(struct buf *b, size_t extra) {
  if (b->cap - b->len < extra) {
    size_t cap = b->cap ? b->cap : 256;
    while (cap - b->len < extra) cap *= 2;
    b->ptr = memory_resize(b->ptr, cap);
    b->cap = cap;
  }
  return b->ptr + b->len;
}

static inline void buf_append(struct buf *b, const void *bytes, size_t len) {
  if (len) memcpy(buf_reserve(b, len), bytes, len);
  b->len += len;
}
static inline void buf_append_slice(struct buf *b, struct slice s) { buf_append(b, s.ptr, s.len); }
static inline void buf_append_byte(struct buf *b, char byte) { *buf_reserve(b, 1) = byte, b->len++; }

/* printf to the end of the buffer; no NUL is counted. */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
