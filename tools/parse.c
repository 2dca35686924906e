/* `bouncemill parse`: log lines in, one JSON object a delivery out, in the order of the input; what was not a delivery is counted
 * on stderr. One thread, no store. The sources are those of `run`, so .gz and .zst are read, too. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ingest/ingest.h"
#include "tools/command.h"
#include "tools/format_log.h"

/* Bytes gathered before they are written. */
#define OUTPUT_BYTES (64u << 10)
/* Unparsed lines that are shown, and how much of each. */
#define SAMPLE_COUNT_MAX 5
#define SAMPLE_BYTES_MAX 400
#define IDLE_WAIT_MS 1000

static const char HELP[] =
    "usage: bouncemill parse [OPTION]... [FILE]...\n\n"
    "Reads mail logs (plain, .gz or .zst; '-' or no FILE: standard input) and writes one JSON object for\n"
    "each delivery, in the order of the lines. Nothing is stored.\n\n"
    "  -f, --format NAME  whose log it is: auto (default; each file's first lines tell), mixed (each line\n"
    "                     tells), postfix, exim, sendmail, opensmtpd, powermta, kumomta, halon, qmail, haraka\n"
    "      --zone NAME    time zone of stamps that name none, such as Europe/Berlin (default: UTC)\n"
    "      --envelope NAME  what a shipper wrapped around the lines: auto (default; each line tells), plain,\n"
    "                     journald, syslog-ng, rsyslog, docker, vector, fluent-bit, filebeat, json, cri\n"
    "  -h, --help         this text\n\n"
    "Each object has, null where the log does not say:\n"
    "  line, time, host, instance, service, queue_id, message_id, direction (out, or in for what our own\n"
    "  server refused), sender (\"\" is the null sender), recipient, orig_recipient, client_host, client_ip,\n"
    "  relay_host, relay_ip, source_ip, status (delivered, deferred, bounced, expired, rejected), dsn,\n"
    "  smtp_code, stage, reply, delay_s, size\n"
    "`line` counts from 1 in its file, envelopes as they came. A message that expired gives one object for each recipient whose\n"
    "last attempt was deferred, with that attempt's reply and with the line that gave up.\n\n"
    "On standard error: counts as key=value (deliveries; lines that only inform, by kind of noise, and\n"
    "unparsed by reason), and the first unparsed lines.\n\n"
    "Exit codes: 0 ok (unparsed lines are no failure), 2 usage, 3 input or I/O.\n";

struct sample {
  uint32_t input;
  uint64_t line;
  enum unparsed_reason reason;
  size_t len;
  char text[SAMPLE_BYTES_MAX];
};

struct run {
  struct source *source;
  struct parser parser;
  struct format_chooser *chooser;
  struct unwrapper *unwrapper;
  struct join *join;
  struct delivery_stage stage;
  struct batch batch;
  uint64_t *line_counts; /* lines before the batch, by input */
  size_t input_count;
  struct buf out;
  uint64_t line; /* of what is staged */
  uint64_t delivery_count;
  struct sample samples[SAMPLE_COUNT_MAX];
  size_t sample_count;
  struct error write_err; /* kind is set once writing failed */
};

static void flush_output(struct run *run) {
  if (!run->write_err.kind) command_write(buf_slice(&run->out), &run->write_err);
  buf_clear(&run->out);
}

static void write_staged(void *context) {
  struct run *run = context;
  for (size_t i = 0; i < run->stage.count; i++) {
    run->stage.items[i].line = run->line;
    delivery_write_json(&run->stage.items[i], &run->out);
    if (run->out.len >= OUTPUT_BYTES) flush_output(run);
  }
  run->delivery_count += run->stage.count;
  run->stage.count = 0;
}

/* Lines of the batch before `position`. */
static uint64_t count_lines_before(const struct batch *batch, uint64_t position) {
  uint64_t count = 0;
  struct slice rest = slice_of(batch->base, (size_t)(position - batch->position));
  for (size_t at; (at = slice_find_byte(rest, '\n')) < rest.len; rest = slice_skip(rest, at + 1)) count++;
  return count;
}

