/* Finds local parts from the '@' backwards. See mask.h. */
#include "aggregate/mask.h"

#include "base/json.h"

/* atext of RFC 5322 3.2.3, the dot, the backslash of quoted pairs, and every byte of UTF-8 (RFC 6531). */
static const bool IS_LOCAL_BYTE[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, [0x80 ... 0xff] = true, ['.'] = true,
    ['\\'] = true,        ['!'] = true,         ['#'] = true,         ['$'] = true,           ['%'] = true,
    ['&'] = true,         ['\''] = true,        ['*'] = true,         ['+'] = true,           ['-'] = true,
    ['/'] = true,         ['='] = true,         ['?'] = true,         ['^'] = true,           ['_'] = true,
    ['`'] = true,         ['{'] = true,         ['|'] = true,         ['}'] = true,           ['~'] = true,
};

/* Local parts of old have quoted pairs outside of quotes: "john\ doe". */
static bool is_in_local_part(struct slice reply, size_t begin, size_t place) {
  return IS_LOCAL_BYTE[(unsigned char)reply.ptr[place]] || (place > begin && reply.ptr[place - 1] == '\\');
}

/* The opening quote of the quoted string whose closing quote is at `closing`; `closing` when there is none. */
static size_t find_opening_quote(struct slice reply, size_t begin, size_t closing) {
  for (size_t place = closing; place > begin; place--) {
    bool is_escaped = place - 1 > begin && reply.ptr[place - 2] == '\\';
    if (reply.ptr[place - 1] == '"' && !is_escaped) return place - 1;
  }
  return closing;
}

/* Where the local part begins that ends before `end`; never before `begin`. A quote counts only where a word of the local part may
 * end, so that `"foo" said "john@x"` is not taken for one long word. */
static size_t find_local_part(struct slice reply, size_t begin, size_t end) {
  size_t place = end;
  while (place > begin) {
    bool may_end_word = place == end || reply.ptr[place] == '.';
    if (reply.ptr[place - 1] == '"' && may_end_word)
      place = find_opening_quote(reply, begin, place - 1);
    else if (is_in_local_part(reply, begin, place - 1))
      place--;
    else
      break;
  }
  return place;
}

/* RFC 5321 4.5.3.1.1: no local part is longer. */
#define LOCAL_PART_MAX 64

/* The '@' behind the quoted local part that the '@' at `at` is inside of ("john@doe"@example.com), or `at`. */
static size_t leave_quotes(struct slice reply, size_t begin, size_t at) {
  struct slice near = slice_skip(reply, at);
  if (near.len > LOCAL_PART_MAX) near.len = LOCAL_PART_MAX;
  size_t end = at + slice_find(near, SLICE("\"@"));
  if (end == at + near.len || memchr(reply.ptr + at, '"', end - at)) return at;
  return find_opening_quote(reply, begin, at) < at ? end + 1 : at;
}

/* The '@' or "%40" of the next address from `from` on, reply.len when there is none. */
static size_t find_at(struct slice reply, size_t from) {
  struct slice rest = slice_skip(reply, from);
  size_t at = slice_find_byte(rest, '@');
  size_t percent = slice_find_byte(slice_of(rest.ptr, at), '%');
  size_t encoded = percent < at ? slice_find(slice_of(rest.ptr, at), SLICE("%40")) : at;
  if (encoded < at) return from + encoded;
  return at < rest.len ? leave_quotes(reply, from, from + at) : reply.len;
}

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

size_t mask_addresses(struct slice reply, char *ptr) {
  struct output out = {.len = 0};
  for (size_t done = 0; done < reply.len && out.len <= LIMIT_TEMPLATE_BYTES;) {
    size_t at = find_at(reply, done);
    /* A reply that was cut may end in the midst of a local part. */
    bool has_local_part = at < reply.len || reply.len >= LIMIT_REPLY_BYTES;
    size_t local = has_local_part ? find_local_part(reply, done, at) : at;
    write_clean(&out, slice_of(reply.ptr + done, local - done));
    if (out.len > LIMIT_TEMPLATE_BYTES) break;
    if (local < at) write_clean(&out, SLICE("***"));
    if (at < reply.len) write_clean(&out, slice_of(reply.ptr + at, 1));
    done = at + 1;
  }
  size_t len = cut_between_characters(&out);
  memcpy(ptr, out.bytes, len);
  return len;
}
