/* A view of bytes that somebody else owns: the one string type of the program.
 *
 *   absent   {NULL, 0}    the log did not say          JSON null
 *   empty    {ptr, 0}     the log said "nothing"       JSON ""   (the null sender <> is such a one)
 *
 * A slice is not NUL-terminated and may hold any byte. Who owns the bytes, and until when they are good, is said by
 * the function that hands the slice out. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
  const char *ptr;
  size_t len;
};

/* A slice of a string literal; its length is known to the compiler. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_ABSENT ((struct slice){NULL, 0})

/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct slice slice_of(const char *ptr, size_t len) { return (struct slice){ptr, len}; }
static inline struct slice slice_from_cstr(const char *text) {
  return text ? slice_of(text, strlen(text)) : SLICE_ABSENT;
}
static inline struct slice slice_between(const char *begin, const char *end) {
  return slice_of(begin, (size_t)(end - begin));
}

static inline bool slice_is_absent(struct slice s) { return s.ptr == NULL; }

static inline bool slice_equal(struct slice a, struct slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Order of bytes, the shorter of two equal beginnings first: the order of keys in segments. */
static inline int slice_compare(struct slice a, struct slice b) {
  size_t len = a.len < b.len ? a.len : b.len;
  int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
  if (order) return order;
  return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool slice_starts_with(struct slice s, struct slice prefix) {
  return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static inline bool slice_ends_with(struct slice s, struct slice suffix) {
  return s.len >= suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

static inline char ascii_lower(char c) { return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c; }
static inline bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }

static inline bool slice_equal_nocase(struct slice a, struct slice b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) return false;
  return true;
}

/* The first place of `byte`, or s.len when it is not there. */
static inline size_t slice_find_byte(struct slice s, char byte) {
  const char *at = s.len ? (const char *)memchr(s.ptr, byte, s.len) : NULL;
  return at ? (size_t)(at - s.ptr) : s.len;
}

/* The first place of `what`, or s.len when it is not there. */
static inline size_t slice_find(struct slice s, struct slice what) {
  const char *at = s.len ? (const char *)memmem(s.ptr, s.len, what.ptr, what.len) : NULL;
  return at ? (size_t)(at - s.ptr) : s.len;
}

/* Without its first `count` bytes; what is absent stays absent. */
static inline struct slice slice_skip(struct slice s, size_t count) {
  if (!s.ptr) return s;
  return count < s.len ? slice_of(s.ptr + count, s.len - count) : slice_of(s.ptr + s.len, 0);
}

/* Without spaces and tabs at either end. */
static inline struct slice slice_trim(struct slice s) {
  while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s.ptr++, s.len--;
  while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
  return s;
}

#endif