static void keep_sample(void *context, struct slice line, enum unparsed_reason reason, uint64_t position) {
  struct run *run = context;
  if (run->sample_count == SAMPLE_COUNT_MAX) return;
  struct sample *sample = &run->samples[run->sample_count++];
  sample->input = run->batch.input;
  sample->line = run->line_counts[run->batch.input] + count_lines_before(&run->batch, position) + 1;
  sample->reason = reason;
  sample->len = line.len < SAMPLE_BYTES_MAX ? line.len : SAMPLE_BYTES_MAX;
  memcpy(sample->text, line.ptr, sample->len);
}

/* ---- batches ----------------------------------------------------------------------------------------------------------------- */

static void count_input(struct run *run, uint32_t input) {
  if (input < run->input_count) return;
  run->line_counts = memory_resize(run->line_counts, (input + 1) * sizeof *run->line_counts);
  for (size_t i = run->input_count; i <= input; i++) run->line_counts[i] = 0;
  run->input_count = input + 1;
}

static void process_batch(struct run *run) {
  const struct batch *batch = &run->batch;
  count_input(run, batch->input);
  const char *lookback = batch->base - batch->lookback_len;
  struct format_choice choice;
  if (format_chooser_take(run->chooser, batch, &choice)) format_log(run->source, batch->input, &choice);
  parser_use_format(&run->parser, choice.format);
  parser_clear_lines(&run->parser);
  uint64_t line_count = unwrapper_parse(run->unwrapper, &run->parser, batch, lookback, batch->base, batch->base + batch->len);
  join_begin(run->join, batch, source_scope_name(run->source, batch->scope));
  for (size_t i = 0; i < run->parser.lists[0].count; i++) {
    const struct line *line = &run->parser.lists[0].items[i];
    run->line = run->line_counts[batch->input] + line->number + 1;
    join_take(run->join, line, &run->stage);
    if (!run->stage.count) continue;
    write_staged(run);
    join_release(run->join);
  }
  join_release(run->join);
  run->line_counts[batch->input] += line_count;
}

static bool read_all(struct run *run, struct error *err) {
  while (!run->write_err.kind) {
    struct batch_fill fill = {0};
    switch (source_next(run->source, IDLE_WAIT_MS, &run->batch, &fill, err)) {
      case SOURCE_FAILED: return false;
      case SOURCE_END: return true;
      case SOURCE_REBALANCE: /* of members of groups, which parse is not */
      case SOURCE_IDLE: continue;
      case SOURCE_BATCH: break;
    }
    if (fill.want) {
      int64_t got = source_fill_part(&fill, 0, 1);
      if (!source_fill_done(run->source, &run->batch, &got, 1, err)) return false;
    }
    if (run->batch.len) process_batch(run);
  }
  return true;
}

/* ---- last words -------------------------------------------------------------------------------------------------------------- */

static void print_counts(const struct run *run) {
  const struct line_counts *counts = &run->parser.counts;
  struct join_counts join;
  join_read_counts(run->join, &join);
  fprintf(stderr, "lines=%" PRIu64 " deliveries=%" PRIu64 " delivery_lines=%" PRIu64 " info=%" PRIu64, counts->lines,
          run->delivery_count, counts->delivery, counts->info);
  for (unsigned i = 0; i < NOISE_COUNT; i++)
    fprintf(stderr, " noise_%.*s=%" PRIu64, SLICE_ARG(noise_name((enum noise)i)), counts->noise[i]);
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++)
    fprintf(stderr, " unparsed_%.*s=%" PRIu64, SLICE_ARG(unparsed_reason_name((enum unparsed_reason)i)), counts->unparsed[i]);
  fprintf(stderr, " unwrapped=%" PRIu64 " newlines=%" PRIu64 " orphans=%" PRIu64 " still_open=%" PRIu64 "\n", counts->unwrapped,
          counts->newlines, join.orphans, join.open);
}

