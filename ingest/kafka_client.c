/* Settings and questions of a librdkafka consumer or producer. See kafka_client.h. */
#include "ingest/kafka_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

/* How long a broker that does not answer is tried at the start, and how long an answer is waited for: longer with each try, so that
 * a wish to stop is soon seen where there is no broker at all, and a slow one gets its time. */
#define START_MS 30000
#define ANSWER_MS_MIN 500
#define ANSWER_MS_MAX 5000
#define PAUSE_MS 250

#define PARTITION_DIGITS_MAX 8

#define FETCH_AHEAD_KIB_ALL (64u << 10)
#define FETCH_AHEAD_KIB_MAX (32u << 10)
#define FETCH_AHEAD_KIB_MIN (2u << 10)

static char *copy_slice(struct slice s) {
  char *text = memory_zeroed(s.len + 1);
  return memcpy(text, s.ptr, s.len);
}

/* Takes "4" or "4-7" from the front of `list` and the comma behind it. */
static bool take_range(struct slice *list, int32_t *first, int32_t *last) {
  struct slice range = slice_of(list->ptr, slice_find_byte(*list, ','));
  *list = slice_skip(*list, range.len + (range.len < list->len));
  struct slice from = slice_of(range.ptr, slice_find_byte(range, '-'));
  struct slice to = from.len < range.len ? slice_skip(range, from.len + 1) : from;
  struct slice ends[2] = {from, to};
  int32_t numbers[2] = {0};
  for (int i = 0; i < 2; i++) {
    if (ends[i].len == 0 || ends[i].len > PARTITION_DIGITS_MAX) return false;
    for (size_t at = 0; at < ends[i].len; at++) {
      if (!ascii_is_digit(ends[i].ptr[at])) return false;
      numbers[i] = numbers[i] * 10 + (ends[i].ptr[at] - '0');
    }
  }
  *first = numbers[0];
  *last = numbers[1];
  return numbers[0] <= numbers[1];
}

bool kafka_url_has(const struct kafka_url *url, int32_t partition) {
  struct slice rest = url->partitions;
  int32_t first, last;
  if (!rest.len) return true;
  while (rest.len && take_range(&rest, &first, &last))
    if (partition >= first && partition <= last) return true;
  return false;
}

bool kafka_url_parse(struct kafka_url *out, const char *url, struct error *err) {
  *out = (struct kafka_url){.partition_last = -1};
  struct slice rest = slice_skip(slice_from_cstr(url), sizeof "kafka://" - 1);
  struct slice brokers = slice_of(rest.ptr, slice_find_byte(rest, '/'));
  rest = slice_skip(rest, brokers.len + (brokers.len < rest.len));
  struct slice topic = slice_of(rest.ptr, slice_find_byte(rest, '/'));
  bool has_list = topic.len < rest.len, is_good = brokers.len && topic.len;
  struct slice list = out->partitions = has_list ? slice_skip(rest, topic.len + 1) : (struct slice){0};
  is_good = is_good && (!has_list || (list.len && list.ptr[list.len - 1] != ','));
  for (int32_t first, last; is_good && list.len;) {
    is_good = take_range(&list, &first, &last);
    if (is_good && last > out->partition_last) out->partition_last = last;
  }
  if (!is_good)
    return error_set(err, ERROR_USAGE, "%s: is not kafka://HOST:PORT[,HOST:PORT...]/TOPIC[/PARTITION[-PARTITION],...]", url);
  out->brokers = copy_slice(brokers);
  out->topic = copy_slice(topic);
  return true;
}

void kafka_url_deinit(struct kafka_url *url) {
  free(url->brokers);
  free(url->topic);
  *url = (struct kafka_url){0};
}

static void log_line(const rd_kafka_t *consumer, int level, const char *facility, const char *text) {
  (void)consumer;
  char quoted[1024];
  log_event(level <= 4 ? LOG_WARNING : LOG_DEBUG, "kafka", "facility=%s text=%s", facility,
            log_value(quoted, sizeof quoted, slice_from_cstr(text)));
}

static bool set_property(rd_kafka_conf_t *conf, const char *key, const char *value, struct error *err) {
  char text[512];
  if (rd_kafka_conf_set(conf, key, value, text, sizeof text) == RD_KAFKA_CONF_OK) return true;
  return error_set(err, ERROR_USAGE, "-X %s=%s: %s", key, value, text);
}

static bool set_properties(rd_kafka_conf_t *conf, const struct key_value *properties, size_t count, struct error *err) {
  for (size_t i = 0; i < count; i++)
    if (!set_property(conf, properties[i].key, properties[i].value, err)) return false;
  return true;
}

/* What is fetched ahead, in KiB for each partition: librdkafka counts it so, and does not count what its messages cost beside their bytes.
 * When a partition has fetched that much librdkafka 2.0 looks again only a second later, so little would be slow: with 100000 messages
 * (its default) 1.6 million lines of 165 bytes took 5.6 s, with the values here 1.1 s. */
