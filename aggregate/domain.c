/* Splitting addresses and normalising domains. See domain.h. */
#include "aggregate/domain.h"

#include <emmintrin.h>
#include <idn2.h>

#include "base/json.h"

_Static_assert(LIMIT_KEY_BYTES <= DOMAIN_SCRATCH_BYTES, "a key fits in its scratch");

/* The longest name that is tried: 63 octets of an A-label stand for at most 59 characters of four bytes. */
#define U_LABELS_MAX 1023

/* ASCII upper case letters and bytes from 0x80 on: what must not stand in a key as it is. */
struct bytes_seen {
  bool has_upper, has_high;
};

/* The first `len` bytes, zeros behind them, by loads that overlap: a copy of variable length would wait for its own stores. */
static uint64_t load_short(const char *ptr, size_t len) {
  if (len >= 4) {
    uint32_t head, tail;
    memcpy(&head, ptr, 4);
    memcpy(&tail, ptr + len - 4, 4);
    return head | (uint64_t)tail << 8 * (len - 4);
  }
  if (!len) return 0;
  return (uint8_t)ptr[0] | (uint64_t)(uint8_t)ptr[len / 2] << 8 * (len / 2) | (uint64_t)(uint8_t)ptr[len - 1] << 8 * (len - 1);
}

struct seen_16 {
  __m128i upper, high;
};

static inline void look_at_16(__m128i bytes, struct seen_16 *seen) {
  __m128i from_a = _mm_sub_epi8(bytes, _mm_set1_epi8('A'));
  seen->upper = _mm_or_si128(seen->upper, _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8('Z' - 'A')), from_a));
  seen->high = _mm_or_si128(seen->high, bytes);
}

/* Sixteen bytes at a time, the last sixteen perhaps twice; shorter ones as two words that overlap. */
static struct bytes_seen look_at(struct slice text) {
  struct seen_16 seen = {_mm_setzero_si128(), _mm_setzero_si128()};
  if (text.len >= 16) {
    for (size_t i = 0; i < text.len - 16; i += 16) look_at_16(_mm_loadu_si128((const __m128i *)(text.ptr + i)), &seen);
    look_at_16(_mm_loadu_si128((const __m128i *)(text.ptr + text.len - 16)), &seen);
  } else {
    uint64_t head, tail = 0;
    if (text.len >= 8) {
      memcpy(&head, text.ptr, 8);
      memcpy(&tail, text.ptr + text.len - 8, 8);
    } else {
      head = load_short(text.ptr, text.len);
    }
    look_at_16(_mm_set_epi64x((long long)tail, (long long)head), &seen);
  }
  return (struct bytes_seen){.has_upper = _mm_movemask_epi8(seen.upper) != 0, .has_high = _mm_movemask_epi8(seen.high) != 0};
}

static struct slice without_trailing_dots(struct slice domain) {
  while (domain.len && domain.ptr[domain.len - 1] == '.') domain.len--;
  return domain;
}

static struct slice lower(struct slice text, char *scratch) {
  for (size_t i = 0; i < text.len; i++) scratch[i] = ascii_lower(text.ptr[i]);
  return slice_of(scratch, text.len);
}

/* The A-label form into scratch; false when IDNA refuses the name. */
static bool to_a_labels(struct slice domain, char *scratch, struct slice *out) {
  char name[U_LABELS_MAX + 1];
  if (domain.len > U_LABELS_MAX || memchr(domain.ptr, 0, domain.len)) return false;
  memcpy(name, domain.ptr, domain.len);
  name[domain.len] = 0;
  uint8_t *converted = NULL;
  if (idn2_lookup_u8((const uint8_t *)name, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) return false;
  struct slice ascii = without_trailing_dots(slice_from_cstr((const char *)converted));
  bool is_usable = ascii.len > 0 && ascii.len <= LIMIT_KEY_BYTES && !look_at(ascii).has_high;
  if (is_usable) *out = lower(ascii, scratch);
  idn2_free(converted);
  return is_usable;
}

static struct slice normalise_high(struct slice domain, char *scratch) {
  struct slice out;
  if (to_a_labels(domain, scratch, &out)) return out;
  out = lower(slice_of(scratch, utf8_copy_clean(domain, scratch, LIMIT_KEY_BYTES)), scratch);
  return without_trailing_dots(out);
}

struct slice domain_normalise(struct slice domain, char *scratch) {
  domain = without_trailing_dots(domain);
  if (!domain.len) return SLICE("");
  struct bytes_seen seen = look_at(domain);
  if (seen.has_high) return normalise_high(domain, scratch);
  if (domain.len > LIMIT_KEY_BYTES) domain = without_trailing_dots(slice_of(domain.ptr, LIMIT_KEY_BYTES));
  return seen.has_upper ? lower(domain, scratch) : domain;
}

bool domain_is_plain(struct slice text) {
  if (!text.len || text.len > LIMIT_KEY_BYTES || text.ptr[text.len - 1] == '.') return false;
  struct bytes_seen seen = look_at(text);
  return !seen.has_upper && !seen.has_high;
}

/* The place behind the last '@' that stands outside of "quotes" (RFC 5321 4.1.2), 0 for none. */
static size_t find_domain_outside_quotes(struct slice address) {
  size_t place = 0;
  bool is_quoted = false;
  for (size_t i = 0; i < address.len; i++) {
    char c = address.ptr[i];
    if (c == '\\' && is_quoted)
      i++;
    else if (c == '"')
      is_quoted = !is_quoted;
    else if (c == '@' && !is_quoted)
      place = i + 1;
  }
  return place;
}

size_t domain_place(struct slice address) {
  const char *at = address.len ? memrchr(address.ptr, '@', address.len) : NULL;
  if (!at) return 0;
  if (memchr(address.ptr, '"', address.len)) return find_domain_outside_quotes(address);
  return (size_t)(at - address.ptr) + 1;
}

struct slice domain_of_address(struct slice address, char *scratch) {
  size_t place = domain_place(address);
  return place ? domain_normalise(slice_skip(address, place), scratch) : SLICE("");
}

struct slice key_clean(struct slice text, char *scratch) {
  if (!text.len) return SLICE("");
  if (look_at(text).has_high) return slice_of(scratch, utf8_copy_clean(text, scratch, LIMIT_KEY_BYTES));
  return slice_of(text.ptr, text.len < LIMIT_KEY_BYTES ? text.len : LIMIT_KEY_BYTES);
}
