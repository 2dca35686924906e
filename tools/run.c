/* `bouncemill run`: options and configuration in, the pipeline at work, its last words on stderr. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/listener.h"
#include "tools/metrics.h"
#include "tools/pipeline.h"
#include "tools/recipient_options.h"

#define FLUSH_INTERVAL_S_DEFAULT 10.0
#define COMPACT_INTERVAL_S_DEFAULT 30.0

static const char HELP[] =
    "usage: bouncemill run [OPTION]... SOURCE...\n\n"
    "Reads SOURCE..., joins the lines of each message, classifies every deferral and rejection,\n"
    "counts, and writes the store. Started again it goes on where the store's positions are.\n\n"
    "A SOURCE is\n"
    "  PATH                    a log file, plain, .gz or .zst\n"
    "  -                       standard input (has no position: read twice is counted twice)\n"
    "  kafka://BROKERS/TOPIC   all partitions of a topic, those added later too; BROKERS is\n"
    "                          host:port[,host:port...]\n"
    "  kafka://BROKERS/TOPIC/0,4-7   these partitions\n\n"
    "  -s, --store DIR         the store; made when it is not there (default: ./store)\n"
    "      --sink kafka://BROKERS/TOPIC   rows and positions go to this topic in transactions, instead of to a\n"
    "                          store; the sources are topics of the same brokers\n"
    "      --group NAME        whose offsets are the positions then (default: bouncemill)\n"
    "      --member NAME       with --sink: join the group as this member, so that the brokers share out the\n"
    "                          partitions of the one SOURCE; without it they are shared out by hand\n"
    "      --source KIND       what the sources have: logs (default), or summaries: rows of such a topic\n"
    "  -f, --format NAME       whose log it is: auto (default; each file's first lines tell), mixed\n"
    "                          (each line tells), postfix, exim, sendmail, opensmtpd, powermta, kumomta,\n"
    "                          halon, qmail, haraka\n"
    "      --follow            files: wait for more lines, through rotation and copytruncate\n"
    "      --until-end         Kafka: stop at the end of each partition as it is at the start\n"
    "      --accept-loss TOPIC   Kafka: when messages of TOPIC that were not read are gone (retention, a topic\n"
    "                          made anew), log it and read what is there; without it that is an error\n"
    "  -t, --threads N         worker threads, 1 to 64 (default: the machine's processors, at most 8)\n"
    "      --flush-interval S  seconds between commits, such as 10 or 0.02 (default: 10)\n"
    "      --compact-interval S  seconds between looks for segments to merge and rows to roll up, beside\n"
    "                          the work; 0 for never (default: 30)\n"
    "      --zone NAME         time zone of stamps that name none, such as Europe/Berlin\n"
    "                          (default: UTC)\n"
    "      --envelope NAME     what a shipper wrapped around the lines: auto (default; each line tells),\n"
    "                          plain, journald, syslog-ng, rsyslog, docker, vector, fluent-bit, filebeat,\n"
    "                          json (any with a message), cri\n"
    "      --dead-letter TARGET  lines that cannot be parsed, one JSON object each: a file that is appended to,\n"
    "                          or kafka://BROKERS/TOPIC\n"
    "      --rules DIR         rules from DIR instead of those built in; SIGHUP and 'bouncemill rules reload' have\n"
    "                          them read again\n"
    "      --user-rules DIR    rules from DIR laid over those: same id, same place; others come first in their step\n"
    "      --listen [ADDR:]PORT  answer /metrics (Prometheus), /healthz and /readyz over HTTP; without ADDR on\n"
    "                          the loopback address (default: off)\n"
    "      --max-line BYTES    a longer line is counted as too long, and is not read; 1024 to 262144\n"
    "                          (default: 65536)\n"
    "      --recipients NAMES  count each recipient by day, too: off (default), hashed (HMAC-SHA-256 under the\n"
    "                          key file), plain (the addresses themselves)\n"
    "      --recipients-key FILE  the key of hashed: 16 to 4096 bytes; keep it secret, and keep it\n"
    "  -X KEY=VALUE            any property of librdkafka; may be given often\n"
    "  -c, --config FILE       settings in YAML; options given here win\n"
    "      --check-config      read options and configuration, say what is wrong, do nothing\n"
    "      --no-progress       no progress line on a terminal\n"
    "  -v, --verbose           log each flush\n"
    "  -h, --help              this text\n\n"
    "Exit codes: 0 ok, 2 usage or configuration, 3 input or I/O, 75 another run writes\n"
    "the store, or stopped while the store could not be written.\n";

struct run_options {
  struct config config; /* the command line is laid over the file */
  const char *config_path;
  bool is_check, has_no_progress, is_verbose;
};

