/* Writes what was in an envelope as the plain line it would have been in a log file. See envelope.h. */
#include "base/clock.h"
#include "ingest/envelope.h"
#include "ingest/recognise.h"
#include "ingest/syslog.h"

void line_writer_init(struct line_writer *writer, const struct zone *zone, const struct batch *batch, const struct parser *parser) {
  writer->batch_time_us = batch->reference_time_us == TIME_US_ABSENT ? parser->time_rules->now_us : batch->reference_time_us;
  writer->outer_day_us = TIME_US_ABSENT;
  writer->is_record = parser->format->is_record;
  writer->is_mixed = !parser->format->recognise;
  writer->newlines = 0;
  stamp_reader_init(&writer->stamps, zone, batch->reference_time_us, parser->time_rules->now_us);
  stamp_reader_init(&writer->outer, zone, batch->reference_time_us, parser->time_rules->now_us);
}

/* ---- times -------------------------------------------------------------------------------------------------------------------- */

/* A number's unit is told by its size: seconds are below 10^11 until the year 5138, milliseconds below 10^14, and so on. */
bool epoch_read(struct slice text, int64_t *time_us) {
  int64_t whole = 0, fraction = 0, scale = US_PER_SECOND;
  size_t i = 0;
  for (; i < text.len && ascii_is_digit(text.ptr[i]); i++) {
    if (whole > INT64_MAX / 10 - 1) return false;
    whole = whole * 10 + (text.ptr[i] - '0');
  }
  if (i == 0) return false;
  if (i < text.len && text.ptr[i] == '.') {
    for (i++; i < text.len && ascii_is_digit(text.ptr[i]); i++) {
      scale /= 10;
      fraction += (text.ptr[i] - '0') * scale;
    }
  }
  if (i != text.len) return false;
  if (whole < 100000000000)
    *time_us = whole * US_PER_SECOND + fraction;
  else if (whole < 100000000000000)
    *time_us = whole * 1000;
  else if (whole < 100000000000000000)
    *time_us = whole;
  else
    *time_us = whole / 1000;
  return true;
}

static const char *skip_digits(const char *p, const char *end) {
  while (p < end && ascii_is_digit(*p)) p++;
  return p;
}

/* RFC 3339 and its usual variants: a blank for the 'T' or before the offset, any number of digits of the second. At most six digits are
 * written, which is what stamps are read with at full speed. */
static bool append_rfc3339(struct buf *out, struct slice text) {
  const char *p = text.ptr, *end = p + text.len;
  if (text.len < 19 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' || p[16] != ':') return false;
  size_t begin = out->len;
  buf_append(out, p, 19);
  out->ptr[begin + 10] = 'T';
  p += 19;
  if (p < end && (*p == '.' || *p == ',')) {
    const char *digits = p + 1;
    p = skip_digits(digits, end);
    size_t kept = p - digits > 6 ? 6 : (size_t)(p - digits);
    if (kept) {
      buf_append_byte(out, '.');
      buf_append(out, digits, kept);
    }
  }
  if (p < end && *p == ' ') p++;
  if (end - p == 3 && memcmp(p, "UTC", 3) == 0) {
    buf_append_byte(out, 'Z');
  } else {
    if (end - p > 6) return false;
    buf_append_slice(out, slice_between(p, end)); /* "Z", "+01:00", "+0100", or nothing */
  }
  return true;
}

/* Whether what stands at the end of `out` from `begin` on is a stamp; else it is taken off, so that it does not become a part of the line's
 * text. Some bytes more are made readable, so that stamps of the same minute cost next to nothing. */
static bool keep_stamp(struct line_writer *writer, size_t begin, struct buf *out, int64_t *time_us) {
  buf_append_byte(out, ' ');
  memset(buf_reserve(out, 64), 0, 64);
  bool is_stamp = stamp_read(&writer->outer, out->ptr + begin, out->ptr + out->len + 64, time_us) == out->len - begin;
  out->len = is_stamp ? out->len - 1 : begin;
  return is_stamp;
}

/* The envelope's time as a stamp at the end of `out`; false when it has none that can be read. */
static bool append_time(struct line_writer *writer, const struct wrapped_line *line, struct buf *out) {
  size_t begin = out->len;
  int64_t time_us = line->time_us;
  struct slice text = slice_trim(line->time);
  if (!slice_is_absent(text) && !epoch_read(text, &time_us)) {
    bool is_rfc3339 = text.len && ascii_is_digit(*text.ptr);
    if (is_rfc3339 ? !append_rfc3339(out, text) : text.len != 14 && text.len != 15) {
      out->len = begin;
      return false;
    }
    if (!is_rfc3339) buf_append_slice(out, text);
    return keep_stamp(writer, begin, out, &time_us);
  }
  if (time_us == TIME_US_ABSENT || time_us < 0) return false;
  out->len += clock_format_rfc3339(time_us, buf_reserve(out, 32));
  return true;
}

/* The envelope's time to the day, which is enough to tell the year of a stamp near it; TIME_US_ABSENT when it has none. */
static int64_t outer_day_us(struct line_writer *writer, const struct wrapped_line *line, struct buf *out) {
  bool has_date = line->time.len >= sizeof writer->outer_day && line->time.ptr[4] == '-';
  if (has_date && writer->outer_day_us != TIME_US_ABSENT &&
      memcmp(line->time.ptr, writer->outer_day, sizeof writer->outer_day) == 0)
    return writer->outer_day_us;
  size_t begin = out->len;
  int64_t time_us = TIME_US_ABSENT;
  if (append_time(writer, line, out) && !keep_stamp(writer, begin, out, &time_us)) time_us = TIME_US_ABSENT;
  out->len = begin;
  writer->outer_day_us = TIME_US_ABSENT;
  if (!has_date) return time_us;
  memcpy(writer->outer_day, line->time.ptr, sizeof writer->outer_day);
  writer->outer_day_us = time_us;
  return time_us;
}

/* ---- lines -------------------------------------------------------------------------------------------------------------------- */

static void append_text(struct line_writer *writer, struct slice text, struct buf *out) {
  size_t begin = out->len;
  buf_append_slice(out, text);
  char *at = out->ptr + begin, *end = out->ptr + out->len;
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
    *at++ = ' ';
    writer->newlines++;
  }
}

