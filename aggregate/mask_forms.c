/* People in other forms than that of an address. See mask_forms.h. */
#include "aggregate/mask_forms.h"

#include <tmmintrin.h>

/* Names of people, and how far back the hosts of a route are looked at. */
#define NAME_BYTES_MIN 2
#define NAME_BYTES_MAX 256

/* Sixteen places at a time, by the first and the last byte of what is looked for. */
size_t mask_find(const struct mask_work *work, size_t from, struct slice what) {
  const char *text = work->lower.ptr;
  size_t len = work->lower.len;
  const __m128i first = _mm_set1_epi8(what.ptr[0]), last = _mm_set1_epi8(what.ptr[what.len - 1]);
  for (size_t i = from; i + what.len <= len; i += 16) {
    __m128i front = _mm_loadu_si128((const __m128i *)(text + i)),
            back = _mm_loadu_si128((const __m128i *)(text + i + what.len - 1));
    unsigned bits = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(front, first), _mm_cmpeq_epi8(back, last)));
    for (; bits; bits &= bits - 1) {
      size_t at = i + (size_t)__builtin_ctz(bits);
      if (at + what.len <= len && memcmp(text + at, what.ptr, what.len) == 0) return at;
    }
  }
  return len;
}

/* ---- routes, angles --------------------------------------------------------------------------------------------------------- */

/* "relay!user", "relay.example.com!user": from behind the last '!' of the word. A single word before one '!' is a cry: "Stop!now". */
void mask_bang_path(struct mask_work *work, size_t bang) {
  const char *text = work->lower.ptr;
  size_t begin = bang, end = bang + 1, bangs = 1;
  bool has_host = false;
  while (begin > 0 && bang - begin < NAME_BYTES_MAX && (mask_is_name_byte(text[begin - 1]) || text[begin - 1] == '!')) {
    begin--;
    bangs += text[begin] == '!';
    has_host |= mask_is_alnum(text[begin]) && begin + 1 < bang && !mask_is_alnum(text[begin + 1]);
  }
  while (end < work->text.len && mask_is_name_byte(text[end])) end++;
  bool goes_on = end < work->text.len && text[end] == '!';
  bool is_after_angle = begin > 0 && (text[begin - 1] == '<' || text[begin - 1] == '"');
  if (begin < bang && !goes_on && (has_host || bangs > 1 || is_after_angle)) mask_hide(work, bang + 1, end);
}

/* "john\ doe <addr>": what is left of a local part with a quoted pair when the rest of it is masked already. */
void mask_quoted_pair(struct mask_work *work, size_t backslash) {
  size_t begin = backslash;
  if (backslash + 1 >= work->text.len || work->lower.ptr[backslash + 1] != ' ') return;
  while (begin > 0 && mask_is_local(work->text, 0, begin - 1)) begin--;
  mask_hide(work, begin, backslash + 1);
}

/* Words in angle brackets that are no one: what normalising writes there, and control characters by their names. */
static bool is_no_name(struct slice word) {
  static const struct slice WORDS[] = {SLICE("addr"), SLICE("ip"), SLICE("time"), SLICE("n"),   SLICE("id"),
                                       SLICE("h"),    SLICE("v"),  SLICE("cr"),   SLICE("lf"),  SLICE("crlf"),
                                       SLICE("nul"),  SLICE("sp"), SLICE("null"), SLICE("none")};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (slice_equal(word, WORDS[i])) return true;
  return false;
}

/* "<user>"; with a dot in it it may be a host, unless it stands where Sendmail names the recipient: "<john.doe>... User unknown". */
void mask_angle(struct mask_work *work, size_t open) {
  size_t end = open + 1;
  while (end < work->text.len && mask_is_name_byte(work->lower.ptr[end])) end++;
  struct slice word = slice_of(work->lower.ptr + open + 1, end - open - 1),
               rest = slice_of(work->lower.ptr + end, work->text.len - end);
  if (!slice_starts_with(rest, SLICE(">")) || is_no_name(word)) return;
  if (slice_find_byte(word, '.') == word.len || slice_starts_with(rest, SLICE(">..."))) mask_hide(work, open + 1, end);
}

/* ---- X.400, X.500 ----------------------------------------------------------------------------------------------------------- */

/* Attributes whose value is of a person: always, and where an X.400 or X.500 name stands. */
static const struct slice ALWAYS[] = {SLICE("cn"), SLICE("uid"), SLICE("surname"), SLICE("givenname"), SLICE("given-name")};
static const struct slice OF_X400[] = {SLICE("s"),    SLICE("g"),     SLICE("i"),   SLICE("q"),
                                       SLICE("mail"), SLICE("ua-id"), SLICE("n-id")};

