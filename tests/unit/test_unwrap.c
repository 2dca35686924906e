/* Lines out of envelopes: what they say, where they came from, and that nothing vanishes or depends on where chunks begin. */
#include <dirent.h>
#include <stdio.h>

#include "tests/unit/check_main.h"

#include "ingest/syslog.h"
#include "tests/unit/unwrap_lines.h"

#define SENT "to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"

/* What comes of the whole text, read at once: a line of JSON for each item. The caller frees it. */
static struct buf read_as(const char *envelope, const char *format, struct slice text, bool has_positions) {
  struct unwrap_run run;
  unwrap_start(&run, envelope, format, text);
  unwrap_chunk(&run, 0, text.len, has_positions);
  ck_assert_uint_eq(unwrap_counted(&run.parser.counts), run.parser.counts.lines);
  ck_assert_uint_eq(run.parser.counts.bytes, text.len);
  struct buf summary = run.summary;
  run.summary = (struct buf){0};
  unwrap_end(&run);
  return summary;
}

static struct buf read_all(const char *envelope, struct slice text, bool has_positions) {
  return read_as(envelope, "postfix", text, has_positions);
}

/* Shows the first lines that differ. */
static void check_same(const char *what, const struct buf *expected, const struct buf *got) {
  struct slice a = buf_slice(expected), b = buf_slice(got);
  while (a.len || b.len) {
    struct slice line_a = slice_of(a.ptr, slice_find_byte(a, '\n')), line_b = slice_of(b.ptr, slice_find_byte(b, '\n'));
    ck_assert_msg(slice_equal(line_a, line_b), "%s:\nexpected %.*s\ngot      %.*s", what, SLICE_ARG(line_a), SLICE_ARG(line_b));
    a = slice_skip(a, line_a.len + 1);
    b = slice_skip(b, line_b.len + 1);
  }
}

/* ---- the data of Postfix in every envelope -------------------------------------------------------------------------------------- */

static struct buf read_file(const char *path) {
  struct buf text = {0};
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s is missing", path);
  size_t got;
  while ((got = fread(buf_reserve(&text, 65536), 1, 65536, file)) > 0) text.len += got;
  fclose(file);
  return text;
}

static struct buf read_logs(void) {
  static const char DIR_NAME[] = "tests/data/postfix";
  struct buf all = {0};
  DIR *dir = opendir(DIR_NAME);
  ck_assert_ptr_nonnull(dir);
  for (struct dirent *entry; (entry = readdir(dir));) {
    char path[512];
    size_t len = strlen(entry->d_name);
    if (len < 4 || strcmp(entry->d_name + len - 4, ".log") != 0) continue;
    if (strcmp(entry->d_name, "repeated.log") == 0) continue; /* speaks of the lines before; see below */
    snprintf(path, sizeof path, "%s/%s", DIR_NAME, entry->d_name);
    struct buf log = read_file(path);
    buf_append_slice(&all, buf_slice(&log));
    buf_deinit(&log);
  }
  closedir(dir);
  ck_assert_uint_gt(all.len, 10000);
  return all;
}

/* A shipper that takes lines from files: the whole line is the message. */
static const struct {
  const char *envelope, *before, *behind;
} OF_FILES[] = {
    {"filebeat",
     "{\"@timestamp\":\"2026-11-24T10:00:00.000Z\",\"@metadata\":{\"beat\":\"filebeat\",\"type\":\"_doc\"},\"message\":",
     ",\"log\":{\"offset\":0,\"file\":{\"path\":\"/var/log/"
     "mail.log\"}},\"host\":{\"name\":\"shipper\"},\"agent\":{\"type\":\"filebeat\"}}"},
    {"vector", "{\"file\":\"/var/log/mail.log\",\"host\":\"shipper\",\"message\":",
     ",\"source_type\":\"file\",\"timestamp\":\"2026-11-24T10:00:00.123456789Z\"}"},
    {"fluent-bit", "{\"@timestamp\":1795514400.123456,\"log\":", "}"},
    {"fluent-bit", "[1795514400.123456,{\"log\":", "}]"},
    {"fluent-bit", "[[[1795514400.123456,{}],{\"log\":", "}]]"},
    {"docker", "{\"log\":", ",\"stream\":\"stdout\",\"time\":\"2026-11-24T10:00:00.123456789Z\"}"},
    {"json", "{\"message\":", "}"},
};

