/* Tells whose log a line is of. See recognise.h. */
#include "ingest/recognise.h"

#include "ingest/formats.h"
#include "ingest/syslog.h"

/* Only where the header ends matters, not when it was: no zone, and stamps without a year are of some year for which the reader keeps the
 * minute. */
#define SOME_TIME_US (1451606400 * US_PER_SECOND)

void recogniser_init(struct recogniser *recogniser) { stamp_reader_init(&recogniser->stamps, NULL, SOME_TIME_US, INT64_MAX / 2); }

bool recognise_own_date(const char *p, const char *end) {
  return end - p >= 20 && ascii_is_digit(*p) && p[4] == '-' && p[7] == '-' && p[10] == ' ' && p[13] == ':' && p[16] == ':';
}

/* Whether a header of syslog stands at p, which begins with a date as Exim writes it: "mx1 program[4711]: " or "mx1 instance/program: " must
 * follow. What a server writes behind a date of its own has no such word there. */
static bool has_program(const struct syslog_header *header) {
  const char *p = header->text - 4; /* at the ']' of "]: " when there is one */
  if (!slice_is_absent(header->instance)) return true;
  if (slice_is_absent(header->host) || !header->service.len || memcmp(p + 1, "]: ", 3) != 0) return false;
  const char *digit = p;
  while (ascii_is_digit(*digit)) digit--;
  return *digit == '[' && digit < p;
}

/* Whether the second word behind a date ends with a ':', and the line may have a header at all. */
static bool has_colon_word(const char *p, const char *end) {
  for (unsigned word = 0; word < 2; word++) {
    p = memchr(p, ' ', (size_t)(end - p));
    if (!p || ++p == end) return false;
  }
  const char *blank = memchr(p, ' ', (size_t)(end - p));
  return (blank ? blank : end)[-1] == ':';
}

void recognise_shape(struct recogniser *recogniser, const char *p, const char *end, const char *limit, struct line_shape *out) {
  struct syslog_header header;
  *out = (struct line_shape){.begin = p, .end = end, .text = p};
  /* A month, a year or a priority. */
  if (!ascii_is_digit(*p) && (*p < 'A' || *p > 'S') && *p != '<') return;
  bool is_own_date = recognise_own_date(p, end);
  if (is_own_date && !has_colon_word(p + 11, end)) return;
  if (!syslog_read(&recogniser->stamps, p, end, limit, &header)) return;
  if (is_own_date && !has_program(&header)) return;
  if (header.host.len && *header.host.ptr == '[' && slice_is_absent(header.service))
    return; /* STAMP [NOTICE] [...] is Haraka's own */
  out->is_syslog = true;
  out->host = header.host;
  out->instance = header.instance;
  out->program = header.service;
  out->text = header.text;
}

const struct format *recognise_shaped(const struct line_shape *shape) {
  const struct format *format;
  for (size_t i = 0; (format = format_at(i)); i++)
    if (format->recognise && format->recognise(shape)) return format;
  return NULL;
}

/* Places of the blanks in 32 bytes at p, one bit each. */
static inline uint32_t find_blanks(const char *p) {
  __m128i blank = _mm_set1_epi8(' ');
  uint32_t low = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), blank));
  uint32_t high = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 16)), blank));
  return low | high << 16;
}

/* Whether "host postfix/" stands behind something as long as a stamp: a quarter of the cost of the whole shape, for the most frequent line.
 * If the stamp is none, no other format has a line that begins so. USUAL_BYTES at p may be read. */
#define USUAL_BYTES 128
static inline bool is_usual_postfix(const char *p, const char *end) {
  const char *host = p + 16;
  if (ascii_is_digit(*p)) {
    uint32_t blanks = find_blanks(p + 19);
    if (p[10] != 'T' || !blanks) return false;
    host = p + 19 + __builtin_ctz(blanks) + 1;
  } else if (*p < 'A' || *p > 'S' || p[3] != ' ' || p[15] != ' ') {
    return false;
  }
  uint32_t blanks = find_blanks(host);
  if (!blanks) return false;
  const char *behind_host = host + __builtin_ctz(blanks);
  return behind_host[-1] != ':' && load_u64(behind_host + 1) == load_u64("postfix/") && behind_host + 9 <= end;
}

const struct format *recognise_line(struct recogniser *recogniser, const char *p, const char *end, const char *limit) {
  struct line_shape shape;
  if (limit - p >= USUAL_BYTES && is_usual_postfix(p, end)) return &FORMAT_POSTFIX;
  recognise_shape(recogniser, p, end, limit, &shape);
  return recognise_shaped(&shape);
}
