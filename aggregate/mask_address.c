/* Finds local parts from the '@' backwards, however the '@' is written. See mask_forms.h. */
#include "aggregate/mask_forms.h"

/* atext of RFC 5322 3.2.3, the dot, the backslash of quoted pairs, and every byte of UTF-8 (RFC 6531). */
static const bool IS_LOCAL_BYTE[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, [0x80 ... 0xff] = true, ['.'] = true,
    ['\\'] = true,        ['!'] = true,         ['#'] = true,         ['$'] = true,           ['%'] = true,
    ['&'] = true,         ['\''] = true,        ['*'] = true,         ['+'] = true,           ['-'] = true,
    ['/'] = true,         ['='] = true,         ['?'] = true,         ['^'] = true,           ['_'] = true,
    ['`'] = true,         ['{'] = true,         ['|'] = true,         ['}'] = true,           ['~'] = true,
};

/* Local parts of old have quoted pairs outside of quotes: "john\ doe". */
bool mask_is_local(struct slice reply, size_t begin, size_t place) {
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
    else if (mask_is_local(reply, begin, place - 1))
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

/* Whether a domain begins at `place`: labels with a dot between, the last of two letters at least. */
static bool is_domain_at(struct slice lower, size_t place) {
  size_t end = place;
  while (end < lower.len && (mask_is_alnum(lower.ptr[end]) || lower.ptr[end] == '-' || lower.ptr[end] == '.')) end++;
  while (end > place && lower.ptr[end - 1] == '.') end--;
  size_t label = end;
  while (label > place && lower.ptr[label - 1] != '.') label--;
  return label > place + 1 && label + 2 <= end && mask_is_alnum(lower.ptr[place]) && !ascii_is_digit(lower.ptr[label]);
}

/* The length of the at sign at `place`, 0 when there is none. Those that may mean something else need a domain behind them. */
static size_t at_sign_len(struct slice lower, size_t place) {
  static const struct slice SURE[] = {{"@", 1}, {"%40", 3}, {"%2540", 5}, {"&#64;", 5}, {"&#x40;", 6}, {"&commat;", 8}};
  static const struct slice UNSURE[] = {{"=40", 3}, {"+40", 3}, {"(at)", 4}, {"[at]", 4}, {"_at_", 4}};
  struct slice here = slice_skip(lower, place);
  if (here.len < 3) return here.ptr[0] == '@';
  if (here.ptr[0] != '@' && !memchr("42#ca([", here.ptr[1], 7)) return 0;
  for (size_t i = 0; i < sizeof SURE / sizeof *SURE; i++)
    if (slice_starts_with(here, SURE[i])) return SURE[i].len;
  for (size_t i = 0; i < sizeof UNSURE / sizeof *UNSURE; i++)
    if (slice_starts_with(here, UNSURE[i]) &&
        is_domain_at(lower, place + UNSURE[i].len + (lower.ptr[place + UNSURE[i].len] == ' ')))
      return UNSURE[i].len;
  return 0;
}

/* Words behind which a name comes: "no mailbox john at example.com", but "refused at example.com". */
static bool announces_name(struct slice word) {
  static const struct slice WORDS[] = {SLICE("user"),    SLICE("mailbox"), SLICE("recipient"), SLICE("account"),
                                       SLICE("address"), SLICE("to"),      SLICE("for"),       SLICE("from"),
                                       SLICE("sender"),  SLICE("by"),      SLICE("contact"),   SLICE("mail")};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (slice_equal(word, WORDS[i])) return true;
  return false;
}

/* `space` is that before "at". */
static void take_spoken_address(struct mask_work *work, size_t space) {
  const char *lower = work->lower.ptr;
  size_t begin = space;
  while (begin > 0 && mask_is_local(work->text, 0, begin - 1)) begin--;
  bool looks_like_name = false;
  for (size_t i = begin; i < space; i++) looks_like_name |= lower[i] < 'a' || lower[i] > 'z';
  size_t before = begin;
  while (before > 0 && lower[before - 1] == ' ') before--;
  size_t word = before;
  while (word > 0 && mask_is_alnum(lower[word - 1])) word--;
  bool is_in_angles = begin > 0 && lower[begin - 1] == '<';
  if (looks_like_name || is_in_angles || announces_name(slice_of(lower + word, before - word))) mask_hide(work, begin, space);
}

void mask_spoken_addresses(struct mask_work *work) {
  for (size_t at = 0; (at = mask_find(work, at, SLICE(" at "))) < work->lower.len; at++)
    if (is_domain_at(work->lower, at + 4)) take_spoken_address(work, at);
}

void mask_at_sign(struct mask_work *work, size_t place) {
  size_t len = place < work->done ? 0 : at_sign_len(work->lower, place), at = place;
  if (!len) return;
  if (len == 1) at = leave_quotes(work->text, work->done, place);
  size_t end = at;
  while (len > 1 && end > work->done && work->lower.ptr[end - 1] == ' ') end--;
  mask_hide(work, find_local_part(work->text, work->done, end), end);
  work->done = at + len;
}

void mask_cut_address(struct mask_work *work) {
  if (work->text.len >= LIMIT_REPLY_BYTES) mask_hide(work, find_local_part(work->text, work->done, work->text.len), work->text.len);
}
