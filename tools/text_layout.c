/* Text for terminals. See text_layout.h. */
#include "tools/text_layout.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

/* The character at the front of `text`: its bytes, and its cells. */
static size_t take_character(struct slice text, size_t *cells) {
  size_t len = utf8_sequence_len(text);
  *cells = 1;
  if (len < 2) return 1;
  const uint8_t *p = (const uint8_t *)text.ptr;
  uint32_t code = len == 2 ? p[0] & 0x1fu : len == 3 ? p[0] & 0x0fu : p[0] & 0x07u;
  for (size_t i = 1; i < len; i++) code = code << 6 | (p[i] & 0x3f);
  /* Unicode's East Asian Width W and F, in blocks (UAX 11). */
  bool is_wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) || (code >= 0xac00 && code <= 0xd7a3) ||
                 (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                 (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd);
  bool is_combining = (code >= 0x300 && code <= 0x36f) || code == 0x200b || code == 0x200d || (code >= 0xfe00 && code <= 0xfe0f);
  *cells = is_wide ? 2 : is_combining ? 0 : 1;
  return len;
}

size_t text_width(struct slice text) {
  size_t width = 0, cells;
  while (text.len) {
    text = slice_skip(text, take_character(text, &cells));
    width += cells;
  }
  return width;
}

/* Printable bytes as they are, others as '?'. */
static void append_character(struct buf *out, struct slice text, size_t len) {
  unsigned char first = (unsigned char)text.ptr[0];
  bool is_shown = len > 1 || (first >= 0x20 && first < 0x7f);
  if (is_shown)
    buf_append(out, text.ptr, len);
  else
    buf_append_byte(out, '?');
}

/* Returns the cells used. */
static size_t append_cut(struct buf *out, struct slice text, size_t width) {
  size_t used = 0, cells;
  bool fits = text_width(text) <= width;
  size_t room = fits ? width : width - (width > 0);
  while (text.len) {
    size_t len = take_character(text, &cells);
    if (used + cells > room) break;
    append_character(out, text, len);
    used += cells;
    text = slice_skip(text, len);
  }
  if (fits || !width) return used;
  buf_append(out, "\xe2\x80\xa6", 3); /* U+2026 */
  return used + 1;
}

static void append_spaces(struct buf *out, size_t count) {
  while (count--) buf_append_byte(out, ' ');
}

void text_append_cut(struct buf *out, struct slice text, size_t width) { append_cut(out, text, width); }

void text_append_left(struct buf *out, struct slice text, size_t width) {
  size_t used = append_cut(out, text, width);
  append_spaces(out, width - used);
}

static void append_right(struct buf *out, const char *text, size_t len, size_t width) {
  if (len < width) append_spaces(out, width - len);
  buf_append(out, text, len);
}

void text_append_count(struct buf *out, uint64_t value, size_t width) {
  char digits[24], grouped[32];
  int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
  size_t used = 0;
  for (int i = 0; i < len; i++) {
    if (i && (len - i) % 3 == 0) grouped[used++] = ',';
    grouped[used++] = digits[i];
  }
  append_right(out, grouped, used, width);
}

void text_append_percent(struct buf *out, uint64_t numerator, uint64_t denominator, size_t width) {
  char text[32];
  if (!denominator) {
    append_right(out, "-", 1, width);
    return;
  }
  double percent = 100.0 * (double)numerator / (double)denominator;
  int len = snprintf(text, sizeof text, percent > 0 && percent < 0.1 ? "%.2f %%" : "%.1f %%", percent);
  append_right(out, text, (size_t)len, width);
}

/* The part of `text` that fits in `room` cells, broken at a space or before a wide character. */
static size_t fit_line(struct slice text, size_t room) {
  size_t at = 0, used = 0, cells, last_break = 0;
  while (at < text.len) {
    struct slice rest = slice_skip(text, at);
    size_t len = take_character(rest, &cells);
    if (rest.ptr[0] == ' ' || (cells == 2 && at > 0)) last_break = at;
    if (used + cells > room) return last_break ? last_break : (at ? at : len);
    used += cells;
    at += len;
  }
  return text.len;
}

void text_append_paragraph(struct buf *out, struct slice label, struct slice text, size_t indent, size_t hang) {
  append_spaces(out, indent);
  text_append_left(out, label, hang - indent);
  text = slice_trim(text);
  for (bool is_first = true; text.len || is_first; is_first = false) {
    if (!is_first) append_spaces(out, hang);
    size_t len = fit_line(text, TEXT_WIDTH - hang);
    struct slice line = slice_trim(slice_of(text.ptr, len));
    for (struct slice rest = line; rest.len;) {
      size_t cells, step = take_character(rest, &cells);
      append_character(out, rest, step);
      rest = slice_skip(rest, step);
    }
    buf_append_byte(out, '\n');
    text = slice_trim(slice_skip(text, len));
  }
}