static bool is_utf8_text(struct slice line) {
  if (!utf8_is_valid(line)) return false;
  for (size_t i = 0; i < line.len; i++)
    if (line.ptr[i] == '\0') return false;
  return true;
}

/* Lines of `log` that JSON can carry (no other bytes), and the same with something before and behind. */
static void wrap_lines(struct slice log, const char *before, const char *behind, struct buf *plain, struct buf *wrapped) {
  while (log.len) {
    size_t end = slice_find_byte(log, '\n');
    struct slice line = slice_of(log.ptr, end);
    log = slice_skip(log, end + 1);
    /* The end of a line of a file is no part of it. An envelope has no empty line, and lines of JSON are its own. */
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    if (!line.len || *line.ptr == '{' || *line.ptr == '[' || !is_utf8_text(line)) continue;
    struct syslog_header header;
    struct stamp_reader stamps;
    stamp_reader_init(&stamps, NULL, UNWRAP_NOW_US, UNWRAP_NOW_US);
    /* Of a line without a header or a host the envelope would add one. */
    if (!syslog_read(&stamps, line.ptr, line.ptr + line.len, line.ptr + line.len, &header) || slice_is_absent(header.host))
      continue;
    buf_append_slice(plain, line);
    buf_append_byte(plain, '\n');
    buf_append_slice(wrapped, slice_from_cstr(before));
    json_write_string(wrapped, line);
    buf_append_slice(wrapped, slice_from_cstr(behind));
    buf_append_byte(wrapped, '\n');
  }
}

START_TEST(lines_of_files_are_the_same_in_each_envelope) {
  struct buf log = read_logs();
  for (size_t i = 0; i < sizeof OF_FILES / sizeof *OF_FILES; i++) {
    struct buf plain = {0}, wrapped = {0};
    wrap_lines(buf_slice(&log), OF_FILES[i].before, OF_FILES[i].behind, &plain, &wrapped);
    struct buf from_plain = read_all("plain", buf_slice(&plain), false);
    struct buf from_auto = read_all("auto", buf_slice(&wrapped), false);
    struct buf from_named = read_all(OF_FILES[i].envelope, buf_slice(&wrapped), false);
    ck_assert_uint_gt(from_plain.len, 10000);
    check_same(OF_FILES[i].before, &from_plain, &from_auto);
    check_same(OF_FILES[i].envelope, &from_plain, &from_named);
    buf_deinit(&plain), buf_deinit(&wrapped), buf_deinit(&from_plain), buf_deinit(&from_auto), buf_deinit(&from_named);
  }
  buf_deinit(&log);
}
END_TEST

/* The lines of a log of any format, as they are and as the messages of records that say nothing else. */
static void wrap_any(struct slice log, struct buf *plain, struct buf *wrapped) {
  for (size_t end; log.len; log = slice_skip(log, end + 1)) {
    end = slice_find_byte(log, '\n');
    struct slice line = slice_of(log.ptr, end);
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    if (!line.len || !is_utf8_text(line) || *line.ptr == ' ') continue; /* no blanks are kept at the front */
    buf_append_slice(plain, line);
    buf_append_byte(plain, '\n');
    buf_append_slice(wrapped, SLICE("{\"message\":"));
    json_write_string(wrapped, line);
    buf_append_slice(wrapped, SLICE("}\n"));
  }
}

static unsigned check_format(const char *name) {
  char dir_name[256], path[512];
  snprintf(dir_name, sizeof dir_name, "tests/data/%s", name);
  DIR *dir = opendir(dir_name);
  if (!dir) return 0; /* not a server's format */
  unsigned count = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    size_t len = strlen(entry->d_name);
    if (len < 4 || strcmp(entry->d_name + len - 4, ".log") != 0) continue;
    snprintf(path, sizeof path, "%s/%s", dir_name, entry->d_name);
    struct buf log = read_file(path), plain = {0}, wrapped = {0};
    wrap_any(buf_slice(&log), &plain, &wrapped);
    struct buf from_plain = read_as("plain", name, buf_slice(&plain), false);
    struct buf from_wrapped = read_as("auto", name, buf_slice(&wrapped), false);
    check_same(path, &from_plain, &from_wrapped);
    buf_deinit(&log), buf_deinit(&plain), buf_deinit(&wrapped), buf_deinit(&from_plain), buf_deinit(&from_wrapped);
    count++;
  }
  closedir(dir);
  return count;
}