static bool is_in(struct slice word, const struct slice *words, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (slice_equal(word, words[i])) return true;
  return false;
}

static bool has_x400_name(const struct mask_work *work) {
  static const struct slice SIGNS[] = {SLICE("/o="), SLICE(";o="), SLICE(";p="), SLICE("/p="), SLICE("/prmd="), SLICE(";prmd="),
                                       SLICE("/c="), SLICE(";c="), SLICE(";a="), SLICE("/a="), SLICE("/admd=")};
  for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++)
    if (mask_find(work, 0, SIGNS[i]) < work->lower.len) return true;
  return false;
}

/* At its '=': up to what ends the attribute. */
void mask_attribute(struct mask_work *work, size_t equals) {
  const char *lower = work->lower.ptr;
  size_t begin = equals, end = equals + 1;
  while (begin > 0 && ((lower[begin - 1] >= 'a' && lower[begin - 1] <= 'z') || lower[begin - 1] == '-')) begin--;
  struct slice key = slice_of(lower + begin, equals - begin);
  bool is_parameter = begin > 0 && (lower[begin - 1] == '?' || lower[begin - 1] == '&');
  if (is_parameter || !is_in(key, ALWAYS, sizeof ALWAYS / sizeof *ALWAYS)) {
    bool is_of_x400 = !is_parameter && is_in(key, OF_X400, sizeof OF_X400 / sizeof *OF_X400);
    if (!is_of_x400 || !has_x400_name(work)) return;
  }
  while (end < work->text.len && !memchr("/;,>\"')]", lower[end], 8)) end++;
  mask_hide(work, equals + 1, end);
}

/* The word holds a foreign address whole. */
void mask_encapsulated(struct mask_work *work, size_t dash) {
  size_t begin = dash, end = dash;
  while (begin > 0 && !(work->lower.ptr[begin - 1] & 0x80) && mask_is_alnum(work->lower.ptr[begin - 1])) begin--;
  if (!slice_starts_with(slice_of(work->lower.ptr + begin, dash - begin), SLICE("imcea"))) return;
  while (end < work->text.len && mask_is_local(work->text, begin, end)) end++;
  mask_hide(work, begin, end);
}

/* ---- Base64 ----------------------------------------------------------------------------------------------------------------- */

#define ENCODED_BYTES_MIN 12

/* Value + 1 of each digit; 0: none. '-' and '_' are those of URLs. */
static const unsigned char BASE64[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10,
    ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20,
    ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
    ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
    ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63, ['/'] = 64, ['_'] = 64};

static bool is_base64(char c) { return BASE64[(unsigned char)c] != 0; }

/* Whether the word is text in Base64: ids and words of a language decode to bytes that are none. */
static bool is_encoded_text(struct slice word) {
  unsigned bits = 0, held = 0;
  for (size_t i = 0; i < word.len; i++) {
    bits = bits << 6 | (BASE64[(unsigned char)word.ptr[i]] - 1u);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    unsigned byte = bits >> held & 0xff;
    if (byte < ' ' || byte > '~') return false;
  }
  return true;
}

/* Words are short, so one look at where a long one would end passes over most of the text. */
void mask_encoded_words(struct mask_work *work) {
  const char *text = work->text.ptr;
  for (size_t begin = 0; begin + ENCODED_BYTES_MIN <= work->text.len;) {
    size_t end = begin + ENCODED_BYTES_MIN;
    while (end > begin && is_base64(text[end - 1])) end--;
    if (end > begin) {
      begin = end;
      continue;
    }
    end = begin + ENCODED_BYTES_MIN;
    while (end < work->text.len && is_base64(text[end])) end++;
    if (is_encoded_text(slice_of(text + begin, end - begin))) mask_hide(work, begin, end);
    begin = end;
  }
}

/* ---- headers ---------------------------------------------------------------------------------------------------------------- */

/* Behind the header's name: ':' or '=' or an opening quote; where the value begins, 0 when there is none. */
static size_t value_place(struct slice lower, size_t place) {
  size_t at = place;
  while (at < lower.len && lower.ptr[at] == ' ') at++;
  bool is_told = at < lower.len && (lower.ptr[at] == ':' || lower.ptr[at] == '=');
  if (is_told) at++;
  while (at < lower.len && lower.ptr[at] == ' ') at++;
  bool is_quoted = at > place && at < lower.len && memchr("\"'[<(", lower.ptr[at], 5);
  return is_told || is_quoted ? at : 0;
}

