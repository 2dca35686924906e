/* MessagePack to JSON, value by value. See message_json.h. https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Every length is checked against the bytes that remain before it is believed, and nesting is bounded. */
#include "ingest/message_json.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "base/msgpack.h"

/* Deeper values are not taken: a record of a log is three or four levels deep. */
#define DEPTH_MAX 16

static bool take_be(struct msgpack_reader *r, size_t width, uint64_t *out) {
  if ((size_t)(r->end - r->ptr) < width) return false;
  *out = msgpack_big_endian(r->ptr, width);
  r->ptr += width;
  return true;
}

static bool take_bytes(struct msgpack_reader *r, uint64_t len, struct slice *out) {
  if ((uint64_t)(r->end - r->ptr) < len) return false;
  *out = slice_of((const char *)r->ptr, (size_t)len);
  r->ptr += len;
  return true;
}

static void write_double(struct buf *out, double value) {
  if (isfinite(value) && fabs(value) < 1e15)
    buf_printf(out, "%.6f", value);
  else
    buf_append(out, "null", 4);
}

/* Fluent Bit's EventTime (type 0: seconds and nanoseconds, four bytes each) and MessagePack's timestamps (type -1). */
static void write_extension(struct buf *out, int8_t type, struct slice bytes) {
  struct msgpack_reader r = msgpack_reader_of(bytes);
  uint64_t seconds = 0, nanoseconds = 0;
  bool is_time = false;
  if (type == 0 && bytes.len == 8) {
    is_time = take_be(&r, 4, &seconds) && take_be(&r, 4, &nanoseconds);
  } else if (type == -1 && bytes.len == 4) {
    is_time = take_be(&r, 4, &seconds);
  } else if (type == -1 && bytes.len == 8) {
    is_time = take_be(&r, 8, &seconds);
    nanoseconds = seconds >> 34;
    seconds &= (UINT64_C(1) << 34) - 1;
  } else if (type == -1 && bytes.len == 12) {
    is_time = take_be(&r, 4, &nanoseconds) && take_be(&r, 8, &seconds);
  }
  if (is_time && nanoseconds < 1000000000 && seconds < 100000000000)
    buf_printf(out, "%" PRIu64 ".%09" PRIu64, seconds, nanoseconds);
  else
    buf_append(out, "null", 4);
}

/* A header of one byte and a length of `width` bytes. */
static bool take_len(struct msgpack_reader *r, size_t width, uint64_t *len) {
  r->ptr++;
  return take_be(r, width, len);
}

static bool write_value(struct msgpack_reader *r, struct buf *out, unsigned depth);

static bool write_string(struct msgpack_reader *r, struct buf *out, uint64_t len) {
  struct slice text;
  if (!take_bytes(r, len, &text)) return false;
  json_write_string(out, text);
  return true;
}

/* Each element takes a byte at least. */
static bool write_array(struct msgpack_reader *r, struct buf *out, uint64_t count, unsigned depth) {
  if (count > (uint64_t)(r->end - r->ptr)) return false;
  buf_append_byte(out, '[');
  for (uint64_t i = 0; i < count; i++) {
    if (i) buf_append_byte(out, ',');
    if (!write_value(r, out, depth + 1)) return false;
  }
  buf_append_byte(out, ']');
  return true;
}

static bool write_map(struct msgpack_reader *r, struct buf *out, uint64_t count, unsigned depth) {
  if (count > (uint64_t)(r->end - r->ptr) / 2) return false;
  buf_append_byte(out, '{');
  for (uint64_t i = 0; i < count; i++) {
    struct slice name;
    if (i) buf_append_byte(out, ',');
    if (!msgpack_read_str(r, &name)) return false;
    json_write_string(out, name);
    buf_append_byte(out, ':');
    if (!write_value(r, out, depth + 1)) return false;
  }
  buf_append_byte(out, '}');
  return true;
}