START_TEST(lines_of_every_format_are_the_same_in_an_envelope) {
  unsigned count = 0;
  for (size_t i = 0; format_at(i); i++) count += check_format(format_at(i)->name) > 0;
  ck_assert_uint_ge(count, 8);
}
END_TEST

/* Shippers that take the header apart. %s: text, time, host, tag without pid. */
enum taken { TAKEN_TEXT, TAKEN_TIME, TAKEN_HOST, TAKEN_NAME };
static const struct {
  const char *envelope;
  const char *begin[5]; /* written before the parts and behind the last */
  enum taken parts[4];
} OF_SYSLOG[] = {
    {"journald",
     {"{\"__CURSOR\":\"s=1;i=2\",\"_SOURCE_REALTIME_TIMESTAMP\":\"", "\",\"_PID\":\"77\",\"_HOSTNAME\":\"",
      "\",\"SYSLOG_IDENTIFIER\":\"", "\",\"MESSAGE\":\"", "\",\"PRIORITY\":\"6\"}"},
     {TAKEN_TIME, TAKEN_HOST, TAKEN_NAME, TAKEN_TEXT}},
    {"syslog-ng",
     {"{\"PROGRAM\":\"", "\",\"PRIORITY\":\"info\",\"PID\":\"77\",\"MESSAGE\":\"", "\",\"ISODATE\":\"", "\",\"HOST\":\"",
      "\",\"FACILITY\":\"mail\"}"},
     {TAKEN_NAME, TAKEN_TEXT, TAKEN_TIME, TAKEN_HOST}},
    {"rsyslog",
     {"{ \"msg\": \" ", "\", \"rawmsg\": \"<22>...\", \"timereported\": \"", "\", \"hostname\": \"", "\", \"syslogtag\": \"",
      "[77]:\", \"inputname\": \"imuxsock\", \"programname\": \"postfix\", \"procid\": \"77\", \"$!\": null }"},
     {TAKEN_TEXT, TAKEN_TIME, TAKEN_HOST, TAKEN_NAME}},
    {"vector",
     {"{\"appname\":\"", "\",\"facility\":\"mail\",\"host\":\"relay\",\"hostname\":\"", "\",\"message\":\"",
      "\",\"procid\":77,\"severity\":\"info\",\"source_type\":\"syslog\",\"timestamp\":\"", "\"}"},
     {TAKEN_NAME, TAKEN_HOST, TAKEN_TEXT, TAKEN_TIME}},
    {"filebeat",
     {"{\"@timestamp\":\"", "\",\"log\":{\"syslog\":{\"hostname\":\"", "\",\"procid\":\"77\",\"appname\":\"", "\"}},\"message\":\"",
      "\",\"host\":{\"name\":\"shipper\"},\"agent\":{\"type\":\"filebeat\"}}"},
     {TAKEN_TIME, TAKEN_HOST, TAKEN_NAME, TAKEN_TEXT}},
    {"fluent-bit",
     {"{\"@timestamp\":1.5,\"pri\":\"22\",\"time\":\"", "\",\"host\":\"", "\",\"ident\":\"", "\",\"pid\":\"77\",\"message\":\"",
      "\"}"},
     {TAKEN_TIME, TAKEN_HOST, TAKEN_NAME, TAKEN_TEXT}},
    {"json",
     {"{\"@timestamp\":\"", "\",\"host\":\"", "\",\"program\":\"", "\",\"pid\":77,\"message\":\"", "\"}"},
     {TAKEN_TIME, TAKEN_HOST, TAKEN_NAME, TAKEN_TEXT}},
};

/* Without its quotes. */
static void write_inner(struct buf *out, struct slice text) {
  size_t begin = out->len;
  json_write_string(out, text);
  out->len--;
  memmove(out->ptr + begin, out->ptr + begin + 1, out->len - begin - 1);
  out->len--;
}

