/* A Kafka topic: every partition is an input and a scope of its own, "TOPIC/PARTITION". Messages are taken from librdkafka many at a
 * time, sorted into their partitions' buffers, and handed out when a buffer is full or its first message has waited for GATHER_US.
 *
 * Bytes of messages are kept as they are (a CR before the end too): the same line is the same line in a file. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_partition.h"
#include "ingest/source_member.h"

/* Messages taken from librdkafka at once. */
#define MESSAGES_MAX 1000

/* A message waits at most this long for others to come into its batch. */
#define GATHER_US 50000

/* Messages read before replay_from, only to be looked back at for "last message repeated". */
#define LOOKBACK_MESSAGES 256

#define ERROR_LOG_PERIOD_US (10 * US_PER_SECOND)

struct kafka {
  rd_kafka_t *consumer;
  rd_kafka_queue_t *queue;
  char *brokers, *topic;
  struct kafka_partition *partitions;
  size_t partition_count;
  rd_kafka_message_t *messages[MESSAGES_MAX];
  size_t message_count, message_next;
  size_t waiting_turn; /* partition looked at first when what waits is handed out */
  int64_t error_logged_at_us;
};

static void drop_messages(struct kafka *k) {
  while (k->message_next < k->message_count) rd_kafka_message_destroy(k->messages[k->message_next++]);
  k->message_count = k->message_next = 0;
}

static void kafka_free(void *state) {
  struct kafka *k = state;
  drop_messages(k);
  if (k->consumer) rd_kafka_consumer_close(k->consumer);
  if (k->queue) rd_kafka_queue_destroy(k->queue);
  if (k->consumer) rd_kafka_destroy(k->consumer);
  for (size_t i = 0; i < k->partition_count; i++) kafka_partition_deinit(&k->partitions[i]);
  free(k->partitions);
  free(k->brokers);
  free(k->topic);
  free(k);
}

/* ---- where to start ----------------------------------------------------------------------------------------------------------- */

static const struct input_position *find_known(const struct input_table *table, struct slice name) {
  for (size_t i = 0; i < table->known_count; i++)
    if (table->known[i].kind == INPUT_KAFKA && slice_equal(table->known[i].name, name)) return &table->known[i];
  return NULL;
}

/* What is committed must still follow on what is there. */
static bool check_known(const struct kafka *k, const struct kafka_partition *p, uint64_t low, uint64_t high, struct error *err) {
  if (p->committed < low)
    return error_set(err, ERROR_INPUT,
                     "kafka %s: %s/%d: messages %" PRIu64 " to %" PRIu64
                     " were deleted before they were read (retention); take another "
                     "store to begin with what is there",
                     k->brokers, k->topic, p->number, p->committed, low - 1);
  if (p->committed > high)
    return error_set(err, ERROR_INPUT,
                     "kafka %s: %s/%d: the store has read up to %" PRIu64 ", but the partition ends at %" PRIu64
                     "; was the topic made "
                     "anew? take another store for it",
                     k->brokers, k->topic, p->number, p->committed, high);
  return true;
}

/* Finds the first offset to fetch; an offset of librdkafka's own kind. */
static bool find_start(const struct kafka *k, struct kafka_partition *p, const struct source_options *options, int64_t *start,
                       struct error *err) {
  uint64_t low, high;
  const struct kafka_question question = {k->consumer, k->brokers, k->topic, options};
  if (!kafka_watermarks(&question, p->number, &low, &high, err)) return false;
  bool is_known = p->input->position.committed > 0;
  if (is_known && !check_known(k, p, low, high, err)) return false;
  if (is_known && p->replay_from < low) p->replay_from = low;
  uint64_t from = is_known ? p->replay_from : low;
  if (options->until_end) {
    p->until = high;
    p->is_over = from >= high;
  }
  uint64_t lookback_from = from > low + LOOKBACK_MESSAGES ? from - LOOKBACK_MESSAGES : low;
  *start = is_known ? (int64_t)lookback_from : RD_KAFKA_OFFSET_BEGINNING;
  return true;
}

static bool add_partition(struct kafka *k, struct input_table *table, int32_t number, const struct source_options *options,
                          struct error *err) {
  struct kafka_partition *p = &k->partitions[number];
  char name[512];
  snprintf(name, sizeof name, "%s/%d", k->topic, number);
  for (size_t i = 0; i < table->input_count; i++)
    if (slice_equal(table->inputs[i]->position.name, slice_from_cstr(name)))
      return error_set(err, ERROR_USAGE, "topic %s: is named twice", k->topic);
  const struct input_position *known = find_known(table, slice_from_cstr(name));
  struct input *input = input_table_add(table, INPUT_KAFKA, name, input_table_scope(table, name), known);
  kafka_partition_init(p, input, number, k->partition_count, options);
  return true;
}