void line_writer_write_text(struct line_writer *writer, struct slice text, struct buf *out) {
  append_text(writer, text, out);
  buf_append_byte(out, '\n');
}

/* A name as a header may hold it: what would end it there becomes '_'. */
static void append_name(struct slice name, struct buf *out) {
  char *to = buf_reserve(out, name.len);
  for (size_t i = 0; i < name.len; i++) {
    unsigned char c = (unsigned char)name.ptr[i];
    to[i] = c <= ' ' || c == '[' || c == ']' || c == 0x7f ? '_' : (char)c;
  }
  out->len += name.len;
}

static void append_name_or_dash(struct slice name, struct buf *out) {
  buf_append_byte(out, ' ');
  append_name(name.len ? name : SLICE("-"), out);
}

/* "STAMP host program[pid]: ", or where one of them is missing, RFC 5424's header, which tells a missing one from a short one. */
static void append_header(struct line_writer *writer, const struct wrapped_line *line, struct buf *out) {
  size_t begin = out->len;
  bool is_whole = line->host.len && line->program.len && line->program.ptr[line->program.len - 1] != ':';
  if (is_whole && append_time(writer, line, out)) {
    append_name_or_dash(line->host, out);
    append_name_or_dash(line->program, out);
    if (line->pid.len) {
      buf_append_byte(out, '[');
      append_name(line->pid, out);
      buf_append_byte(out, ']');
    }
    buf_append(out, ": ", 2);
    return;
  }
  out->len = begin;
  buf_append(out, "<22>1 ", 6);
  if (!append_time(writer, line, out)) buf_append_byte(out, '-');
  append_name_or_dash(line->host, out);
  append_name_or_dash(line->program, out);
  append_name_or_dash(line->pid, out);
  buf_append(out, " - - ", 5);
}

/* Where the message has a stamp without a year, the time that the envelope's tells; TIME_US_ABSENT when the format will find the same, or nothing
 * better is known. `stamp` is the stamp. */
static int64_t better_time_us(struct line_writer *writer, const struct wrapped_line *line, const char *stamp, const char *end,
                              struct buf *out) {
  static const int64_t DAY_US = SECONDS_PER_DAY * US_PER_SECOND;
  int64_t reference_us = outer_day_us(writer, line, out), time_us;
  if (reference_us == TIME_US_ABSENT) return TIME_US_ABSENT;
  if (writer->stamps.reference_time_us != reference_us) {
    int64_t apart_us = reference_us - writer->stamps.reference_time_us;
    if (apart_us > DAY_US || apart_us < -DAY_US) writer->stamps.seconds_at = 0; /* the minute may be another year's */
    writer->stamps.reference_time_us = reference_us;
  }
  if (!stamp_read(&writer->stamps, stamp, end, &time_us) || time_us == TIME_US_ABSENT) return TIME_US_ABSENT;
  /* The format takes the latest year that is not over a day after the batch's time. */
  int64_t before_us = writer->batch_time_us + DAY_US - time_us;
  return before_us >= 0 && before_us < 364 * DAY_US ? TIME_US_ABSENT : time_us;
}