/* The same lines with their headers taken apart into fields; lines whose headers have not all parts are left out of both. */
static void take_apart(struct slice log, size_t shipper, struct buf *plain, struct buf *wrapped) {
  struct stamp_reader stamps;
  stamp_reader_init(&stamps, NULL, UNWRAP_NOW_US, UNWRAP_NOW_US);
  while (log.len) {
    struct syslog_header header;
    size_t len = slice_find_byte(log, '\n');
    const char *p = log.ptr, *end = p + len;
    log = slice_skip(log, len + 1);
    if (end > p && end[-1] == '\r') end--;
    if (!is_utf8_text(slice_between(p, end)) || *p == '<' || !syslog_read(&stamps, p, end, end, &header)) continue;
    if (slice_is_absent(header.host) || slice_is_absent(header.service) || header.time_us == TIME_US_ABSENT) continue;
    if (header.text == end || *header.text == ' ') continue; /* no shipper keeps blanks at the front */
    if (*header.text == '[') continue; /* what is left of Solaris' "[ID ...]" twice would be taken off again */
    char time[32];
    const char *name = slice_is_absent(header.instance) ? header.service.ptr : header.instance.ptr;
    struct slice parts[] = {slice_between(header.text, end), slice_of(time, clock_format_rfc3339(header.time_us, time)),
                            header.host, slice_between(name, header.service.ptr + header.service.len)};
    buf_append_slice(plain, slice_between(p, end));
    buf_append_byte(plain, '\n');
    for (unsigned k = 0; k < 4; k++) {
      buf_append_slice(wrapped, slice_from_cstr(OF_SYSLOG[shipper].begin[k]));
      /* The journal's times are microseconds since 1970. */
      if (OF_SYSLOG[shipper].parts[k] == TAKEN_TIME && shipper == 0)
        buf_printf(wrapped, "%lld", (long long)header.time_us);
      else
        write_inner(wrapped, parts[OF_SYSLOG[shipper].parts[k]]);
    }
    buf_append_slice(wrapped, slice_from_cstr(OF_SYSLOG[shipper].begin[4]));
    buf_append_byte(wrapped, '\n');
  }
}

START_TEST(lines_whose_header_was_taken_apart_are_the_same_in_each_envelope) {
  struct buf log = read_logs();
  for (size_t i = 0; i < sizeof OF_SYSLOG / sizeof *OF_SYSLOG; i++) {
    struct buf plain = {0}, wrapped = {0};
    take_apart(buf_slice(&log), i, &plain, &wrapped);
    struct buf from_plain = read_all("plain", buf_slice(&plain), false);
    struct buf from_auto = read_all("auto", buf_slice(&wrapped), false);
    struct buf from_named = read_all(OF_SYSLOG[i].envelope, buf_slice(&wrapped), false);
    ck_assert_uint_gt(from_plain.len, 10000);
    check_same(OF_SYSLOG[i].envelope, &from_plain, &from_auto);
    check_same(OF_SYSLOG[i].envelope, &from_plain, &from_named);
    buf_deinit(&plain), buf_deinit(&wrapped), buf_deinit(&from_plain), buf_deinit(&from_auto), buf_deinit(&from_named);
  }
  buf_deinit(&log);
}
END_TEST

START_TEST(real_output_of_each_shipper_is_read_as_the_plain_lines) {
  static const char DIR_NAME[] = "tests/data/envelopes";
  struct buf plain_text = read_file("tests/data/envelopes/plain.log"), plain = read_all("plain", buf_slice(&plain_text), false);
  DIR *dir = opendir(DIR_NAME);
  ck_assert_ptr_nonnull(dir);
  unsigned count = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    char path[512];
    if (*entry->d_name == '.' || strstr(entry->d_name, ".md")) continue;
    snprintf(path, sizeof path, "%s/%s", DIR_NAME, entry->d_name);
    struct buf text = read_file(path), read = read_all("auto", buf_slice(&text), false);
    check_same(path, &plain, &read);
    buf_deinit(&text), buf_deinit(&read);
    count++;
  }
  closedir(dir);
  ck_assert_uint_ge(count, 20);
  buf_deinit(&plain_text), buf_deinit(&plain);
}
END_TEST

/* ---- what becomes of one line --------------------------------------------------------------------------------------------------- */