static void print_samples(const struct run *run) {
  for (size_t i = 0; i < run->sample_count; i++) {
    const struct sample *sample = &run->samples[i];
    struct input_position position;
    struct slice name = SLICE("-");
    if (source_position(run->source, sample->input, 0, &position)) name = position.name;
    fprintf(stderr, "%.*s:%" PRIu64 ": unparsed (%.*s): ", SLICE_ARG(name), sample->line,
            SLICE_ARG(unparsed_reason_name(sample->reason)));
    /* A log line may hold anything; a terminal must not obey it. */
    for (size_t k = 0; k < sample->len; k++) {
      unsigned char c = (unsigned char)sample->text[k];
      fputc(c < 0x20 || c == 0x7f ? '?' : c, stderr);
    }
    fputs(sample->len == SAMPLE_BYTES_MAX ? "...\n" : "\n", stderr);
  }
}

static int parse_files(const struct format *format, const struct envelope *envelope, const struct time_rules *rules,
                       const struct source_options *sources) {
  struct error err = {0};
  struct run *run = memory_zeroed(sizeof *run);
  struct join_options join_options;
  join_options_init(&join_options);
  run->source = source_new(sources, &err);
  bool is_done = false;
  if (run->source) {
    parser_init(&run->parser, format, rules, 1);
    run->parser.when_unparsed = keep_sample;
    run->parser.context = run;
    run->chooser = format_chooser_new(format, envelope, rules);
    run->unwrapper = unwrapper_new(envelope);
    run->join = join_new(&join_options, 0, 1);
    run->stage.when_full = write_staged;
    run->stage.context = run;
    is_done = read_all(run, &err);
    flush_output(run);
    if (is_done && run->write_err.kind) {
      err = run->write_err;
      is_done = false;
    }
    print_counts(run);
    print_samples(run);
    parser_deinit(&run->parser);
  }
  format_chooser_free(run->chooser);
  unwrapper_free(run->unwrapper);
  join_free(run->join);
  source_free(run->source);
  free(run->line_counts);
  buf_deinit(&run->out);
  free(run);
  return is_done ? EXIT_OK : command_fail(&err);
}

int parse_main(int argc, char **argv) {
  enum { OPTION_ZONE = 256, OPTION_ENVELOPE };
  static const struct option LONG_OPTIONS[] = {{"format", required_argument, NULL, 'f'},
                                               {"zone", required_argument, NULL, OPTION_ZONE},
                                               {"envelope", required_argument, NULL, OPTION_ENVELOPE},
                                               {"help", no_argument, NULL, 'h'},
                                               {0}};
  const char *format_name = "auto", *envelope_name = "auto";
  struct time_rules rules = {.now_us = clock_wall_us()};
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":f:h", LONG_OPTIONS, NULL)) != -1;) {
    switch (option) {
      case 'f': format_name = optarg; break;
      case OPTION_ZONE: rules.zone = optarg; break;
      case OPTION_ENVELOPE: envelope_name = optarg; break;
      case 'h': fputs(HELP, stdout); return EXIT_OK;
      case ':': return command_usage("parse", "option '%s' needs a value", argv[optind - 1]);
      default: return command_usage("parse", "unknown option '%s'", argv[optind - 1]);
    }
  }
  const struct format *format = format_find(slice_from_cstr(format_name));
  if (!format) return command_usage("parse", "unknown format '%s'", format_name);
  const struct envelope *envelope = envelope_find(slice_from_cstr(envelope_name));
  if (!envelope) return command_usage("parse", "unknown envelope '%s'", envelope_name);
  struct error err = {0};
  if (!time_rules_check(&rules, &err)) return command_fail(&err);
  static const char *const STANDARD_INPUT[] = {"-"};
  struct source_options sources = {
      .names = STANDARD_INPUT, .name_count = 1, .parts = 1, .has_envelopes = !envelope_is_plain(envelope)};
  if (optind < argc) {
    sources.names = (const char *const *)argv + optind;
    sources.name_count = (size_t)(argc - optind);
  }
  return parse_files(format, envelope, &rules, &sources);
}