static bool assign(struct kafka *k, const struct source_options *options, struct error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->partition_count);
  bool is_done = true;
  for (size_t i = 0; i < k->partition_count && is_done; i++) {
    int64_t start;
    is_done = find_start(k, &k->partitions[i], options, &start, err);
    if (is_done && !k->partitions[i].is_over)
      rd_kafka_topic_partition_list_add(list, k->topic, k->partitions[i].number)->offset = start;
  }
  rd_kafka_resp_err_t code = is_done && list->cnt ? rd_kafka_assign(k->consumer, list) : RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_topic_partition_list_destroy(list);
  if (code) return error_set(err, ERROR_INPUT, "kafka %s: %s: %s", k->brokers, k->topic, rd_kafka_err2str(code));
  return is_done;
}

/* ---- messages ----------------------------------------------------------------------------------------------------------------- */

static struct kafka_partition *partition_of(struct kafka *k, int32_t number) {
  return number >= 0 && (size_t)number < k->partition_count ? &k->partitions[number] : NULL;
}

/* An error instead of a message. False: it ends the source. */
static bool take_error(struct kafka *k, const rd_kafka_message_t *message, struct error *err) {
  struct kafka_partition *p = partition_of(k, message->partition);
  switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      if (p) kafka_partition_reached(p, (uint64_t)message->offset);
      return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return error_set(err, ERROR_INPUT,
                       "kafka %s: %s/%d: message %" PRIu64
                       " is gone before it was read (retention): %s; take another store to begin with "
                       "what is there",
                       k->brokers, k->topic, message->partition, p ? p->next : 0, rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return error_set(err, ERROR_INPUT, "kafka %s: %s/%d: %s", k->brokers, k->topic, message->partition,
                       rd_kafka_message_errstr(message));
    default: break;
  }
  /* librdkafka connects again by itself; say so, but not with each try. */
  int64_t now_us = clock_monotonic_us();
  if (k->error_logged_at_us && now_us - k->error_logged_at_us < ERROR_LOG_PERIOD_US) return true;
  k->error_logged_at_us = now_us;
  char text[512];
  log_event(LOG_WARNING, "kafka_error", "topic=%s text=%s", k->topic,
            log_value(text, sizeof text, slice_from_cstr(rd_kafka_message_errstr(message))));
  return true;
}

static struct kafka_message describe(const rd_kafka_message_t *message) {
  rd_kafka_timestamp_type_t type;
  int64_t time_ms = rd_kafka_message_timestamp(message, &type);
  bool has_time = type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && time_ms > 0 && time_ms < INT64_MAX / 1000;
  return (struct kafka_message){.offset = (uint64_t)message->offset,
                                .time_us = has_time ? time_ms * 1000 : clock_wall_us(),
                                .payload = slice_of(message->payload, message->payload ? message->len : 0)};
}

/* Sorts what was fetched into the partitions until one must hand out. SOURCE_IDLE: all is sorted. */
static enum source_state sort_messages(struct kafka *k, struct batch *batch, struct error *err) {
  while (k->message_next < k->message_count) {
    rd_kafka_message_t *message = k->messages[k->message_next];
    struct kafka_partition *p = partition_of(k, message->partition);
    bool is_fine = true;
    if (message->err) {
      is_fine = take_error(k, message, err);
    } else if (p) {
      struct kafka_message described = describe(message);
      /* A message stays at the front until it has found room. */
      if (!kafka_partition_add(p, &described)) {
        bool is_taken = kafka_partition_take(p, batch);
        assert(is_taken); /* what has no room is told so only when something waits */
        return is_taken ? SOURCE_BATCH : SOURCE_FAILED;
      }
    }
    k->message_next++;
    rd_kafka_message_destroy(message);
    if (!is_fine) return SOURCE_FAILED;
    if (p && kafka_partition_is_full(p) && kafka_partition_take(p, batch)) return SOURCE_BATCH;
  }
  return SOURCE_IDLE;
}