static bool take_property(struct run_options *options, char *text) {
  char *equals = strchr(text, '=');
  if (!equals || equals == text || options->config.kafka_count == CONFIG_LIST_MAX) return false;
  *equals = '\0';
  options->config.kafka[options->config.kafka_count++] = (struct key_value){text, equals + 1};
  return true;
}

enum {
  OPTION_ACCEPT_LOSS = 251,
  OPTION_GROUP,
  OPTION_MEMBER,
  OPTION_SINK,
  OPTION_SOURCE,
  OPTION_ENVELOPE = 256,
  OPTION_DEAD_LETTER,
  OPTION_FOLLOW,
  OPTION_LISTEN,
  OPTION_MAX_LINE,
  OPTION_RECIPIENTS,
  OPTION_RECIPIENTS_KEY,
  OPTION_RULES,
  OPTION_USER_RULES,
  OPTION_UNTIL_END,
  OPTION_FLUSH,
  OPTION_COMPACT,
  OPTION_ZONE,
  OPTION_CHECK,
  OPTION_NO_PROGRESS
};

static const struct option LONG_OPTIONS[] = {{"store", required_argument, NULL, 's'},
                                             {"format", required_argument, NULL, 'f'},
                                             {"envelope", required_argument, NULL, OPTION_ENVELOPE},
                                             {"dead-letter", required_argument, NULL, OPTION_DEAD_LETTER},
                                             {"accept-loss", required_argument, NULL, OPTION_ACCEPT_LOSS},
                                             {"sink", required_argument, NULL, OPTION_SINK},
                                             {"group", required_argument, NULL, OPTION_GROUP},
                                             {"member", required_argument, NULL, OPTION_MEMBER},
                                             {"source", required_argument, NULL, OPTION_SOURCE},
                                             {"follow", no_argument, NULL, OPTION_FOLLOW},
                                             {"listen", required_argument, NULL, OPTION_LISTEN},
                                             {"max-line", required_argument, NULL, OPTION_MAX_LINE},
                                             {"recipients", required_argument, NULL, OPTION_RECIPIENTS},
                                             {"recipients-key", required_argument, NULL, OPTION_RECIPIENTS_KEY},
                                             {"rules", required_argument, NULL, OPTION_RULES},
                                             {"user-rules", required_argument, NULL, OPTION_USER_RULES},
                                             {"until-end", no_argument, NULL, OPTION_UNTIL_END},
                                             {"threads", required_argument, NULL, 't'},
                                             {"flush-interval", required_argument, NULL, OPTION_FLUSH},
                                             {"compact-interval", required_argument, NULL, OPTION_COMPACT},
                                             {"zone", required_argument, NULL, OPTION_ZONE},
                                             {"config", required_argument, NULL, 'c'},
                                             {"check-config", no_argument, NULL, OPTION_CHECK},
                                             {"no-progress", no_argument, NULL, OPTION_NO_PROGRESS},
                                             {"verbose", no_argument, NULL, 'v'},
                                             {"help", no_argument, NULL, 'h'},
                                             {0}};
static const char SHORT_OPTIONS[] = ":s:f:t:X:c:vh";

