/* ingest/syslog: the header of a line. What the forms are read as is in tests/data/postfix/header.log; here: that the quick way and the
 * slow way say the same. */
#include "ingest/syslog.h"

#include <stdio.h>

#include "tests/unit/check_main.h"

#define NOW_US (1763985600 * US_PER_SECOND) /* 2025-11-24 12:00 UTC */

static bool slices_are_same(struct slice a, struct slice b) {
  return slice_is_absent(a) == slice_is_absent(b) && slice_equal(a, b);
}

/* Reads `line` both ways from memory that ends with it; false when it has no header. */
static bool read_both(const char *line, struct syslog_header *out) {
  size_t len = strlen(line);
  char *copy = malloc(len + 1);
  memcpy(copy, line, len);
  struct stamp_reader stamps;
  struct syslog_header slow = {0};
  stamp_reader_init(&stamps, NULL, NOW_US, NOW_US);
  bool is_read = syslog_read(&stamps, copy, copy + len, copy + len, out);
  ck_assert_msg(is_read == syslog_read_slow(&stamps, copy, copy + len, &slow), "%s", line);
  if (is_read) {
    ck_assert_int_eq(out->time_us, slow.time_us);
    ck_assert_msg(slices_are_same(out->host, slow.host), "%s", line);
    ck_assert_msg(slices_are_same(out->instance, slow.instance), "%s", line);
    ck_assert_msg(slices_are_same(out->service, slow.service), "%s", line);
    ck_assert_ptr_eq(out->text, slow.text);
    ck_assert(out->text >= copy && out->text <= copy + len);
  }
  free(copy);
  return is_read;
}

START_TEST(quick_and_slow_way_say_the_same) {
  static const char *const hosts[] = {
      "",       "h ", "mx1.example.com ",
      "host: ", " ",  "a-host-of-more-than-sixty-four-bytes-that-needs-the-slow-way.mail.example.com "};
  static const char *const programs[] = {
      "",         "p: ",   "p[1]: ", "p[1]:",   "postfix/smtp[12]: ", "postfix/smtp: ", "a/b/c[1]: ", "/[1]: ",
      "a[b/c]: ", "[1]: ", ": ",     "p[1] : ", "last message ",      "a/: ",           "p[1]:  ",    "no colon "};
  static const char *const texts[] = {
      "",
      "x",
      "[ID 197553 mail.info] x",
      "[ID 197553 mail.info]",
      "[x",
      "a text of some length: with a colon, a [bracket] and a / slash, longer than a block of bytes"};
  for (size_t host = 0; host < sizeof hosts / sizeof *hosts; host++)
    for (size_t program = 0; program < sizeof programs / sizeof *programs; program++)
      for (size_t text = 0; text < sizeof texts / sizeof *texts; text++) {
        char line[400];
        struct syslog_header header;
        snprintf(line, sizeof line, "Nov 24 08:15:07 %s%s%s", hosts[host], programs[program], texts[text]);
        ck_assert(read_both(line, &header));
        snprintf(line, sizeof line, "2025-11-24T08:15:07.123+01:00 %s%s%s", hosts[host], programs[program], texts[text]);
        ck_assert(read_both(line, &header));
      }
}
END_TEST

START_TEST(line_without_header_is_refused) {
  static const char *const lines[] = {"",
                                      "x",
                                      "Nov",
                                      "Nov 24 08:15:07",
                                      "Nov 24 08:15:0 h p: x",
                                      "<22",
                                      "<22>",
                                      "<22>1 ",
                                      "<22>1 2025-11-24T08:15:07Z",
                                      "Mai 24 08:15:07 h p: x",
                                      "<22>1 2025-11-24T08:15:07Z h p 1 - [x",
                                      "<2222>Nov 24 08:15:07 h p: x",
                                      "<22>1 -",
                                      "<22>1 -x h p 1 - - x",
                                      "2025-11-24_08:15:07 h p: x"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    struct syslog_header header;
    ck_assert_msg(!read_both(lines[i], &header), "%s", lines[i]);
  }
}
END_TEST

