/* tools/config: the configuration file, and what it says of mistakes. */
#include "tools/config.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/check_main.h"

static struct config config;
static struct error err;

static bool read_text(const char *text) {
  char path[] = "/tmp/bouncemill-config-XXXXXX";
  int fd = mkstemp(path);
  ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
  err = (struct error){0};
  config_init(&config);
  bool is_read = config_read(&config, path, &err);
  unlink(path);
  return is_read;
}

static void check_error(const char *text, const char *line, const char *reason) {
  ck_assert_msg(!read_text(text), "'%s' was taken", text);
  ck_assert_int_eq(error_exit_code(&err), 2);
  ck_assert_msg(strstr(err.text, line) != NULL, "no '%s' in: %s", line, err.text);
  ck_assert_msg(strstr(err.text, reason) != NULL, "no '%s' in: %s", reason, err.text);
  config_deinit(&config);
}

START_TEST(every_setting_is_read) {
  ck_assert_msg(
      read_text(
          "store: /var/lib/bm\nformat: postfix\nenvelope: rsyslog\nzone: Europe/Berlin\nthreads: 4\nflush_interval: "
          "0.02\nfollow: true\n"
          "until_end: false\ninputs: [a.log, 'kafka://127.0.0.1:9092/mail']\nkafka: {group.id: x, fetch.wait.max.ms: 10}\n"
          "sources:\n  - {host: 'mx*', source: 192.0.2.1}\n  - {instance: postfix-b, service: smtp, source: pool-b}\n"
          "join: {megabytes: 128, age_days: 9}\ndead_letter: unparsed.ndjson\nlisten: 9273\nmax_line: 2048\nrules: my-rules\n"),
      "%s", err.text);
  ck_assert_str_eq(config.store, "/var/lib/bm");
  ck_assert_str_eq(config.envelope, "rsyslog");
  ck_assert_str_eq(config.dead_letter, "unparsed.ndjson");
  ck_assert_str_eq(config.listen, "9273");
  ck_assert_str_eq(config.rules, "my-rules");
  ck_assert_uint_eq(config.max_line, 2048);
  ck_assert_uint_eq(config.threads, 4);
  ck_assert(config.flush_interval_s > 0.019 && config.flush_interval_s < 0.021);
  ck_assert(config.follow && !config.until_end);
  ck_assert_uint_eq(config.input_count, 2);
  ck_assert_str_eq(config.inputs[1], "kafka://127.0.0.1:9092/mail");
  ck_assert_str_eq(config.kafka[1].key, "fetch.wait.max.ms");
  ck_assert_uint_eq(config.source_count, 2);
  ck_assert_slice_eq(config.sources[0].host, "mx*");
  ck_assert(slice_is_absent(config.sources[0].service));
  ck_assert_slice_eq(config.sources[1].source, "pool-b");
  ck_assert_uint_eq(config.join_bytes, 128u << 20);
  ck_assert_uint_eq(config.join_age_days, 9);
  config_deinit(&config);
}
END_TEST

START_TEST(an_empty_file_sets_nothing) {
  ck_assert_msg(read_text(""), "%s", err.text);
  ck_assert_ptr_null(config.store);
  ck_assert(config.flush_interval_s < 0);
  config_deinit(&config);
}
END_TEST

START_TEST(mistakes_are_told_with_their_line) {
  check_error("store: x\nflush_intervall: 3\n", ":2:", "unknown key 'flush_intervall'");
  check_error("threads: 0\n", ":1:", "from 1 to");
  check_error("\n\nfollow: maybe\n", ":3:", "true or false");
  check_error("sources:\n  - {host: a}\n", ":2:", "needs a source");
  check_error("sources:\n  - {hots: a, source: b}\n", ":2:", "unknown key 'hots'");
  check_error("inputs: a.log\n", ":1:", "needs a list");
  check_error("flush_interval: soon\n", ":1:", "seconds");
  check_error("store: a\nstore: b\n", ":2:", "given twice");
  check_error("store: [\n", ":", "");
}
END_TEST

START_TEST(a_missing_file_is_named) {
  err = (struct error){0};
  config_init(&config);
  ck_assert(!config_read(&config, "/nonexistent/bouncemill.yaml", &err));
  ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/bouncemill.yaml"));
  config_deinit(&config);
}
END_TEST

TEST_MAIN(every_setting_is_read, an_empty_file_sets_nothing, mistakes_are_told_with_their_line, a_missing_file_is_named)