/* Takes one option; EXIT_OK or the exit code of the complaint. */
static int take_option(struct run_options *options, int option, char *value) {
  struct config *config = &options->config;
  switch (option) {
    case 's': config->store = value; break;
    case 'f': config->format = value; break;
    case 'c': break; /* read before the others */
    case 'v': options->is_verbose = true; break;
    case OPTION_SINK: config->sink = value; break;
    case OPTION_GROUP: config->group = value; break;
    case OPTION_MEMBER: config->member = value; break;
    case OPTION_SOURCE: config->source = value; break;
    case OPTION_ZONE: config->zone = value; break;
    case OPTION_ENVELOPE: config->envelope = value; break;
    case OPTION_DEAD_LETTER: config->dead_letter = value; break;
    case OPTION_LISTEN: config->listen = value; break;
    case OPTION_RULES: config->rules = value; break;
    case OPTION_USER_RULES: config->user_rules = value; break;
    case OPTION_RECIPIENTS: config->recipients = value; break;
    case OPTION_RECIPIENTS_KEY: config->recipients_key = value; break;
    case OPTION_FOLLOW: config->follow = true; break;
    case OPTION_UNTIL_END: config->until_end = true; break;
    case OPTION_CHECK: options->is_check = true; break;
    case OPTION_NO_PROGRESS: options->has_no_progress = true; break;
    case OPTION_ACCEPT_LOSS:
      if (config->accept_loss_count == CONFIG_LIST_MAX) return command_usage("run", "over %d times --accept-loss", CONFIG_LIST_MAX);
      config->accept_loss[config->accept_loss_count++] = value;
      break;
    case 't':
      if (!config_parse_unsigned(slice_from_cstr(value), 1, LIMIT_THREADS, &config->threads))
        return command_usage("run", "--threads needs a number from 1 to %u, not '%s'", LIMIT_THREADS, value);
      break;
    case OPTION_MAX_LINE:
      if (!config_parse_unsigned(slice_from_cstr(value), LIMIT_LINE_BYTES_LEAST, LIMIT_LINE_BYTES_MOST, &config->max_line))
        return command_usage("run", "--max-line needs bytes from %u to %u, not '%s'", LIMIT_LINE_BYTES_LEAST, LIMIT_LINE_BYTES_MOST,
                             value);
      break;
    case OPTION_COMPACT:
      if (!config_parse_seconds(slice_from_cstr(value), &config->compact_interval_s))
        return command_usage("run", "--compact-interval needs seconds from 0 to 86400, not '%s'", value);
      break;
    case OPTION_FLUSH:
      if (!config_parse_seconds(slice_from_cstr(value), &config->flush_interval_s))
        return command_usage("run", "--flush-interval needs seconds from 0 to 86400, not '%s'", value);
      break;
    case 'X':
      if (!take_property(options, value)) return command_usage("run", "-X needs KEY=VALUE, not '%s'", value);
      break;
    default: return EXIT_USAGE;
  }
  return EXIT_OK;
}

/* Finds --config and reads it; then lays the other options over it. *is_help is set when --help was asked for. */
static int read_options(struct run_options *options, int argc, char **argv, bool *is_help) {
  struct error err = {0};
  for (int pass = 0; pass < 2; pass++) {
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, SHORT_OPTIONS, LONG_OPTIONS, NULL)) != -1;) {
      if (option == ':' || option == '?') return command_bad_option("run", option, argv[optind - 1]);
      if (option == 'h') *is_help = true;
      if (*is_help) return EXIT_OK;
      if (pass == 0 && option == 'c') options->config_path = optarg;
      if (pass == 0) continue;
      int code = take_option(options, option, optarg);
      if (code) return code;
    }
    if (pass == 0 && options->config_path && !config_read(&options->config, options->config_path, &err)) return command_fail(&err);
  }
  if (optind < argc) options->config.input_count = 0; /* sources on the command line stand for those of the file */
  for (; optind < argc; optind++) {
    if (options->config.input_count == CONFIG_LIST_MAX) return command_usage("run", "over %d sources", CONFIG_LIST_MAX);
    options->config.inputs[options->config.input_count++] = argv[optind];
  }
  if (!options->config.input_count) return command_usage("run", "no SOURCE given");
  return EXIT_OK;
}

static unsigned default_threads(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > 8 ? 8 : (unsigned)count;
}

/* What a sink asks of the other settings. EXIT_OK or the exit code of the complaint. */
static int check_sink(const struct config *config) {
  if (config->source && strcmp(config->source, "logs") != 0 && strcmp(config->source, "summaries") != 0)
    return command_usage("run", "--source needs logs or summaries, not '%s'", config->source);
  if (!config->sink && config->member) return command_usage("run", "--member is of --sink, which is not given");
  if (!config->sink) return config->group ? command_usage("run", "--group is of --sink, which is not given") : EXIT_OK;
  if (config->store) return command_usage("run", "--sink stands instead of --store: give one of them");
  if (config->source && strcmp(config->source, "logs") != 0) return command_usage("run", "--sink takes logs, not summaries");
  if (config->member && (config->input_count != 1 || config->until_end))
    return command_usage("run", "--member takes one SOURCE, and no --until-end");
  if (strncmp(config->sink, "kafka://", 8) != 0)
    return command_usage("run", "--sink needs kafka://BROKERS/TOPIC, not '%s'", config->sink);
  for (size_t i = 0; i < config->input_count; i++)
    if (strncmp(config->inputs[i], "kafka://", 8) != 0)
      return command_usage("run", "with --sink all sources are topics; '%s' is none", config->inputs[i]);
  return EXIT_OK;
}