static bool write_number(struct msgpack_reader *r, struct buf *out) {
  uint8_t first = *r->ptr++;
  uint64_t bits;
  if (first < 0x80 || first >= 0xe0) {
    buf_printf(out, "%d", (int8_t)first);
    return true;
  }
  if (first == 0xca || first == 0xcb) {
    if (!take_be(r, first == 0xca ? 4 : 8, &bits)) return false;
    uint32_t narrow = (uint32_t)bits;
    float small;
    double large;
    memcpy(&small, &narrow, sizeof small);
    memcpy(&large, &bits, sizeof large);
    write_double(out, first == 0xca ? (double)small : large);
    return true;
  }
  size_t width = (size_t)1 << (first & 3);
  if (!take_be(r, width, &bits)) return false;
  unsigned unused = 64 - 8 * (unsigned)width;
  if (first <= 0xcf)
    buf_printf(out, "%" PRIu64, bits);
  else
    buf_printf(out, "%" PRId64, (int64_t)(bits << unused) >> unused);
  return true;
}

static bool write_any_extension(struct msgpack_reader *r, struct buf *out) {
  uint8_t first = *r->ptr;
  uint64_t len, type;
  struct slice bytes;
  if (first >= 0xd4) {
    len = UINT64_C(1) << (first - 0xd4);
    r->ptr++;
  } else if (!take_len(r, (size_t)1 << (first - 0xc7), &len)) {
    return false;
  }
  if (!take_be(r, 1, &type) || !take_bytes(r, len, &bytes)) return false;
  write_extension(out, (int8_t)type, bytes);
  return true;
}

static bool write_value(struct msgpack_reader *r, struct buf *out, unsigned depth) {
  if (r->ptr >= r->end || depth > DEPTH_MAX) return false;
  uint8_t first = *r->ptr;
  uint64_t len;
  if (first >= 0x80 && first < 0x90) return r->ptr++, write_map(r, out, first & 0x0f, depth);
  if (first >= 0x90 && first < 0xa0) return r->ptr++, write_array(r, out, first & 0x0f, depth);
  if (first >= 0xa0 && first < 0xc0) return r->ptr++, write_string(r, out, first & 0x1f);
  switch (first) {
    case 0xc0: r->ptr++, buf_append(out, "null", 4); return true;
    case 0xc2: r->ptr++, buf_append(out, "false", 5); return true;
    case 0xc3: r->ptr++, buf_append(out, "true", 4); return true;
    case 0xc1: return false; /* never used */
    case 0xc4:
    case 0xc5:
    case 0xc6: return take_len(r, (size_t)1 << (first - 0xc4), &len) && write_string(r, out, len);
    case 0xd9:
    case 0xda:
    case 0xdb: return take_len(r, (size_t)1 << (first - 0xd9), &len) && write_string(r, out, len);
    case 0xc7:
    case 0xc8:
    case 0xc9:
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8: return write_any_extension(r, out);
    case 0xdc:
    case 0xdd: return take_len(r, first == 0xdc ? 2 : 4, &len) && write_array(r, out, len, depth);
    case 0xde:
    case 0xdf: return take_len(r, first == 0xde ? 2 : 4, &len) && write_map(r, out, len, depth);
    default: return write_number(r, out);
  }
}

/* Bytes that maps and arrays begin with: none of them begins a line of text, nor one of UTF-8 that a mail server writes. */
static bool begins_as_msgpack(uint8_t first) { return (first >= 0x80 && first < 0xa0) || (first >= 0xdc && first <= 0xdf); }

bool message_from_msgpack(struct slice message, struct buf *out) {
  struct msgpack_reader r = msgpack_reader_of(message);
  size_t begin = out->len;
  while (r.ptr < r.end) {
    if (begins_as_msgpack(*r.ptr) && write_value(&r, out, 0)) continue;
    out->len = begin;
    return false;
  }
  return out->len > begin;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void message_join_json(char *message, size_t len) {
  if (!len || (*message != '{' && *message != '[')) return;
  char *end = message + len, *newline = memchr(message, '\n', len);
  if (!newline) return;
  const char *last = newline;
  while (last > message && is_blank(last[-1])) last--;
  /* A document ends here: these are lines. In one that goes on, a newline can only stand between tokens. */
  bool is_end = last[-1] == '}' || last[-1] == ']';
  const char *next = newline;
  while (next < end && is_blank(*next)) next++;
  if (next == end || (is_end && (*next == '{' || *next == '['))) return;
  for (; newline; newline = newline < end ? memchr(newline, '\n', (size_t)(end - newline)) : NULL) *newline++ = ' ';
}
