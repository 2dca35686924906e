/* Marks: whether the messages of a topic are those that were read. See kafka_mark.h. */
#include "ingest/kafka_mark.h"

#include "base/clock.h"
#include "base/hash.h"

#define HASHED_BYTES 64
#define POLL_MS 100

uint64_t kafka_message_hash(int64_t time_ms, struct slice payload) {
  char text[HASHED_BYTES + 16];
  uint64_t len = slice_is_absent(payload) ? UINT64_MAX : payload.len;
  size_t taken = payload.len < HASHED_BYTES ? payload.len : HASHED_BYTES;
  memcpy(text, &time_ms, 8);
  memcpy(text + 8, &len, 8);
  if (taken) memcpy(text + 16, payload.ptr, taken);
  uint64_t hash = XXH3_64bits(text, 16 + taken);
  return hash ? hash : 1;
}

static struct kafka_mark *mark_of(struct kafka_mark *marks, size_t count, int32_t partition) {
  for (size_t i = 0; i < count; i++)
    if (marks[i].partition == partition) return &marks[i];
  return NULL;
}

/* The first message from a mark's offset on decides. True when this one did. */
static bool decide(struct kafka_mark *mark, const rd_kafka_message_t *message) {
  if (!mark || mark->state != MARK_UNKNOWN) return false;
  switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: mark->state = MARK_OTHER; return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: mark->state = MARK_GONE; return true;
    case RD_KAFKA_RESP_ERR_NO_ERROR: break;
    default: return false;
  }
  rd_kafka_timestamp_type_t type;
  int64_t time_ms = rd_kafka_message_timestamp(message, &type);
  struct slice payload = slice_of(message->payload, message->payload ? message->len : 0);
  bool is_same = (uint64_t)message->offset == mark->offset && kafka_message_hash(time_ms, payload) == mark->hash;
  mark->state = is_same ? MARK_SAME : MARK_OTHER;
  return true;
}

bool kafka_marks_check(const struct kafka_question *question, struct kafka_mark *marks, size_t count, int wait_ms,
                       struct error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
  for (size_t i = 0; i < count; i++) {
    marks[i].state = MARK_UNKNOWN;
    rd_kafka_topic_partition_list_add(list, question->topic, marks[i].partition)->offset = (int64_t)marks[i].offset;
  }
  rd_kafka_resp_err_t code = count ? rd_kafka_assign(question->consumer, list) : RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_topic_partition_list_destroy(list);
  if (code) return error_set(err, ERROR_INPUT, "kafka %s: %s: %s", question->brokers, question->topic, rd_kafka_err2str(code));
  int64_t deadline_us = clock_monotonic_us() + (int64_t)wait_ms * 1000;
  size_t left = count;
  const struct source_options *options = question->options;
  while (left && clock_monotonic_us() < deadline_us && !(options->should_stop && options->should_stop(options->stop_context))) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(question->consumer, POLL_MS);
    if (!message) continue;
    left -= decide(mark_of(marks, count, message->partition), message);
    rd_kafka_message_destroy(message);
  }
  if (count) rd_kafka_assign(question->consumer, NULL);
  if (!left) return true;
  return error_set(err, ERROR_RETRY, "kafka %s: %s: its leaders do not answer", question->brokers, question->topic);
}