static int make_pipeline_options(const struct run_options *options, struct pipeline_options *out) {
  const struct config *config = &options->config;
  *out = (struct pipeline_options){.store_dir = config->store ? config->store : "store",
                                   .rules_dir = config->rules,
                                   .user_rules_dir = config->user_rules,
                                   .threads = config->threads ? config->threads : default_threads(),
                                   .line_bytes_max = config->max_line ? config->max_line : LIMIT_LINE_BYTES,
                                   .dead_letter = config->dead_letter,
                                   .show_progress = !options->has_no_progress && !options->is_verbose};
  int code = check_sink(config);
  if (code) return code;
  out->sink = config->sink;
  out->group = config->group ? config->group : "bouncemill";
  out->reads_summaries = config->source && strcmp(config->source, "summaries") == 0;
  const char *format = config->format ? config->format : "auto";
  out->format = format_find(slice_from_cstr(format));
  if (!out->format) return command_usage("run", "unknown format '%s'", format);
  const char *envelope = config->envelope ? config->envelope : "auto";
  out->envelope = envelope_find(slice_from_cstr(envelope));
  if (!out->envelope) return command_usage("run", "unknown envelope '%s'", envelope);
  double interval_s = config->flush_interval_s >= 0 ? config->flush_interval_s : FLUSH_INTERVAL_S_DEFAULT;
  out->flush_interval_us = (int64_t)(interval_s * 1e6);
  out->compact_interval_us =
      (int64_t)((config->compact_interval_s >= 0 ? config->compact_interval_s : COMPACT_INTERVAL_S_DEFAULT) * 1e6);
  memcpy(out->retention, config->retention, sizeof out->retention);
  out->time_rules = (struct time_rules){.zone = config->zone, .now_us = clock_wall_us()};
  struct error err = {0};
  if (!time_rules_check(&out->time_rules, &err)) return command_usage("run", "--zone: %s", err.text);
  join_options_init(&out->join);
  out->join.skips_uncounted = true;
  if (config->join_bytes) out->join.bytes_max = config->join_bytes;
  if (config->join_age_days) out->join.age_us_max = (int64_t)config->join_age_days * SECONDS_PER_DAY * US_PER_SECOND;
  out->join.source_rules = config->sources;
  out->join.source_rule_count = config->source_count;
  out->source = (struct source_options){.names = config->inputs,
                                        .name_count = config->input_count,
                                        .follow = config->follow,
                                        .until_end = config->until_end,
                                        .has_envelopes = !envelope_is_plain(out->envelope) && !out->reads_summaries,
                                        .group = out->group,
                                        .member = config->member,
                                        .accept_loss = config->accept_loss,
                                        .accept_loss_count = config->accept_loss_count,
                                        .kafka_properties = config->kafka,
                                        .kafka_property_count = config->kafka_count};
  return EXIT_OK;
}

static void log_summary(const struct pipeline_summary *summary, double elapsed_s) {
  const struct line_counts *lines = &summary->lines;
  uint64_t noise = 0, unparsed = 0;
  for (unsigned i = 0; i < NOISE_COUNT; i++) noise += lines->noise[i];
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++) unparsed += lines->unparsed[i];
  log_event(LOG_INFO, "done",
            "lines=%" PRIu64 " bytes=%" PRIu64 " delivery_lines=%" PRIu64 " info_lines=%" PRIu64 " noise_lines=%" PRIu64
            " unparsed_lines=%" PRIu64 " deliveries=%" PRIu64 " seconds=%.3f",
            lines->lines, lines->bytes, lines->delivery, lines->info, noise, unparsed, summary->deliveries, elapsed_s);
  char kinds[1024];
  for (unsigned i = 0, len = 0; i < NOISE_COUNT; i++)
    len += (unsigned)snprintf(kinds + len, sizeof kinds - len, "%s%.*s=%" PRIu64, i ? " " : "", SLICE_ARG(noise_name(i)),
                              lines->noise[i]);
  log_event(LOG_INFO, "noise", "%s", kinds);
  if (unparsed) {
    log_event(LOG_WARNING, "unparsed", "header=%" PRIu64 " body=%" PRIu64 " time=%" PRIu64 " too_long=%" PRIu64,
              lines->unparsed[UNPARSED_HEADER], lines->unparsed[UNPARSED_BODY], lines->unparsed[UNPARSED_TIME],
              lines->unparsed[UNPARSED_TOO_LONG]);
  }
  if (summary->dead_letters) log_event(LOG_INFO, "dead_letters", "lines=%" PRIu64, summary->dead_letters);
  if (lines->unwrapped) log_event(LOG_INFO, "unwrapped", "lines=%" PRIu64 " newlines=%" PRIu64, lines->unwrapped, lines->newlines);
  log_event(LOG_INFO, "joined", "open=%" PRIu64 " orphans=%" PRIu64 " forgotten_memory=%" PRIu64 " forgotten_age=%" PRIu64,
            summary->join.open, summary->join.orphans, summary->join.forgotten_memory, summary->join.forgotten_age);
  log_event(LOG_INFO, "classified", "replies=%" PRIu64 " cache_hits=%" PRIu64 " unclassified=%" PRIu64, summary->classify.replies,
            summary->classify.cache_hits, summary->classify.unclassified);
}

