/* MessagePack, the part that rows need: unsigned integers, strings, arrays. https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 *   0xxxxxxx                    positive fixint          0xa0-0xbf, d9, da, db    str
 *   cc, cd, ce, cf              uint 8, 16, 32, 64       0x90-0x9f, dc, dd        array
 *
 * The writer always takes the shortest form, so equal rows are equal bytes. The reader bounds every length by the bytes that
 * remain before it believes it: a 5-byte header that promises gigabytes is an error, not an allocation. */
#ifndef BASE_MSGPACK_H
#define BASE_MSGPACK_H

#include "base/buf.h"

/* Most bytes that a number and a string's or an array's header take. */
#define MSGPACK_U64_BYTES_MAX 9u
#define MSGPACK_HEADER_BYTES_MAX 5u

/* msgpack_put_*: to `p`, which has the room; return the place behind. */
static inline uint8_t *msgpack_put_u64(uint8_t *p, uint64_t value) {
  if (value < 0x80) {
    p[0] = (uint8_t)value;
    return p + 1;
  }
  if (value <= 0xff) {
    p[0] = 0xcc, p[1] = (uint8_t)value;
    return p + 2;
  }
  if (value <= 0xffff) {
    uint16_t be = __builtin_bswap16((uint16_t)value);
    p[0] = 0xcd, memcpy(p + 1, &be, 2);
    return p + 3;
  }
  if (value <= 0xffffffff) {
    uint32_t be = __builtin_bswap32((uint32_t)value);
    p[0] = 0xce, memcpy(p + 1, &be, 4);
    return p + 5;
  }
  uint64_t be = __builtin_bswap64(value);
  p[0] = 0xcf, memcpy(p + 1, &be, 8);
  return p + 9;
}

/* Strings of rows are mostly 8 to 32 bytes, too short for a call to pay: two copies that overlap do for each power of two. */
static inline uint8_t *msgpack_put_bytes(uint8_t *p, const char *from, size_t len) {
  if (len > 32) {
    memcpy(p, from, len);
  } else if (len >= 16) {
    memcpy(p, from, 16), memcpy(p + len - 16, from + len - 16, 16);
  } else if (len >= 8) {
    memcpy(p, from, 8), memcpy(p + len - 8, from + len - 8, 8);
  } else if (len >= 4) {
    memcpy(p, from, 4), memcpy(p + len - 4, from + len - 4, 4);
  } else {
    for (size_t i = 0; i < len; i++) p[i] = (uint8_t)from[i];
  }
  return p + len;
}

static inline uint8_t *msgpack_put_str(uint8_t *p, struct slice s) {
  if (s.len < 32) {
    *p++ = (uint8_t)(0xa0 | s.len);
  } else if (s.len <= 0xff) {
    p[0] = 0xd9, p[1] = (uint8_t)s.len, p += 2;
  } else if (s.len <= 0xffff) {
    uint16_t be = __builtin_bswap16((uint16_t)s.len);
    p[0] = 0xda, memcpy(p + 1, &be, 2), p += 3;
  } else {
    uint32_t be = __builtin_bswap32((uint32_t)s.len);
    p[0] = 0xdb, memcpy(p + 1, &be, 4), p += 5;
  }
  return msgpack_put_bytes(p, s.ptr, s.len);
}

static inline uint8_t *msgpack_put_array(uint8_t *p, uint32_t count) {
  if (count < 16) {
    p[0] = (uint8_t)(0x90 | count);
    return p + 1;
  }
  if (count <= 0xffff) {
    uint16_t be = __builtin_bswap16((uint16_t)count);
    p[0] = 0xdc, memcpy(p + 1, &be, 2);
    return p + 3;
  }
  uint32_t be = __builtin_bswap32(count);
  p[0] = 0xdd, memcpy(p + 1, &be, 4);
  return p + 5;
}

/* msgpack_write_*: to the end of a buffer. */
static inline void msgpack_write_u64(struct buf *b, uint64_t value) {
  uint8_t *p = (uint8_t *)buf_reserve(b, MSGPACK_U64_BYTES_MAX);
  b->len += (size_t)(msgpack_put_u64(p, value) - p);
}
static inline void msgpack_write_str(struct buf *b, struct slice s) {
  uint8_t *p = (uint8_t *)buf_reserve(b, MSGPACK_HEADER_BYTES_MAX + s.len);
  b->len += (size_t)(msgpack_put_str(p, s) - p);
}
static inline void msgpack_write_array(struct buf *b, uint32_t count) {
  uint8_t *p = (uint8_t *)buf_reserve(b, MSGPACK_HEADER_BYTES_MAX);
  b->len += (size_t)(msgpack_put_array(p, count) - p);
}

/* A place in encoded bytes. Each reader takes one value off the front; false: not such a value, or cut short, and the
 * place stays where it was. Strings point into the bytes read. */
struct msgpack_reader {
  const uint8_t *ptr, *end;
};

static inline struct msgpack_reader msgpack_reader_of(struct slice bytes) {
  return (struct msgpack_reader){(const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr + bytes.len};
}

static inline uint64_t msgpack_big_endian(const uint8_t *p, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; i++) value = value << 8 | p[i];
  return value;
}

static inline bool msgpack_read_u64(struct msgpack_reader *r, uint64_t *out) {
  if (r->ptr >= r->end) return false;
  uint8_t first = *r->ptr;
  if (first < 0x80) {
    *out = first, r->ptr++;
    return true;
  }
  if (first < 0xcc || first > 0xcf) return false;
  size_t width = (size_t)1 << (first - 0xcc);
  if ((size_t)(r->end - r->ptr) < 1 + width) return false;
  *out = msgpack_big_endian(r->ptr + 1, width);
  r->ptr += 1 + width;
  return true;
}

static inline bool msgpack_read_str(struct msgpack_reader *r, struct slice *out) {
  if (r->ptr >= r->end) return false;
  size_t remain = (size_t)(r->end - r->ptr), header = 1, len;
  uint8_t first = *r->ptr;
  if ((first & 0xe0) == 0xa0) {
    len = first & 0x1f;
  } else {
    if (first < 0xd9 || first > 0xdb) return false;
    size_t width = (size_t)1 << (first - 0xd9);
    if (remain < 1 + width) return false;
    len = (size_t)msgpack_big_endian(r->ptr + 1, width);
    header = 1 + width;
  }
  if (remain - header < len) return false;
  *out = slice_of((const char *)r->ptr + header, len);
  r->ptr += header + len;
  return true;
}

/* The count is at most the bytes that remain: each element takes one at least. */
static inline bool msgpack_read_array(struct msgpack_reader *r, uint32_t *count) {
  if (r->ptr >= r->end) return false;
  size_t remain = (size_t)(r->end - r->ptr), header = 1;
  uint8_t first = *r->ptr;
  if ((first & 0xf0) == 0x90) {
    *count = first & 0x0f;
  } else {
    if (first != 0xdc && first != 0xdd) return false;
    size_t width = first == 0xdc ? 2 : 4;
    if (remain < 1 + width) return false;
    *count = (uint32_t)msgpack_big_endian(r->ptr + 1, width);
    header = 1 + width;
  }
  if (remain - header < *count) return false;
  r->ptr += header;
  return true;
}

#endif