/* The lines that a format would see: the unparsed ones of a text no line of which a format knows. */
static void check_unwrapped_as(const char *envelope, const char *format, const char *text, const char *expected) {
  struct unwrap_run run;
  unwrap_start(&run, envelope, format, slice_from_cstr(text));
  unwrap_chunk(&run, 0, strlen(text), true);
  buf_append_slice(&run.summary, buf_slice(&run.unparsed));
  ck_assert_slice_eq(buf_slice(&run.summary), expected);
  ck_assert_uint_eq(unwrap_counted(&run.parser.counts), run.parser.counts.lines);
  unwrap_end(&run);
}

START_TEST(what_is_no_envelope_stays_a_line_and_nothing_vanishes) {
  check_unwrapped_as("auto", "postfix", "[]\n", "0 []\n");
  check_unwrapped_as("auto", "postfix", "{}\n", "0 {}\n");
  check_unwrapped_as("auto", "postfix", "[17]\n", "0 [17]\n");
  check_unwrapped_as("auto", "postfix", "{\"x\":1}\nnonsense\n", "0 {\"x\":1}\n8 nonsense\n");
  check_unwrapped_as("auto", "postfix", "nonsense\n{\"x\":\n[{\"x\":1},{\"y\":2}]\n",
                     "0 nonsense\n9 {\"x\":\n15 {\"x\":1}\n16 {\"y\":2}\n");
  check_unwrapped_as("auto", "postfix", "{\"x\":1}{\"y\":2} z\n", "0 {\"x\":1}\n1 {\"y\":2}\n2 z\n");
  check_unwrapped_as("auto", "postfix", "{\"MESSAGE\":null,\"_HOSTNAME\":\"a\"}\n", "0 {\"MESSAGE\":null,\"_HOSTNAME\":\"a\"}\n");
  check_unwrapped_as("auto", "postfix", "[\"li\\nne\",\"two\"]\n", "0 li ne\n1 two\n");
  check_unwrapped_as("plain", "postfix", "{\"message\":\"x\"}\n", "0 {\"message\":\"x\"}\n");
}
END_TEST

/* RFC 5424's header has a place for what is not known. PowerMTA's CSV has no header at all. */
START_TEST(the_header_says_what_the_envelope_knows) {
  check_unwrapped_as("json", "postfix", "{\"message\":\"text\",\"host\":\"mx 1\",\"program\":\"postfix/smtp\"}\n",
                     "0 <22>1 - mx_1 postfix/smtp - - - text\n");
  check_unwrapped_as("json", "postfix", "{\"message\":\"text\",\"time\":\"next tuesday\"}\n", "0 <22>1 - - - - - - text\n");
  check_unwrapped_as("json", "powermta", "{\"message\":\"text\",\"time\":\"2026-11-24T08:15:07Z\",\"host\":\"a\"}\n", "0 text\n");
}
END_TEST

static void check_line(const char *text, const char *expected) {
  struct buf summary = read_all("auto", slice_from_cstr(text), true);
  ck_assert_slice_eq(buf_slice(&summary), expected);
  buf_deinit(&summary);
}

#define REMOVED(position, time, host)                                      \
  position " {\"kind\":\"removed\",\"time\":\"" time "\",\"host\":\"" host \
           "\",\"instance\":\"postfix\",\"service\":\"qmgr\",\"queue_id\":\"4AAA11111\"}\n"

START_TEST(times_are_read_in_all_their_forms) {
  static const char *const FORMS[] = {"\"2026-11-24T08:15:07.5Z\"",
                                      "\"2026-11-24 09:15:07.500000000+01:00\"",
                                      "1795508107.5",
                                      "\"1795508107500000\"",
                                      "1795508107500",
                                      "1795508107500000000",
                                      "\"2026-11-24 08:15:07.5 UTC\"",
                                      "\"2026-11-24T08:15:07,5+0000\""};
  for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
    char text[256];
    snprintf(text, sizeof text, "{\"message\":\"4AAA11111: removed\",\"time\":%s,\"host\":\"mx1\",\"program\":\"postfix/qmgr\"}\n",
             FORMS[i]);
    check_line(text, REMOVED("0", "2026-11-24T08:15:07.500000Z", "mx1"));
  }
  check_line("{\"MESSAGE\":\"4AAA11111: removed\",\"DATE\":\"Nov 24 08:15:07\",\"HOST\":\"mx1\",\"PROGRAM\":\"postfix/qmgr\"}\n",
             REMOVED("0", "2026-11-24T08:15:07Z", "mx1"));
}
END_TEST

