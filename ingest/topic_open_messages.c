/* Reads the open messages back from their compacted topic. Of a key the last message counts; one without payload is closed. Messages
 * of a key are in one partition, in order. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ingest/topic_sink.h"

#define POLL_MS 100
#define QUIET_US (30 * US_PER_SECOND)

/* Where a message lies in the bytes; the later of equal keys lies behind the earlier. */
struct kept {
  size_t key, key_len, state, state_len;
};

struct reading {
  struct buf bytes;
  struct kept *kept;
  size_t count, cap;
};

static void keep(struct reading *r, const rd_kafka_message_t *message) {
  if (r->count == r->cap) r->kept = memory_resize(r->kept, (r->cap = r->cap ? r->cap * 2 : 1024) * sizeof *r->kept);
  struct kept *kept = &r->kept[r->count++];
  size_t state_len = message->payload ? message->len : 0;
  *kept = (struct kept){r->bytes.len, message->key_len, r->bytes.len + message->key_len, state_len};
  buf_append(&r->bytes, message->key, message->key_len);
  buf_append(&r->bytes, message->payload, state_len);
}

static int compare_kept(const void *a, const void *b, void *bytes) {
  const struct kept *x = a, *y = b;
  const char *base = bytes;
  int order = slice_compare(slice_of(base + x->key, x->key_len), slice_of(base + y->key, y->key_len));
  return order ? order : (x->key > y->key) - (x->key < y->key);
}

/* What can be read may end before an open transaction of another run, with committed messages behind it: it is waited for. True when the partition
 * is read to where it ended when its end was first seen. */
static bool is_at_end(struct topic_sink *sink, int64_t *target, const rd_kafka_message_t *message) {
  int64_t low, high;
  if (*target < 0) {
    if (rd_kafka_get_watermark_offsets(sink->asker, sink->open_topic.ptr, message->partition, &low, &high)) return false;
    *target = high;
  }
  return message->offset >= *target;
}

/* Every message up to the end of each partition. */
static bool read_all(struct topic_sink *sink, struct reading *r, struct error *err) {
  int left = sink->open_partition_count;
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(left);
  for (int32_t i = 0; i < left; i++)
    rd_kafka_topic_partition_list_add(list, sink->open_topic.ptr, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_resp_err_t code = rd_kafka_assign(sink->asker, list);
  rd_kafka_topic_partition_list_destroy(list);
  const struct source_options *options = sink->options.source;
  int64_t heard_us = clock_monotonic_us();
  int64_t *targets = memory_alloc((size_t)left * sizeof *targets);
  for (int32_t i = 0; i < left; i++) targets[i] = -1;
  while (!code && left && clock_monotonic_us() - heard_us < QUIET_US &&
         !(options->should_stop && options->should_stop(options->stop_context))) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(sink->asker, POLL_MS);
    if (!message) continue;
    bool is_ours = message->partition >= 0 && message->partition < sink->open_partition_count;
    int64_t *target = is_ours ? &targets[message->partition] : NULL;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && target && *target != INT64_MAX && is_at_end(sink, target, message)) {
      *target = INT64_MAX; /* done */
      left--;
    }
    if (!message->err) {
      keep(r, message);
      heard_us = clock_monotonic_us();
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_assign(sink->asker, NULL);
  free(targets);
  if (!left) return true;
  return error_set(err, ERROR_RETRY, "kafka %s: %s cannot be read to its end", sink->url.brokers, sink->open_topic.ptr);
}

static bool hand_out(struct reading *r, bool (*each)(void *context, const struct open_message *message), void *context) {
  if (r->count) qsort_r(r->kept, r->count, sizeof *r->kept, compare_kept, r->bytes.ptr);
  for (size_t i = 0; i < r->count; i++) {
    const struct kept *kept = &r->kept[i];
    struct slice key = slice_of(r->bytes.ptr + kept->key, kept->key_len);
    if (i + 1 < r->count) {
      const struct kept *next = &r->kept[i + 1];
      if (slice_equal(key, slice_of(r->bytes.ptr + next->key, next->key_len))) continue;
    }
    size_t scope_len = slice_find_byte(key, '\0');
    if (!kept->state_len || scope_len == key.len) continue;
    struct open_message message = {.scope = slice_of(key.ptr, scope_len),
                                   .key = slice_skip(key, scope_len + 1),
                                   .state = slice_of(r->bytes.ptr + kept->state, kept->state_len)};
    if (!each(context, &message)) return false;
  }
  return true;
}

bool topic_sink_each_open_message(struct topic_sink *sink, bool (*each)(void *context, const struct open_message *message),
                                  void *context, struct error *err) {
  struct reading r = {0};
  bool is_done = read_all(sink, &r, err) && hand_out(&r, each, context);
  buf_deinit(&r.bytes);
  free(r.kept);
  return is_done;
}