/* The message has a header; what it lacks is put into it. */
static void append_own_header(struct line_writer *writer, const struct wrapped_line *line, const struct syslog_header *header,
                              struct slice message, struct buf *out) {
  const char *begin = message.ptr, *end = begin + message.len, *stamp = begin, *rest = begin;
  if (*stamp == '<') stamp = (const char *)memchr(stamp, '>', message.len) + 1;
  bool lacks_host = slice_is_absent(header->host) && line->host.len;
  if (STARTS_WITH(stamp, end, "1 ")) { /* "<22>1 STAMP - program ..." */
    const char *blank = lacks_host ? memchr(stamp + 2, ' ', (size_t)(end - stamp - 2)) : NULL;
    if (blank && STARTS_WITH(blank, end, " - ")) {
      buf_append_slice(out, slice_between(begin, blank + 1));
      append_name(line->host, out);
      rest = blank + 2;
    }
    append_text(writer, slice_between(rest, end), out);
    return;
  }
  int64_t time_us = ascii_is_digit(*stamp) ? TIME_US_ABSENT : better_time_us(writer, line, stamp, end, out);
  if (time_us != TIME_US_ABSENT || lacks_host) {
    int64_t ignored;
    rest = stamp + stamp_read(&writer->stamps, stamp, end, &ignored);
    if (time_us != TIME_US_ABSENT) {
      out->len += clock_format_rfc3339(time_us, buf_reserve(out, 32));
      buf_append_byte(out, ' ');
    } else {
      buf_append_slice(out, slice_between(stamp, rest));
    }
    if (lacks_host) {
      append_name(line->host, out);
      buf_append_byte(out, ' ');
    }
  }
  append_text(writer, slice_between(rest, end), out);
}

/* Cheaply: most messages without a header begin otherwise. A date with a blank for the 'T' may be the server's own, behind which no host and
 * program stand (Exim). */
static bool read_own_header(struct line_writer *writer, struct slice message, struct syslog_header *header) {
  if (message.len < 16) return false;
  char c = *message.ptr;
  const char *end = message.ptr + message.len;
  bool is_rfc3339 = ascii_is_digit(c) && message.ptr[4] == '-', is_rfc3164 = c >= 'A' && c <= 'S' && message.ptr[3] == ' ';
  if (!is_rfc3339 && !is_rfc3164 && c != '<') return false;
  if (!syslog_read(&writer->stamps, message.ptr, end, end, header)) return false;
  return !ascii_is_digit(c) || message.ptr[10] != ' ' || (!slice_is_absent(header->host) && !slice_is_absent(header->service));
}

static bool is_record(const struct line_writer *writer, struct slice message) {
  struct recogniser recogniser;
  if (!writer->is_mixed) return writer->is_record;
  /* All records begin otherwise than a header. */
  if (!message.len || (*message.ptr != '{' && (*message.ptr < 'a' || *message.ptr > 'z'))) return false;
  recogniser_init(&recogniser);
  const char *end = message.ptr + message.len;
  const struct format *format = recognise_line(&recogniser, message.ptr, end, end);
  return format && format->is_record;
}

void line_writer_write(struct line_writer *writer, const struct wrapped_line *line, struct buf *out) {
  struct slice message = line->message;
  struct syslog_header header;
  while (message.len && (message.ptr[message.len - 1] == '\n' || message.ptr[message.len - 1] == '\r')) message.len--;
  if (!is_record(writer, message)) {
    while (message.len && *message.ptr == ' ') message = slice_skip(message, 1); /* rsyslog's msg begins with one */
    if (read_own_header(writer, message, &header)) {
      append_own_header(writer, line, &header, message, out);
      buf_append_byte(out, '\n');
      return;
    }
    bool knows_something = !slice_is_absent(line->time) || line->time_us != TIME_US_ABSENT || line->host.len || line->program.len;
    if (knows_something) append_header(writer, line, out);
  }
  line_writer_write_text(writer, message, out);
}