START_TEST(a_header_of_its_own_wins_and_gets_what_it_lacks) {
  check_line(
      "{\"message\":\"2026-11-24T08:15:07Z mx1 postfix/qmgr[1]: 4AAA11111: removed\",\"@timestamp\":\"2026-11-24T09:00:00Z\","
      "\"host\":{\"name\":\"shipper\"}}\n",
      REMOVED("0", "2026-11-24T08:15:07Z", "mx1"));
  check_line(
      "{\"message\":\"2026-11-24T08:15:07Z postfix/qmgr[1]: 4AAA11111: removed\",\"host\":{\"name\":\"mx2\"},\"@timestamp\":0}\n",
      REMOVED("0", "2026-11-24T08:15:07Z", "mx2"));
  check_line(
      "{\"message\":\"<22>1 2026-11-24T08:15:07Z - postfix/qmgr 1 - - 4AAA11111: "
      "removed\",\"host\":{\"name\":\"mx2\"},\"@timestamp\":0}\n",
      REMOVED("0", "2026-11-24T08:15:07Z", "mx2"));
  /* The year that fits the envelope's time, not today's. */
  check_line(
      "{\"message\":\"<22>Dec 31 23:59:58 mx1 postfix/qmgr[1]: 4AAA11111: removed\",\"@timestamp\":\"2019-01-01T00:00:05Z\"}\n"
      "{\"message\":\"Dec 31 23:59:58 postfix/qmgr[1]: 4AAA11111: "
      "removed\",\"@timestamp\":\"2021-12-31T23:59:59Z\",\"host\":\"mx3\"}\n",
      REMOVED("0", "2018-12-31T23:59:58Z", "mx1") REMOVED("110", "2021-12-31T23:59:58Z", "mx3"));
}
END_TEST

START_TEST(a_date_of_the_server_is_no_header) {
  check_unwrapped_as("json", "postfix",
                     "{\"message\":\"2026-11-24 08:15:07 1abcde-000000-AB Completed\",\"host\":\"mx1\",\"time\":\"x\"}\n",
                     "0 <22>1 - mx1 - - - - 2026-11-24 08:15:07 1abcde-000000-AB Completed\n");
  check_line("{\"message\":\"2026-11-24 08:15:07 mx1 postfix/qmgr[1]: 4AAA11111: removed\",\"host\":\"mx2\"}\n",
             REMOVED("0", "2026-11-24T08:15:07Z", "mx1"));
}
END_TEST

START_TEST(bytes_of_the_journal_and_newlines_are_read) {
  check_line(
      "{\"MESSAGE\":[52,65,65,65,49,49,49,49,49,58,32,114,101,109,111,118,101,100],\"_HOSTNAME\":\"mx1\","
      "\"__REALTIME_TIMESTAMP\":\"1795508107000000\",\"SYSLOG_IDENTIFIER\":\"postfix/qmgr\"}\n",
      REMOVED("0", "2026-11-24T08:15:07Z", "mx1"));
  static const char TEXT[] =
      "{\"message\":\"2026-11-24T08:15:07Z mx1 postfix/smtp[1]: 4AAA11111: to=<a@b.example>, relay=none, delay=1, "
      "delays=0/0/0/1, dsn=4.4.1, status=deferred (one\\ntwo\\n)\\n\",\"time\":1}\n";
  struct unwrap_run run;
  unwrap_start(&run, "auto", "postfix", slice_from_cstr(TEXT));
  unwrap_chunk(&run, 0, sizeof TEXT - 1, false);
  ck_assert_uint_eq(run.parser.counts.newlines, 2);
  ck_assert_uint_eq(run.parser.counts.delivery, 1);
  ck_assert_uint_eq(run.parser.counts.lines, 1);
  ck_assert_ptr_nonnull(memmem(run.summary.ptr, run.summary.len, "one two ", 8));
  unwrap_end(&run);
}
END_TEST

/* ---- parts, chunks -------------------------------------------------------------------------------------------------------------- */