static unsigned fetch_ahead_kib(size_t partition_count) {
  size_t each = FETCH_AHEAD_KIB_ALL / (partition_count ? partition_count : 1);
  if (each > FETCH_AHEAD_KIB_MAX) each = FETCH_AHEAD_KIB_MAX;
  return (unsigned)(each < FETCH_AHEAD_KIB_MIN ? FETCH_AHEAD_KIB_MIN : each);
}

struct rebalance_hook {
  void (*note)(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *context);
  void *context;
};

/* `defaults` may be changed by the options, `more` not. `hook` is of a member of a group, else NULL. */
static rd_kafka_t *new_consumer(const char *brokers, const struct source_options *options, const struct key_value *defaults,
                                size_t default_count, const struct key_value *more, size_t more_count,
                                const struct rebalance_hook *hook, struct error *err) {
  char text[512];
  /* What positions and --until-end stand on is not for users to change. */
  const struct key_value required[] = {
      {"bootstrap.servers", brokers},        {"enable.auto.commit", "false"},  {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},        {"enable.partition.eof", "true"}, {"isolation.level", "read_committed"},
      {"allow.auto.create.topics", "false"},
  };
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, log_line);
  if (hook) rd_kafka_conf_set_rebalance_cb(conf, hook->note);
  if (hook) rd_kafka_conf_set_opaque(conf, hook->context);
  rd_kafka_t *consumer = NULL;
  if (set_properties(conf, defaults, default_count, err) &&
      set_properties(conf, options->kafka_properties, options->kafka_property_count, err) &&
      set_properties(conf, required, sizeof required / sizeof *required, err) && set_properties(conf, more, more_count, err)) {
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!consumer) error_set(err, ERROR_USAGE, "kafka %s: %s", brokers, text);
  }
  if (!consumer) rd_kafka_conf_destroy(conf);
  if (consumer) rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

rd_kafka_t *kafka_consumer_new(const char *brokers, const struct source_options *options, size_t partition_count,
                               struct error *err) {
  char ahead[16];
  snprintf(ahead, sizeof ahead, "%u", fetch_ahead_kib(partition_count));
  /* The group is never joined: partitions are assigned by us, positions live in the store. librdkafka wants a name all the same. */
  const struct key_value defaults[] = {
      {"client.id", "bouncemill"},         {"group.id", "bouncemill"},           {"queued.max.messages.kbytes", ahead},
      {"queued.min.messages", "10000000"}, {"reconnect.backoff.max.ms", "2000"},
  };
  return new_consumer(brokers, options, defaults, sizeof defaults / sizeof *defaults, NULL, 0, NULL, err);
}

uint64_t kafka_ahead_bytes(rd_kafka_t *consumer) {
  char text[32];
  size_t size = sizeof text;
  if (rd_kafka_conf_get(rd_kafka_conf(consumer), "queued.max.messages.kbytes", text, &size) != RD_KAFKA_CONF_OK) return 0;
  return strtoull(text, NULL, 10) << 10;
}

rd_kafka_t *kafka_member_new(const char *brokers, const struct source_options *options, size_t partition_count,
                             void (*note)(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                                          void *context),
                             void *context, struct error *err) {
  char ahead[16];
  snprintf(ahead, sizeof ahead, "%u", fetch_ahead_kib(partition_count));
  const struct key_value defaults[] = {{"client.id", "bouncemill"},
                                       {"queued.max.messages.kbytes", ahead},
                                       {"queued.min.messages", "10000000"},
                                       {"reconnect.backoff.max.ms", "2000"}};
  /* The cooperative assignor of librdkafka 2.0 is not safe with offsets that are committed by hand. */
  const struct key_value more[] = {
      {"group.id", options->group}, {"group.instance.id", options->member}, {"partition.assignment.strategy", "range"}};
  const struct rebalance_hook hook = {note, context};
  return new_consumer(brokers, options, defaults, sizeof defaults / sizeof *defaults, more, sizeof more / sizeof *more, &hook, err);
}

rd_kafka_t *kafka_group_asker_new(const char *brokers, const char *group, const struct source_options *options, struct error *err) {
  const struct key_value defaults[] = {{"client.id", "bouncemill"}, {"reconnect.backoff.max.ms", "2000"}};
  /* Brokers send a whole batch of messages whatever the limit says, and no more than one for so small a one. */
  const struct key_value more[] = {
      {"group.id", group}, {"queued.min.messages", "1"}, {"fetch.message.max.bytes", "1"}, {"queued.max.messages.kbytes", "1024"}};
  return new_consumer(brokers, options, defaults, sizeof defaults / sizeof *defaults, more, sizeof more / sizeof *more, NULL, err);
}

rd_kafka_t *kafka_asker_new(const char *brokers, const struct source_options *options, struct error *err) {
  return kafka_group_asker_new(brokers, "bouncemill", options, err);
}