/* Hands out what has waited for long enough: all of it when no message came. */
static bool take_waiting(struct kafka *k, bool is_quiet, struct batch *batch) {
  int64_t now_us = clock_monotonic_us();
  for (size_t i = 0; i < k->partition_count; i++) {
    struct kafka_partition *p = &k->partitions[k->waiting_turn];
    k->waiting_turn = (k->waiting_turn + 1) % k->partition_count;
    if (batch_buffer_waiting(&p->buffer) == 0) continue;
    bool is_due = is_quiet || p->is_over || now_us - p->waiting_since_us >= GATHER_US;
    if (is_due && kafka_partition_take(p, batch)) return true;
  }
  return false;
}

static bool is_all_over(const struct kafka *k) {
  for (size_t i = 0; i < k->partition_count; i++)
    if (!k->partitions[i].is_over) return false;
  return true;
}

/* librdkafka waits for a whole array of messages or the timeout; what is there now is taken at once, and only when there is nothing it is
 * waited for one. */
static void fetch(struct kafka *k, int timeout_ms) {
  k->message_next = 0;
  ssize_t got = rd_kafka_consume_batch_queue(k->queue, 0, k->messages, MESSAGES_MAX);
  if (got == 0 && timeout_ms > 0) got = rd_kafka_consume_batch_queue(k->queue, timeout_ms, k->messages, 1);
  k->message_count = got > 0 ? (size_t)got : 0;
}

static enum source_state kafka_next(void *state, int timeout_ms, struct batch *batch, struct batch_fill *fill, struct error *err) {
  struct kafka *k = state;
  (void)fill;
  int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
  int wait_ms = GATHER_US / 1000;
  for (;;) {
    enum source_state sorted = sort_messages(k, batch, err);
    if (sorted != SOURCE_IDLE) return sorted;
    if (take_waiting(k, false, batch)) return SOURCE_BATCH;
    if (is_all_over(k)) return SOURCE_END;
    int64_t left_ms = (deadline_us - clock_monotonic_us()) / 1000;
    if (left_ms < 0) left_ms = 0;
    fetch(k, left_ms < wait_ms ? (int)left_ms : wait_ms);
    if (k->message_count) continue;
    if (take_waiting(k, true, batch)) return SOURCE_BATCH;
    if (left_ms == 0) return SOURCE_IDLE;
  }
}

/* The topic's size is asked for by a consumer of its own: how much to fetch ahead depends on it and is fixed when a consumer is made. */
static bool count_partitions(struct kafka *k, const struct source_options *options, struct error *err) {
  int count = 0;
  rd_kafka_t *asker = kafka_consumer_new(k->brokers, options, 0, err);
  if (!asker) return false;
  const struct kafka_question question = {asker, k->brokers, k->topic, options};
  bool is_done = kafka_partition_count(&question, &count, err);
  rd_kafka_destroy(asker);
  k->partition_count = (size_t)count;
  k->partitions = memory_zeroed(k->partition_count * sizeof *k->partitions);
  return is_done;
}

/* The end of a partition comes with each answer of its leader and is kept by librdkafka. */
static bool kafka_lag(const void *state, const struct input *input, uint64_t *messages) {
  const struct kafka *k = state;
  int64_t low, high;
  for (size_t i = 0; i < k->partition_count; i++) {
    const struct kafka_partition *p = &k->partitions[i];
    if (p->input != input) continue;
    if (rd_kafka_get_watermark_offsets(k->consumer, k->topic, p->number, &low, &high) || high < 0) return false;
    *messages = (uint64_t)high > input->position.committed ? (uint64_t)high - input->position.committed : 0;
    return true;
  }
  return false;
}

bool source_kafka_new(struct input_table *table, const char *url, const struct source_options *options, struct source_member *out,
                      struct error *err) {
  struct kafka *k = memory_zeroed(sizeof *k);
  bool is_done = kafka_url_parse(url, &k->brokers, &k->topic, err) && count_partitions(k, options, err) &&
                 (k->consumer = kafka_consumer_new(k->brokers, options, k->partition_count, err)) != NULL;
  if (is_done) {
    rd_kafka_poll_set_consumer(k->consumer);
    k->queue = rd_kafka_queue_get_consumer(k->consumer);
  }
  for (size_t number = 0; number < k->partition_count && is_done; number++)
    is_done = add_partition(k, table, (int32_t)number, options, err);
  if (is_done && assign(k, options, err)) {
    *out = (struct source_member){.state = k, .next = kafka_next, .free = kafka_free, .lag = kafka_lag};
    return true;
  }
  kafka_free(k);
  return false;
}