void mask_header(struct mask_work *work, size_t place) {
  static const struct slice IDS[] = {{"message-id", 10}, {"message id", 10}, {"messageid", 9}, {"msgid", 5}, {"msg-id", 6}};
  size_t end = place, value;
  while (end > 0 && work->lower.ptr[end - 1] == ' ') end--;
  struct slice before = slice_of(work->lower.ptr, end);
  if (slice_ends_with(before, SLICE("subject"))) {
    value = value_place(work->lower, end);
    if (value) mask_hide(work, value, work->lower.len);
  }
  for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++) {
    if (!slice_ends_with(before, IDS[i])) continue;
    value = value_place(work->lower, end);
    for (end = value; value && end < work->lower.len && work->lower.ptr[end] != ' ';) end++;
    mask_hide(work, value, end);
    return;
  }
}

/* ---- the mail's own people -------------------------------------------------------------------------------------------------- */

/* Roles of RFC 2142 and words that replies are made of: a local part that is one of them tells of nobody. */
static bool is_common(struct slice name) {
  static const struct slice WORDS[] = {SLICE("abuse"),      SLICE("access"),
                                       SLICE("account"),    SLICE("address"),
                                       SLICE("admin"),      SLICE("authentication"),
                                       SLICE("blocked"),    SLICE("bounce"),
                                       SLICE("bounces"),    SLICE("client"),
                                       SLICE("connection"), SLICE("contact"),
                                       SLICE("delivery"),   SLICE("denied"),
                                       SLICE("domain"),     SLICE("dns"),
                                       SLICE("error"),      SLICE("for"),
                                       SLICE("help"),       SLICE("host"),
                                       SLICE("info"),       SLICE("ip"),
                                       SLICE("list"),       SLICE("lists"),
                                       SLICE("local"),      SLICE("mail"),
                                       SLICE("mailbox"),    SLICE("mailer-daemon"),
                                       SLICE("message"),    SLICE("messages"),
                                       SLICE("mx"),         SLICE("news"),
                                       SLICE("no"),         SLICE("noreply"),
                                       SLICE("no-reply"),   SLICE("not"),
                                       SLICE("policy"),     SLICE("postmaster"),
                                       SLICE("quota"),      SLICE("recipient"),
                                       SLICE("recipients"), SLICE("rejected"),
                                       SLICE("relay"),      SLICE("reply"),
                                       SLICE("root"),       SLICE("sales"),
                                       SLICE("sender"),     SLICE("server"),
                                       SLICE("service"),    SLICE("smtp"),
                                       SLICE("spam"),       SLICE("support"),
                                       SLICE("test"),       SLICE("the"),
                                       SLICE("to"),         SLICE("unknown"),
                                       SLICE("user"),       SLICE("users"),
                                       SLICE("webmaster"),  SLICE("www")};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (slice_equal(name, WORDS[i])) return true;
  return false;
}

/* The local part of `address` in lower case, without quotes, in `out` (NAME_BYTES_MAX); empty when it tells of nobody. */
static struct slice name_of(struct slice address, char *out) {
  size_t len = address.len;
  while (len > 0 && address.ptr[len - 1] != '@') len--;
  struct slice local = len ? slice_of(address.ptr, len - 1) : address;
  if (local.len >= 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"') local = slice_of(local.ptr + 1, local.len - 2);
  if (local.len < NAME_BYTES_MIN || local.len > NAME_BYTES_MAX) return SLICE("");
  bool is_number = true; /* short numbers are codes */
  for (size_t i = 0; i < local.len; i++) {
    out[i] = ascii_lower(local.ptr[i]);
    is_number = is_number && (ascii_is_digit(out[i]) || out[i] == '.');
  }
  struct slice name = slice_of(out, local.len);
  return (is_number && name.len < 6) || is_common(name) ? SLICE("") : name;
}

static void hide_words(struct mask_work *work, struct slice name) {
  struct slice lower = work->lower;
  for (size_t at = 0; (at = mask_find(work, at, name)) < lower.len; at += name.len) {
    size_t end = at + name.len;
    bool is_word = (at == 0 || !mask_is_alnum(lower.ptr[at - 1])) && (end == lower.len || !mask_is_alnum(lower.ptr[end]));
    if (is_word) mask_hide(work, at, end);
  }
}

void mask_name(struct mask_work *work, struct slice address) {
  char bytes[NAME_BYTES_MAX];
  struct slice name = name_of(address, bytes);
  if (!name.len) return;
  hide_words(work, name);
  /* john+news is john's. */
  size_t plus = slice_find_byte(name, '+');
  struct slice base = slice_of(name.ptr, plus);
  if (plus < name.len && base.len > NAME_BYTES_MIN && !is_common(base)) hide_words(work, base);
}