/* `transactional_id` NULL: none. */
static rd_kafka_t *new_producer(const char *brokers, const char *transactional_id, const struct source_options *options,
                                void (*take_report)(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context),
                                void *context, struct error *err) {
  char text[512];
  /* What waits for a broker that is away: 16 MiB for a minute, then it is an error. */
  const struct key_value defaults[] = {{"client.id", "bouncemill"},
                                       {"queue.buffering.max.kbytes", "16384"},
                                       {"message.timeout.ms", "60000"},
                                       {"reconnect.backoff.max.ms", "2000"},
                                       {"compression.type", transactional_id ? "zstd" : "none"}};
  const struct key_value required[] = {{"bootstrap.servers", brokers}, {"enable.idempotence", "true"}};
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, log_line);
  rd_kafka_conf_set_dr_msg_cb(conf, take_report);
  rd_kafka_conf_set_opaque(conf, context);
  rd_kafka_t *producer = NULL;
  if (set_properties(conf, defaults, sizeof defaults / sizeof *defaults, err) &&
      set_properties(conf, options->kafka_properties, options->kafka_property_count, err) &&
      set_properties(conf, required, sizeof required / sizeof *required, err) &&
      (!transactional_id || set_property(conf, "transactional.id", transactional_id, err))) {
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer) error_set(err, ERROR_USAGE, "kafka %s: %s", brokers, text);
  }
  if (!producer) rd_kafka_conf_destroy(conf);
  return producer;
}

rd_kafka_t *kafka_producer_new(const char *brokers, const struct source_options *options,
                               void (*take_report)(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context),
                               void *context, struct error *err) {
  return new_producer(brokers, NULL, options, take_report, context, err);
}

rd_kafka_t *kafka_transactional_producer_new(
    const char *brokers, const char *transactional_id, const struct source_options *options,
    void (*take_report)(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context), void *context, struct error *err) {
  return new_producer(brokers, transactional_id, options, take_report, context, err);
}

/* Errors that pass: the broker is not up, a leader is being chosen, the topic was made a moment ago. */
static bool may_pass(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: return true;
    default: return false;
  }
}

struct tries {
  int64_t deadline_us;
  int answer_ms;
};

static struct tries tries_begin(void) { return (struct tries){clock_monotonic_us() + START_MS * 1000LL, ANSWER_MS_MIN}; }

/* Pauses before the next try; false when there is to be none. */
static bool tries_go_on(struct tries *tries, const struct source_options *options) {
  if (clock_monotonic_us() >= tries->deadline_us) return false;
  if (options->should_stop && options->should_stop(options->stop_context)) return false;
  struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
  nanosleep(&pause, NULL);
  tries->answer_ms = tries->answer_ms * 2 < ANSWER_MS_MAX ? tries->answer_ms * 2 : ANSWER_MS_MAX;
  return true;
}

rd_kafka_resp_err_t kafka_ask_partition_count(const struct kafka_question *question, int answer_ms, int *count) {
  const struct rd_kafka_metadata *metadata;
  rd_kafka_topic_t *topic = rd_kafka_topic_new(question->consumer, question->topic, NULL);
  if (!topic) return rd_kafka_last_error();
  rd_kafka_resp_err_t code = rd_kafka_metadata(question->consumer, 0, topic, &metadata, answer_ms);
  rd_kafka_topic_destroy(topic);
  if (code) return code;
  code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  *count = code ? 0 : metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  return code;
}

bool kafka_partition_count(const struct kafka_question *question, int *count, struct error *err) {
  const char *brokers = question->brokers, *topic = question->topic;
  struct tries tries = tries_begin();
  rd_kafka_resp_err_t code;
  do code = kafka_ask_partition_count(question, tries.answer_ms, count);
  while (code && may_pass(code) && tries_go_on(&tries, question->options));
  if (!code && *count > 0) return true;
  if (!code || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    return error_set(err, ERROR_INPUT, "kafka %s: has no topic '%s'; make it, or correct the name", brokers, topic);
  if (may_pass(code))
    return error_set(err, ERROR_RETRY, "kafka %s: no broker answers (%s); is it up, and is this its address?", brokers,
                     rd_kafka_err2str(code));
  return error_set(err, ERROR_INPUT, "kafka %s: topic '%s': %s", brokers, topic, rd_kafka_err2str(code));
}

bool kafka_watermarks(const struct kafka_question *question, int32_t partition, uint64_t *low, uint64_t *high, struct error *err) {
  struct tries tries = tries_begin();
  int64_t first, end;
  rd_kafka_resp_err_t code;
  do code = rd_kafka_query_watermark_offsets(question->consumer, question->topic, partition, &first, &end, tries.answer_ms);
  while (code && tries_go_on(&tries, question->options));
  if (code)
    return error_set(err, may_pass(code) ? ERROR_RETRY : ERROR_INPUT, "kafka %s: %s/%d: cannot ask for its offsets: %s",
                     question->brokers, question->topic, partition, rd_kafka_err2str(code));
  *low = (uint64_t)first;
  *high = (uint64_t)end;
  return true;
}
