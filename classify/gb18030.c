/* iconv for literals of rules. See gb18030.h. */
#include "classify/gb18030.h"

#include <iconv.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "classify/normalise.h"

/* One character of two bytes turns up by chance in texts of other encodings; two in a row do not. */
#define CHINESE_CHARACTERS_MIN 2

struct gb18030 {
  iconv_t handle;
};

struct gb18030 *gb18030_new(void) {
  iconv_t handle = iconv_open("GB18030", "UTF-8");
  if (handle == (iconv_t)-1) return NULL;
  struct gb18030 *converter = memory_alloc(sizeof *converter);
  converter->handle = handle;
  return converter;
}

void gb18030_free(struct gb18030 *converter) {
  if (!converter) return;
  iconv_close(converter->handle);
  free(converter);
}

/* A character of three bytes: the planes below U+10000, where all that is common is. */
static unsigned code_point(const char *p) {
  return (unsigned)(p[0] & 0x0f) << 12 | (unsigned)(p[1] & 0x3f) << 6 | (unsigned)(p[2] & 0x3f);
}

/* Han and ASCII, with the signs that Chinese is written with. Kana or Hangul: nobody sends those in GB18030. */
static bool is_chinese(struct slice text) {
  unsigned han = 0;
  for (size_t i = 0; i < text.len;) {
    size_t len = (text.ptr[i] & 0x80) ? utf8_sequence_len(slice_skip(text, i)) : 1;
    if (len != 1 && len != 3) return false;
    if (len == 3) {
      unsigned c = code_point(text.ptr + i);
      bool is_han = c >= 0x4e00 && c <= 0x9fff;
      bool is_sign = (c >= 0x3001 && c <= 0x3011) || (c >= 0xff00 && c <= 0xff5e);
      if (!is_han && !is_sign) return false;
      han += is_han;
    }
    i += len;
  }
  return han >= CHINESE_CHARACTERS_MIN;
}

size_t gb18030_from_literal(struct gb18030 *converter, struct slice literal, char *out) {
  if (!is_chinese(literal)) return 0;
  char *from = (char *)literal.ptr, *to = out;
  size_t from_left = literal.len, to_left = literal.len;
  iconv(converter->handle, NULL, NULL, NULL, NULL);
  if (iconv(converter->handle, &from, &from_left, &to, &to_left) == (size_t)-1) return 0;
  struct slice converted = slice_of(out, (size_t)(to - out));
  char normal[NORMALISED_BYTES_MAX];
  size_t normal_len = normalise_reply(converted, normal);
  return slice_equal(slice_trim(converted), slice_of(normal, normal_len)) ? converted.len : 0;
}