START_TEST(instance_is_before_the_first_slash_and_service_behind_the_last) {
  struct stamp_reader stamps;
  struct syslog_header header;
  struct slice line = SLICE("Nov 24 08:15:07 h postfix-out/submission/smtpd[1]: x");
  stamp_reader_init(&stamps, NULL, NOW_US, NOW_US);
  ck_assert(syslog_read(&stamps, line.ptr, line.ptr + line.len, line.ptr + line.len, &header));
  ck_assert_slice_eq(header.host, "h");
  ck_assert_slice_eq(header.instance, "postfix-out");
  ck_assert_slice_eq(header.service, "smtpd");
  ck_assert_slice_eq(slice_between(header.text, line.ptr + line.len), "x");
}
END_TEST

static struct syslog_header read_one(struct slice line) {
  struct stamp_reader stamps;
  struct syslog_header header;
  stamp_reader_init(&stamps, NULL, NOW_US, NOW_US);
  ck_assert(syslog_read(&stamps, line.ptr, line.ptr + line.len, line.ptr + line.len, &header));
  return header;
}

START_TEST(stamp_remembered_is_not_taken_for_another) {
  static const char *const stamps[] = {"Nov 24 08:15:07",      "Nov 24 08:15:08",           "Nov 24 08:16:07",
                                       "Nov 24 09:15:07",      "Nov  4 08:15:07",           "Nov 4 08:15:07",
                                       "Nov 4 08:15:08",       "Oct 24 08:15:07",           "2025-11-24T08:15:07Z",
                                       "2025-11-24T08:15:08Z", "2025-11-24T08:15:07+01:00", "2025-11-24T08:15:07.5Z"};
  const size_t count = sizeof stamps / sizeof *stamps;
  for (size_t i = 0; i < 3 * count * count; i++) { /* each before each: three lines, and which one of them is the other */
    struct stamp_reader reader;
    stamp_reader_init(&reader, NULL, NOW_US, NOW_US);
    for (size_t turn = 0; turn < 4; turn++) {
      char text[100];
      struct syslog_header header;
      const char *stamp = stamps[turn == i % 3 + 1 ? i / 3 / count : i / 3 % count];
      size_t len = (size_t)snprintf(text, sizeof text, "%s host postfix/smtpd[1234]: a text that is long enough", stamp);
      ck_assert(syslog_read(&reader, text, text + len, text + len, &header));
      ck_assert_int_eq(header.time_us, read_one(slice_of(text, len)).time_us);
    }
  }
}
END_TEST

START_TEST(line_of_a_sender_without_a_clock_has_no_time) {
  struct syslog_header header = read_one(SLICE("<22>1 - h postfix/smtp 1 - - x"));
  ck_assert_int_eq(header.time_us, TIME_US_ABSENT);
  ck_assert_slice_eq(header.host, "h");
  ck_assert_slice_eq(header.service, "smtp");
}
END_TEST

START_TEST(message_id_of_solaris_is_no_part_of_the_text) {
  struct slice line = SLICE("Nov 24 08:15:07 h postfix/smtp[1]: [ID 197553 mail.info] x");
  ck_assert_slice_eq(slice_between(read_one(line).text, line.ptr + line.len), "x");
  struct slice other = SLICE("Nov 24 08:15:07 h postfix/smtp[1]: [ID card] x");
  ck_assert_slice_eq(slice_between(read_one(other).text, other.ptr + other.len), "[ID card] x");
}
END_TEST

TEST_MAIN(quick_and_slow_way_say_the_same, line_without_header_is_refused,
          instance_is_before_the_first_slash_and_service_behind_the_last, line_of_a_sender_without_a_clock_has_no_time,
          message_id_of_solaris_is_no_part_of_the_text, stamp_remembered_is_not_taken_for_another)
