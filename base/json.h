/* Writes JSON (RFC 8259). The caller keeps the grammar: commas and brackets are appended as bytes. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* "text" with what must be escaped escaped; bytes that are no UTF-8 become U+FFFD, so that the output is always valid. */
void json_write_string(struct buf *b, struct slice text);

/* null when absent, else as json_write_string. */
void json_write_string_or_null(struct buf *b, struct slice text);

/* A finite number with at most six digits behind the point and no trailing zeros. */
void json_write_double(struct buf *b, double value);

/* `text` with bytes that are no UTF-8 (RFC 3629: no overlong forms, no surrogates) replaced by U+FFFD, appended to `b`. */
void utf8_append_clean(struct buf *b, struct slice text);

/* The same into `out`, cut before the sequence that would exceed `out_max` bytes; returns how many were written. */
size_t utf8_copy_clean(struct slice text, char *out, size_t out_max);

/* The length of the valid UTF-8 sequence at the front of `text`, 0 when there is none. */
size_t utf8_sequence_len(struct slice text);

/* Whether the whole text is valid UTF-8. */
bool utf8_is_valid(struct slice text);

#endif