#define CRI(stream, tag) "2026-11-24T08:15:07.123456789Z " stream " " tag " "
#define QMGR "2026-11-24T08:15:07Z mx1 postfix/qmgr[1]: "

START_TEST(parts_of_a_line_are_joined_by_stream) {
  check_line(CRI("stdout", "P") "2026-11-24T08:15:07Z mx1 postfix/q\n" CRI("stderr", "F") "noise\n" CRI(
                 "stdout", "P") "mgr[1]: 4AAA1\n" CRI("stdout", "F") "1111: removed\n" CRI("stdout", "F:x") QMGR
             "4AAA11111: removed\n",
             REMOVED("175", "2026-11-24T08:15:07Z", "mx1") REMOVED("229", "2026-11-24T08:15:07Z", "mx1"));
}
END_TEST

/* Docker cuts at 16 KiB. */
static void append_docker(struct buf *out, const char *begin, size_t filler, const char *end, const char *stream) {
  buf_printf(out, "{\"log\":\"%s", begin);
  for (size_t i = 0; i < filler; i++) buf_append_byte(out, 'x');
  buf_printf(out, "%s\",\"stream\":\"%s\",\"time\":\"2026-11-24T08:15:07.123Z\"}\n", end, stream);
}

START_TEST(what_is_joined_and_too_long_is_counted_so) {
  struct buf text = {0};
  for (int i = 0; i < 5; i++) append_docker(&text, "", 16384, "", "stdout");
  append_docker(&text, "the end", 0, "\\n", "stdout");
  append_docker(&text, QMGR "4AAA11111: removed", 0, "\\n", "stdout");
  struct unwrap_run run;
  unwrap_start(&run, "auto", "postfix", buf_slice(&text));
  unwrap_chunk(&run, 0, text.len, false);
  ck_assert_uint_eq(run.parser.counts.lines, 2);
  ck_assert_uint_eq(run.parser.counts.unparsed[UNPARSED_TOO_LONG], 1);
  ck_assert_uint_eq(run.parser.counts.info, 1);
  ck_assert_uint_eq(run.line_count, 7);
  unwrap_end(&run);
  buf_deinit(&text);
}
END_TEST

/* Reads `text` in two chunks, cut at each of its newlines in turn, and compares with reading it whole. */
static void check_chunks(struct slice text) {
  struct unwrap_run whole;
  unwrap_start(&whole, "auto", "postfix", text);
  unwrap_chunk(&whole, 0, text.len, true);
  for (size_t cut = 0; cut < text.len; cut++) {
    if (text.ptr[cut] != '\n') continue;
    struct unwrap_run parts;
    unwrap_start(&parts, "auto", "postfix", text);
    unwrap_chunk(&parts, 0, cut + 1, true);
    unwrap_chunk(&parts, cut + 1, text.len, true);
    check_same("lines", &whole.summary, &parts.summary);
    check_same("unparsed", &whole.unparsed, &parts.unparsed);
    ck_assert_mem_eq(&whole.parser.counts, &parts.parser.counts, sizeof whole.parser.counts);
    ck_assert_uint_eq(whole.line_count, parts.line_count);
    unwrap_end(&parts);
  }
  ck_assert_uint_eq(unwrap_counted(&whole.parser.counts), whole.parser.counts.lines);
  unwrap_end(&whole);
}

#define SMTP "2026-11-24T08:15:07Z mx1 postfix/smtp[1]: "

