/* What is hidden of a reply becomes "***". See mask.h, mask_forms.h. */
#include "aggregate/mask.h"

#include <tmmintrin.h>

#include "aggregate/mask_forms.h"
#include "base/json.h"

/* Room for one character more than is kept: then what comes behind the cut cannot slip in where a longer character did not fit. */
struct output {
  char bytes[LIMIT_TEMPLATE_BYTES + 4];
  size_t len;
};

static void write_clean(struct output *out, struct slice text) {
  out->len += utf8_copy_clean(text, out->bytes + out->len, sizeof out->bytes - out->len);
}

/* LIMIT_TEMPLATE_BYTES, or less by the beginning of a character. */
static size_t cut_between_characters(const struct output *out) {
  if (out->len <= LIMIT_TEMPLATE_BYTES) return out->len;
  size_t len = LIMIT_TEMPLATE_BYTES;
  while (len && ((unsigned char)out->bytes[len] & 0xc0) == 0x80) len--;
  return len;
}

static void write_masked(const struct mask_work *work, struct output *out) {
  for (size_t i = 0; i < work->text.len && out->len <= LIMIT_TEMPLATE_BYTES;) {
    const bool *other = memchr(work->hidden + i, !work->hidden[i], work->text.len - i);
    size_t end = other ? (size_t)(other - work->hidden) : work->text.len;
    write_clean(out, work->hidden[i] ? SLICE("***") : slice_of(work->text.ptr + i, end - i));
    i = end;
  }
}

static void take_byte(struct mask_work *work, size_t place) {
  switch (work->lower.ptr[place]) {
    case '=':
      mask_attribute(work, place);
      mask_header(work, place);
      mask_at_sign(work, place);
      break;
    case '(':
    case '[':
      mask_header(work, place);
      mask_at_sign(work, place);
      break;
    case '<':
      mask_angle(work, place);
      mask_header(work, place);
      break;
    case ':':
    case '"':
    case '\'': mask_header(work, place); break;
    case '!': mask_bang_path(work, place); break;
    case '\\': mask_quoted_pair(work, place); break;
    case '-': mask_encapsulated(work, place); break;
    default: mask_at_sign(work, place); break;
  }
}

/* Bits of those of sixteen bytes that take_byte must see: ! " % & ' ( + - : < = @ [ \ _, by their high and their low half. */
static unsigned telling_bytes(const char *at) {
  const __m128i by_high = _mm_setr_epi8(0, 0, 1, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128i by_low = _mm_setr_epi8(4, 1, 1, 0, 0, 1, 1, 1, 1, 0, 2, 1 | 8, 2 | 8, 1 | 2, 0, 8);
  __m128i bytes = _mm_loadu_si128((const __m128i *)at), half = _mm_set1_epi8(0x0f);
  __m128i high = _mm_shuffle_epi8(by_high, _mm_and_si128(_mm_srli_epi16(bytes, 4), half));
  __m128i low = _mm_shuffle_epi8(by_low, _mm_and_si128(bytes, half));
  return ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(high, low), _mm_setzero_si128())) & 0xffff;
}

size_t mask_text(struct slice text, const struct mask_names *names, char *ptr) {
  struct mask_work work;
  struct output out = {.len = 0};
  work.text = text.len > LIMIT_REPLY_BYTES ? slice_of(text.ptr, LIMIT_REPLY_BYTES) : text;
  work.lower = slice_of(work.lower_bytes, work.text.len);
  work.done = 0;
  for (size_t i = 0; i < work.text.len; i++) work.lower_bytes[i] = ascii_lower(work.text.ptr[i]);
  memset(work.lower_bytes + work.text.len, 0, 16);
  memset(work.hidden, false, work.text.len);
  for (size_t block = 0; block < work.text.len; block += 16)
    for (unsigned bits = telling_bytes(work.lower_bytes + block); bits; bits &= bits - 1)
      take_byte(&work, block + (size_t)__builtin_ctz(bits));
  mask_cut_address(&work);
  mask_spoken_addresses(&work);
  mask_encoded_words(&work);
  mask_name(&work, names->recipient);
  mask_name(&work, names->orig_recipient);
  mask_name(&work, names->sender);
  write_masked(&work, &out);
  size_t len = cut_between_characters(&out);
  memcpy(ptr, out.bytes, len);
  return len;
}
