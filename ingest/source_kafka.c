/* A Kafka topic: every partition is an input and a scope of its own, "TOPIC/PARTITION". Messages are taken from librdkafka many at a
 * time, sorted into their partitions' buffers, and handed out when a buffer is full or its first message has waited for GATHER_US.
 *
 * Bytes of messages are kept as they are (a CR before the end too): the same line is the same line in a file. */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "ingest/kafka_internal.h"
#include "ingest/source_member.h"

/* A message waits at most this long for others to come into its batch. */
#define GATHER_US 50000

/* How long an answer is waited for that nobody needs. */
#define ASK_MS 20

#define ERROR_LOG_PERIOD_US (10 * US_PER_SECOND)

static void drop_messages(struct kafka *k) {
  while (k->message_next < k->message_count) rd_kafka_message_destroy(k->messages[k->message_next++]);
  k->message_count = k->message_next = 0;
}

static void kafka_free(void *state) {
  struct kafka *k = state;
  drop_messages(k);
  kafka_watch_free(k->watch);
  if (k->asker) rd_kafka_destroy(k->asker);
  k->is_closing = true;
  if (k->rebalance) rd_kafka_assign(k->consumer, NULL); /* or closing waits for it */
  if (k->consumer) rd_kafka_consumer_close(k->consumer);
  if (k->queue) rd_kafka_queue_destroy(k->queue);
  if (k->consumer) rd_kafka_destroy(k->consumer);
  if (k->rebalance) rd_kafka_topic_partition_list_destroy(k->rebalance);
  kafka_drop_partitions(k);
  free(k->partitions);
  free(k->by_number);
  kafka_url_deinit(&k->url);
  free(k);
}

/* ---- messages ----------------------------------------------------------------------------------------------------------------- */

static struct kafka_partition *partition_of(struct kafka *k, int32_t number) {
  return number >= 0 && (size_t)number < k->topic_partition_count ? k->by_number[number] : NULL;
}

/* An error instead of a message. False: it ends the source. */
static bool take_error(struct kafka *k, const rd_kafka_message_t *message, struct error *err) {
  struct kafka_partition *p = partition_of(k, message->partition);
  switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      if (p) kafka_partition_reached(p, (uint64_t)message->offset);
      return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return !p || kafka_go_on_behind(k, p, err);
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return error_set(err, ERROR_INPUT, "kafka %s: %s/%d: %s", k->url.brokers, k->url.topic, message->partition,
                       rd_kafka_message_errstr(message));
    default: break;
  }
  /* librdkafka connects again by itself; say so, but not with each try. */
  int64_t now_us = clock_monotonic_us();
  if (k->error_logged_at_us && now_us - k->error_logged_at_us < ERROR_LOG_PERIOD_US) return true;
  k->error_logged_at_us = now_us;
  char text[512];
  log_event(LOG_WARNING, "kafka_error", "topic=%s text=%s", k->url.topic,
            log_value(text, sizeof text, slice_from_cstr(rd_kafka_message_errstr(message))));
  return true;
}

static struct kafka_message describe(const rd_kafka_message_t *message) {
  rd_kafka_timestamp_type_t type;
  int64_t time_ms = rd_kafka_message_timestamp(message, &type);
  bool has_time = type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && time_ms > 0 && time_ms < INT64_MAX / 1000;
  struct slice payload = slice_of(message->payload, message->payload ? message->len : 0);
  return (struct kafka_message){.offset = (uint64_t)message->offset,
                                .time_us = has_time ? time_ms * 1000 : clock_wall_us(),
                                .payload = payload,
                                .hash = kafka_message_hash(time_ms, payload)};
}

/* A partition of which enough was fetched ahead is looked at again by librdkafka 2.0 when something wakes the thread of its broker, or a second
 * later: a backlog went by at 70 MB/s. Any request wakes it, and this one, for a millisecond, is the cheapest that goes to the
 * right broker. */
static void ask_for_more(struct kafka *k, struct kafka_partition *p, size_t bytes) {
  int64_t low, high;
  p->unasked_bytes += bytes;
  if (p->unasked_bytes < k->ahead_bytes / 2) return;
  p->unasked_bytes = 0;
  rd_kafka_query_watermark_offsets(k->consumer, k->url.topic, p->number, &low, &high, ASK_MS);
}