START_TEST(chunk_boundaries_change_nothing) {
  check_chunks(SLICE(SMTP "4AAA11111: " SENT "\n{\"message\":\"" SMTP "4AAA11112: " SENT
                          "\",\"time\":1}\nnonsense\n{broken\n[{\"message\":\"" SMTP "4AAA11113: " SENT "\"},{\"message\":\"" SMTP
                          "4AAA11114: " SENT "\"}]\n\n" SMTP "4AAA11115: " SENT "\nmore nonsense\n"));
  check_chunks(SLICE(CRI("stdout", "P") "2026-11-24T08:15:07Z mx1 postfix/q\n" CRI("stderr", "F") "noise\n" CRI(
      "stdout", "P") "mgr[1]: 4AAA1\n" CRI("stderr", "P") "no\nplain\n" CRI("stdout", "F") "1111: removed\n" CRI("stderr",
                                                                                                                 "F") "ise\n"));
  /* Both the line that is repeated and the one that says so are in envelopes. */
  check_chunks(SLICE("{\"message\":\"" SMTP "4AAA11112: " SENT
                     "\",\"time\":1}\n{\"message\":\"2026-11-24T08:15:08Z mx2 other: text\"}\n"
                     "{\"message\":\"2026-11-24T08:15:09Z mx1 last message repeated 3 times\"}\n"
                     "{\"message\":\"2026-11-24T08:15:10Z mx1 last message repeated 2 times\"}\n"));
  struct buf text = {0};
  append_docker(&text, QMGR "4AAA11111: warning", 16384, "", "stdout");
  append_docker(&text, "other", 0, "\\n", "stderr");
  append_docker(&text, "and so on", 0, "\\n", "stdout");
  append_docker(&text, QMGR "4AAA11111: removed", 0, "\\n", "stdout");
  check_chunks(buf_slice(&text));
  buf_deinit(&text);
}
END_TEST

START_TEST(plain_lines_are_the_same_with_and_without_looking_for_envelopes) {
  struct buf log = read_logs();
  struct unwrap_run run;
  unwrap_start(&run, "auto", "postfix", buf_slice(&log));
  unwrap_chunk(&run, 0, log.len, true);
  ck_assert_uint_eq(run.parser.counts.unwrapped, 0);
  struct buf plain = read_all("plain", buf_slice(&log), true);
  check_same("plain", &plain, &run.summary);
  /* Through the unwrapping of envelopes that are not there. */
  struct buf named = read_all("syslog-ng", buf_slice(&log), true);
  check_same("syslog-ng", &plain, &named);
  unwrap_end(&run);
  buf_deinit(&plain);
  buf_deinit(&named);
  buf_deinit(&log);
}
END_TEST

START_TEST(every_envelope_is_found_by_name) {
  size_t count = 0;
  for (const struct envelope *envelope; (envelope = envelope_at(count)); count++)
    ck_assert_str_eq(envelope_name(envelope_find(slice_from_cstr(envelope_name(envelope)))), envelope_name(envelope));
  ck_assert_uint_eq(count, 11);
  ck_assert_str_eq(envelope_name(envelope_at(0)), "auto");
  ck_assert_ptr_null(envelope_find(SLICE("gelf")));
  ck_assert(envelope_is_plain(envelope_find(SLICE("plain"))));
}
END_TEST

START_TEST(a_megabyte_of_one_token_is_harmless) {
  static const char *const TOKENS[] = {"{",
                                       "[",
                                       "{}",
                                       "[]\n",
                                       "\"",
                                       "{\"log\":\"",
                                       "{\"message\":\"x\"}",
                                       "[1,{\"message\":\"\"}]\n",
                                       "\n{",
                                       "2026-11-24T08:15:07.123456789Z stdout P \n",
                                       "[17,",
                                       "{\"message\":\"\\n\"}\n"};
  for (size_t i = 0; i < sizeof TOKENS / sizeof *TOKENS; i++) {
    struct buf text = {0};
    while (text.len < (1u << 20)) buf_append_slice(&text, slice_from_cstr(TOKENS[i]));
    buf_append_byte(&text, '\n');
    struct buf summary = read_all("auto", buf_slice(&text), false);
    buf_deinit(&summary);
    buf_deinit(&text);
  }
}
END_TEST

TEST_MAIN(real_output_of_each_shipper_is_read_as_the_plain_lines, lines_of_files_are_the_same_in_each_envelope,
          lines_of_every_format_are_the_same_in_an_envelope, lines_whose_header_was_taken_apart_are_the_same_in_each_envelope,
          what_is_no_envelope_stays_a_line_and_nothing_vanishes, the_header_says_what_the_envelope_knows,
          times_are_read_in_all_their_forms, a_header_of_its_own_wins_and_gets_what_it_lacks, a_date_of_the_server_is_no_header,
          bytes_of_the_journal_and_newlines_are_read, parts_of_a_line_are_joined_by_stream,
          what_is_joined_and_too_long_is_counted_so, chunk_boundaries_change_nothing,
          plain_lines_are_the_same_with_and_without_looking_for_envelopes, every_envelope_is_found_by_name,
          a_megabyte_of_one_token_is_harmless)