/* SIGINT, SIGTERM and SIGHUP are read from a descriptor between batches: no handler, no global. */
static int open_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Once one came it counts: it can be read one time only. */
struct signals {
  int fd;
  bool is_stop_seen, is_reload_seen;
};

static void read_signals(struct signals *signals) {
  struct signalfd_siginfo info;
  while (read(signals->fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGHUP)
      signals->is_reload_seen = true;
    else
      signals->is_stop_seen = true;
  }
}

static bool should_stop(void *context) {
  struct signals *signals = context;
  read_signals(signals);
  return signals->is_stop_seen;
}

static bool should_reload(void *context) {
  struct signals *signals = context;
  read_signals(signals);
  bool is_seen = signals->is_reload_seen;
  signals->is_reload_seen = false;
  return is_seen;
}

static void publish(void *context, const struct pipeline *pipeline) {
  struct buf text = {0};
  metrics_write(pipeline, &text);
  listener_publish(context, &text, pipeline_blocked_reason(pipeline));
}

/* `listen`: where to, or NULL. */
static int run_pipeline(struct pipeline_options *options, const struct listen_address *listen) {
  struct error err = {0};
  int64_t begun_us = clock_monotonic_us();
  struct signals signals = {.fd = open_signals()};
  options->source.should_stop = should_stop;
  options->source.stop_context = &signals;
  options->should_reload = should_reload;
  options->reload_context = &signals;
  struct listener *listener = listen ? listener_new(listen, &err) : NULL;
  if (listener) options->publish = publish;
  options->publish_context = listener;
  struct pipeline *pipeline = listen && !listener ? NULL : pipeline_new(options, &err);
  bool is_done = pipeline && pipeline_run(pipeline, should_stop, &signals, &err);
  if (!pipeline && signals.is_stop_seen) {
    log_event(LOG_INFO, "stopped", "before the sources were open");
    is_done = true;
  }
  if (pipeline) {
    struct pipeline_summary summary;
    pipeline_summarize(pipeline, &summary);
    log_summary(&summary, (double)(clock_monotonic_us() - begun_us) / 1e6);
  }
  listener_free(listener);
  pipeline_free(pipeline);
  if (signals.fd >= 0) close(signals.fd);
  return is_done ? EXIT_OK : command_fail(&err);
}

int run_main(int argc, char **argv) {
  struct run_options options = {0};
  struct pipeline_options pipeline;
  struct buf recipients_key = {0};
  struct error err = {0};
  config_init(&options.config);
  bool is_help = false;
  int code = read_options(&options, argc, argv, &is_help);
  if (is_help) fputs(HELP, stdout);
  if (!is_help && code == EXIT_OK) {
    log_set_level(options.is_verbose ? LOG_DEBUG : LOG_INFO);
    code = make_pipeline_options(&options, &pipeline);
    const char *listen = options.config.listen;
    struct listen_address address;
    if (code == EXIT_OK && listen && !listen_address_parse(listen, &address))
      code = command_usage("run", "--listen needs a port, or an address and a port such as 127.0.0.1:9273, not '%s'", listen);
    if (code == EXIT_OK && !recipient_options_read(options.config.recipients, options.config.recipients_key, &recipients_key,
                                                   &pipeline.recipients, &err))
      code = command_fail(&err);
    if (code == EXIT_OK && !options.is_check) code = run_pipeline(&pipeline, listen ? &address : NULL);
  }
  if (recipients_key.len) explicit_bzero(recipients_key.ptr, recipients_key.len);
  buf_deinit(&recipients_key);
  config_deinit(&options.config);
  return code;
}
