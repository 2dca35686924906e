/* JSON strings and numbers. See json.h. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>

size_t utf8_sequence_len(struct slice text) {
  if (!text.len) return 0;
  const uint8_t *p = (const uint8_t *)text.ptr;
  if (p[0] < 0x80) return 1;
  if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
  size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
  if (text.len < len) return 0;
  for (size_t i = 1; i < len; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0; /* overlong; surrogates */
  if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0; /* overlong; beyond U+10FFFF */
  return len;
}

bool utf8_is_valid(struct slice text) {
  while (text.len) {
    size_t len = utf8_sequence_len(text);
    if (!len) return false;
    text = slice_skip(text, len);
  }
  return true;
}

void utf8_append_clean(struct buf *b, struct slice text) {
  while (text.len) {
    size_t len = utf8_sequence_len(text);
    if (len)
      buf_append(b, text.ptr, len);
    else
      buf_append(b, "\xef\xbf\xbd", 3);
    text = slice_skip(text, len ? len : 1);
  }
}

size_t utf8_copy_clean(struct slice text, char *out, size_t out_max) {
  size_t written = 0;
  while (text.len) {
    uint64_t word = 0x80;
    if (text.len >= sizeof word && out_max - written >= sizeof word) memcpy(&word, text.ptr, sizeof word);
    if (!(word & 0x8080808080808080)) {
      memcpy(out + written, &word, sizeof word);
      written += sizeof word;
      text = slice_skip(text, sizeof word);
      continue;
    }
    if ((text.ptr[0] & 0x80) == 0) {
      if (written == out_max) break;
      out[written++] = *text.ptr++;
      text.len--;
      continue;
    }
    size_t len = utf8_sequence_len(text);
    struct slice clean = len ? slice_of(text.ptr, len) : SLICE("\xef\xbf\xbd");
    if (out_max - written < clean.len) break;
    memcpy(out + written, clean.ptr, clean.len);
    written += clean.len;
    text = slice_skip(text, len ? len : 1);
  }
  return written;
}

void json_write_string(struct buf *b, struct slice text) {
  buf_append_byte(b, '"');
  while (text.len) {
    unsigned char c = (unsigned char)text.ptr[0];
    size_t len = 1;
    if (c == '"' || c == '\\') {
      buf_append_byte(b, '\\');
      buf_append_byte(b, (char)c);
    } else if (c < 0x20 || c == 0x7f) {
      buf_printf(b, "\\u%04x", c);
    } else if (c < 0x80) {
      buf_append_byte(b, (char)c);
    } else {
      len = utf8_sequence_len(text);
      utf8_append_clean(b, slice_of(text.ptr, len ? len : 1));
      if (!len) len = 1;
    }
    text = slice_skip(text, len);
  }
  buf_append_byte(b, '"');
}

void json_write_string_or_null(struct buf *b, struct slice text) {
  if (slice_is_absent(text))
    buf_append(b, "null", 4);
  else
    json_write_string(b, text);
}

void json_write_double(struct buf *b, double value) {
  if (!isfinite(value)) {
    buf_append(b, "null", 4);
    return;
  }
  char text[64];
  int len = snprintf(text, sizeof text, "%.6f", value);
  while (len > 1 && text[len - 1] == '0') len--;
  if (text[len - 1] == '.') len--;
  buf_append(b, text, (size_t)len);
}