/* Sorts what was fetched into the partitions until one must hand out. SOURCE_IDLE: all is sorted. */
static enum source_state sort_messages(struct kafka *k, struct batch *batch, struct error *err) {
  while (k->message_next < k->message_count) {
    rd_kafka_message_t *message = k->messages[k->message_next];
    struct kafka_partition *p = partition_of(k, message->partition);
    bool is_fine = true;
    if (message->err) {
      if (p && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF && kafka_partition_take(p, batch))
        return SOURCE_BATCH; /* what came before it; the error stays at the front */
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
    size_t bytes = message->err ? 0 : message->len;
    rd_kafka_message_destroy(message);
    if (p && bytes) ask_for_more(k, p, bytes);
    if (!is_fine) return SOURCE_FAILED;
    if (p && kafka_partition_is_full(p) && kafka_partition_take(p, batch)) return SOURCE_BATCH;
  }
  return SOURCE_IDLE;
}

/* Hands out what has waited for long enough: all of it when no message came. */
static bool take_waiting(struct kafka *k, bool is_quiet, struct batch *batch) {
  int64_t now_us = clock_monotonic_us();
  for (size_t i = 0; i < k->partition_count; i++) {
    struct kafka_partition *p = k->partitions[k->waiting_turn];
    k->waiting_turn = (k->waiting_turn + 1) % k->partition_count;
    if (batch_buffer_waiting(&p->buffer) == 0) continue;
    bool is_due = is_quiet || p->is_over || now_us - p->waiting_since_us >= GATHER_US;
    if (is_due && kafka_partition_take(p, batch)) return true;
  }
  return false;
}

static bool is_all_over(const struct kafka *k) {
  if (k->options.member) return false;
  for (size_t i = 0; i < k->partition_count; i++)
    if (!k->partitions[i]->is_over) return false;
  return true;
}

/* librdkafka waits for a whole array of messages or the timeout; what is there now is taken at once, and only when there is nothing it is
 * waited for one. */
static void fetch(struct kafka *k, int timeout_ms) {
  k->message_next = 0;
  ssize_t got = rd_kafka_consume_batch_queue(k->queue, 0, k->messages, KAFKA_MESSAGES_MAX);
  if (got == 0 && timeout_ms > 0) got = rd_kafka_consume_batch_queue(k->queue, timeout_ms, k->messages, 1);
  k->message_count = got > 0 ? (size_t)got : 0;
}

/* What the watch saw. SOURCE_IDLE: nothing, or it is seen to. */
static enum source_state take_watched(struct kafka *k, struct batch *batch, struct error *err) {
  struct kafka_mark mark;
  if (!k->watch) return SOURCE_IDLE;
  if (!k->is_anew) k->is_anew = kafka_watch_take_other(k->watch, &k->other);
  if (k->is_anew) {
    drop_messages(k); /* of which topic, nobody knows */
    if (take_waiting(k, true, batch)) return SOURCE_BATCH;
    k->is_anew = false;
    if (!kafka_go_on_anew(k, &k->other, err)) return SOURCE_FAILED;
  }
  struct kafka_partition *p = k->partitions[k->waiting_turn];
  if (kafka_partition_mark(p, &mark)) kafka_watch_offer(k->watch, &mark);
  return kafka_add_new_partitions(k, err) ? SOURCE_IDLE : SOURCE_FAILED;
}

static enum source_state kafka_next(void *state, int timeout_ms, struct batch *batch, struct batch_fill *fill, struct error *err) {
  struct kafka *k = state;
  (void)fill;
  int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
  int wait_ms = GATHER_US / 1000;
  for (;;) {
    if (k->rebalance) return SOURCE_REBALANCE;
    enum source_state sorted = take_watched(k, batch, err);
    if (sorted == SOURCE_IDLE) sorted = sort_messages(k, batch, err);
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

/* The end of a partition comes with each answer of its leader and is kept by librdkafka. */
static bool kafka_lag(const void *state, const struct input *input, uint64_t *messages) {
  const struct kafka *k = state;
  int64_t low, high;
  for (size_t i = 0; i < k->partition_count; i++) {
    const struct kafka_partition *p = k->partitions[i];
    if (p->input != input) continue;
    if (rd_kafka_get_watermark_offsets(k->consumer, k->url.topic, p->number, &low, &high) || high < 0) return false;
    *messages = (uint64_t)high > input->position.committed ? (uint64_t)high - input->position.committed : 0;
    return true;
  }
  return false;
}

/* Beside what is read to an end nothing is watched: it is as it was at the start. */
static bool start_watch(struct kafka *k, struct error *err) {
  if (k->options.until_end || k->options.member) return true;
  const struct kafka_question question = {k->asker, k->url.brokers, k->url.topic, &k->options};
  k->asker = NULL;
  k->watch = kafka_watch_new(&question, k->topic_partition_count, err);
  return k->watch != NULL;
}

/* How much to fetch ahead depends on the number of partitions, and is fixed when a consumer is made. */
static bool open_topic(struct kafka *k, const char *url, struct error *err) {
  if (!kafka_url_parse(&k->url, url, err) || !kafka_open_partitions(k, err)) return false;
  k->consumer = k->options.member
                    ? kafka_member_new(k->url.brokers, &k->options, k->topic_partition_count, kafka_group_note, k, err)
                    : kafka_consumer_new(k->url.brokers, &k->options, k->partition_count, err);
  if (!k->consumer) return false;
  k->queue = rd_kafka_queue_get_consumer(k->consumer);
  k->ahead_bytes = kafka_ahead_bytes(k->consumer);
  if (k->options.member) return kafka_group_join(k, err);
  return kafka_start_partitions(k, 0, err) && start_watch(k, err);
}

static bool kafka_rebalance(void *state, struct error *err) {
  struct kafka *k = state;
  drop_messages(k);
  return kafka_group_rebalance(k, err);
}

static void *kafka_group_metadata(const void *state) {
  const struct kafka *k = state;
  return k->options.member ? rd_kafka_consumer_group_metadata(k->consumer) : NULL;
}

bool source_kafka_new(struct input_table *table, const char *url, const struct source_options *options, struct source_member *out,
                      struct error *err) {
  struct kafka *k = memory_zeroed(sizeof *k);
  k->table = table;
  k->options = *options;
  *out = (struct source_member){.state = k,
                                .next = kafka_next,
                                .free = kafka_free,
                                .lag = kafka_lag,
                                .rebalance = kafka_rebalance,
                                .group_metadata = kafka_group_metadata};
  if (open_topic(k, url, err)) return true;
  kafka_free(k);
  return false;
}
