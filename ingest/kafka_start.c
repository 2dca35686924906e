/* Which partitions of a topic are read, and from where: behind what the store has, if that is still the topic the store has read. Messages that
 * are gone are never passed over in silence: either the run ends and names them, or the loss was accepted and is logged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "ingest/kafka_internal.h"

/* Messages read before replay_from, only to be looked back at for "last message repeated". */
#define LOOKBACK_MESSAGES 256

#define SEEK_MS 10000

/* How long the leaders of partitions are waited for. */
#define MARKS_MS 30000

static struct kafka_question question_of(const struct kafka *k, rd_kafka_t *consumer) {
  return (struct kafka_question){consumer, k->url.brokers, k->url.topic, &k->options};
}

/* ---- which ---------------------------------------------------------------------------------------------------------------------- */

static const struct input_position *find_known(const struct input_table *table, struct slice name) {
  for (size_t i = 0; i < table->known_count; i++)
    if (table->known[i].kind == INPUT_KAFKA && slice_equal(table->known[i].name, name)) return &table->known[i];
  return NULL;
}

static void open_partition(struct kafka *k, struct input *input, int32_t number) {
  struct kafka_partition *p = memory_zeroed(sizeof *p);
  kafka_partition_init(p, input, number, k->topic_partition_count, &k->options);
  k->partitions[k->partition_count++] = k->by_number[number] = p;
}

static bool add_partition(struct kafka *k, int32_t number, struct error *err) {
  char name[512];
  struct input_table *table = k->table;
  snprintf(name, sizeof name, "%s/%d", k->url.topic, number);
  for (size_t i = 0; i < table->input_count; i++)
    if (slice_equal(table->inputs[i]->position.name, slice_from_cstr(name)))
      return error_set(err, ERROR_USAGE, "topic %s: is named twice", k->url.topic);
  const struct input_position *known = find_known(table, slice_from_cstr(name));
  struct input *input = input_table_add(table, INPUT_KAFKA, name, input_table_scope(table, name), known);
  open_partition(k, input, number);
  return true;
}

/* Room for partitions of numbers below `count`. */
static void grow(struct kafka *k, size_t count) {
  k->partitions = memory_resize(k->partitions, count * sizeof *k->partitions);
  k->by_number = memory_resize(k->by_number, count * sizeof *k->by_number);
  for (size_t i = k->topic_partition_count; i < count; i++) k->by_number[i] = NULL;
  k->topic_partition_count = count;
}

bool kafka_take_up_partition(struct kafka *k, int32_t number, const struct input_position *position, struct error *err) {
  char name[512];
  struct input_table *table = k->table;
  if (number < 0) return error_set(err, ERROR_INPUT, "kafka %s: %s has no partition %d", k->url.brokers, k->url.topic, number);
  if ((size_t)number >= k->topic_partition_count) grow(k, (size_t)number + 1);
  snprintf(name, sizeof name, "%s/%d", k->url.topic, number);
  for (size_t i = 0; i < table->input_count; i++) {
    struct input *input = table->inputs[i];
    if (!slice_equal(input->position.name, slice_from_cstr(name))) continue;
    struct slice kept = input->position.name;
    input->position = position ? *position : (struct input_position){0};
    input->position.kind = INPUT_KAFKA;
    input->position.name = kept;
    input->done = 0;
    open_partition(k, input, number);
    return true;
  }
  open_partition(k, input_table_add(table, INPUT_KAFKA, name, input_table_scope(table, name), position), number);
  return true;
}

void kafka_drop_partitions(struct kafka *k) {
  for (size_t i = 0; i < k->partition_count; i++) {
    struct kafka_partition *p = k->partitions[i];
    p->input->has_position = false;
    p->input->to_stored = p->input->to_place = NULL;
    p->input->owner = NULL;
    k->by_number[p->number] = NULL;
    kafka_partition_deinit(p);
    free(p);
  }
  k->partition_count = k->waiting_turn = 0;
}

bool kafka_open_partitions(struct kafka *k, struct error *err) {
  int count = 0;
  k->asker = kafka_asker_new(k->url.brokers, &k->options, err);
  if (!k->asker) return false;
  const struct kafka_question question = question_of(k, k->asker);
  if (!kafka_partition_count(&question, &count, err)) return false;
  if (k->url.partition_last >= count)
    return error_set(err, ERROR_INPUT, "kafka %s: %s/%d: topic '%s' has %d partitions, numbered from 0", k->url.brokers,
                     k->url.topic, k->url.partition_last, k->url.topic, count);
  grow(k, (size_t)count);
  for (int32_t number = 0; number < count; number++)
    if (!k->options.member && kafka_url_has(&k->url, number) && !add_partition(k, number, err)) return false;
  return true;
}

/* ---- what is lost ----------------------------------------------------------------------------------------------------------------- */

static bool is_loss_accepted(const struct kafka *k) {
  for (size_t i = 0; i < k->options.accept_loss_count; i++)
    if (strcmp(k->options.accept_loss[i], k->url.topic) == 0) return true;
  return false;
}

static void go_on_at(const struct kafka *k, struct kafka_partition *p, uint64_t low, const char *reason) {
  log_event(LOG_WARNING, "loss", "topic=%s partition=%d from=%" PRIu64 " to=%" PRIu64 " go_on_at=%" PRIu64 " reason=\"%s\"",
            k->url.topic, p->number, p->input->position.committed, low > 0 ? low - 1 : 0, low, reason);
  kafka_partition_restart(p, low);
}

static bool lose_expired(const struct kafka *k, struct kafka_partition *p, uint64_t low, struct error *err) {
  uint64_t from = p->input->position.committed;
  if (!is_loss_accepted(k))
    return error_set(err, ERROR_INPUT,
                     "kafka %s: %s/%d: messages %" PRIu64 " to %" PRIu64
                     " were deleted before they were read (retention); --accept-loss %s goes on at %" PRIu64,
                     k->url.brokers, k->url.topic, p->number, from, low - 1, k->url.topic, low);
  go_on_at(k, p, low, "deleted before they were read");
  return true;
}

static bool lose_cut(const struct kafka *k, struct kafka_partition *p, uint64_t low, uint64_t high, struct error *err) {
  uint64_t from = p->input->position.committed;
  if (!is_loss_accepted(k))
    return error_set(err, ERROR_INPUT,
                     "kafka %s: %s/%d: was read up to %" PRIu64 ", but ends at %" PRIu64
                     ": the topic was made anew or truncated, and what the old one had from %" PRIu64
                     " on is lost; --accept-loss %s reads what is there, from %" PRIu64,
                     k->url.brokers, k->url.topic, p->number, from, high, from, k->url.topic, low);
  go_on_at(k, p, low, "made anew or truncated");
  return true;
}

static bool lose_other(const struct kafka *k, struct kafka_partition *p, uint64_t mark, uint64_t low, struct error *err) {
  uint64_t from = p->input->position.committed;
  if (!is_loss_accepted(k))
    return error_set(err, ERROR_INPUT,
                     "kafka %s: %s/%d: message %" PRIu64
                     " is not the one that was read: the topic was made anew, and what the old one had from %" PRIu64
                     " on is lost; --accept-loss %s reads the new one from its first message, %" PRIu64,
                     k->url.brokers, k->url.topic, p->number, mark, from, k->url.topic, low);
  go_on_at(k, p, low, "made anew");
  return true;
}

/* ---- where -------------------------------------------------------------------------------------------------------------------------- */

struct watermarks {
  uint64_t low, high;
};

/* Compares what is committed with what is there, by offsets. What looks right has its mark added to `marks`. */
static bool check_offsets(const struct kafka *k, struct kafka_partition *p, const struct watermarks *at, struct kafka_mark *marks,
                          size_t *mark_count, struct error *err) {
  uint64_t committed = p->input->position.committed;
  if (committed == 0) return true;
  if (committed < at->low) return lose_expired(k, p, at->low, err);
  if (committed > at->high) return lose_cut(k, p, at->low, at->high, err);
  struct kafka_mark mark;
  if (kafka_partition_mark(p, &mark) && mark.offset >= at->low) marks[(*mark_count)++] = mark;
  return true;
}

static bool check_marks(const struct kafka *k, const struct watermarks *at, size_t first, struct kafka_mark *marks, size_t count,
                        struct error *err) {
  const struct kafka_question question = question_of(k, k->asker);
  if (!kafka_marks_check(&question, marks, count, MARKS_MS, err)) return false;
  for (size_t i = 0; i < count; i++) {
    if (marks[i].state != MARK_OTHER) continue;
    for (size_t n = first; n < k->partition_count; n++)
      if (k->partitions[n]->number == marks[i].partition &&
          !lose_other(k, k->partitions[n], marks[i].offset, at[n - first].low, err))
        return false;
  }
  return true;
}

/* The first offset to fetch. */
static int64_t start_of(const struct kafka *k, struct kafka_partition *p, const struct watermarks *at) {
  bool is_known = p->input->position.committed > 0;
  if (is_known && p->replay_from < at->low) p->replay_from = at->low;
  uint64_t from = is_known ? p->replay_from : at->low;
  if (k->options.until_end) {
    p->until = at->high;
    p->is_over = from >= at->high;
  }
  return (int64_t)(from > at->low + LOOKBACK_MESSAGES ? from - LOOKBACK_MESSAGES : at->low);
}

static bool assign(struct kafka *k, const struct watermarks *at, size_t first, struct error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)(k->partition_count - first));
  for (size_t i = first; i < k->partition_count; i++) {
    int64_t start = start_of(k, k->partitions[i], &at[i - first]);
    if (!k->partitions[i]->is_over) rd_kafka_topic_partition_list_add(list, k->url.topic, k->partitions[i]->number)->offset = start;
  }
  rd_kafka_error_t *error = NULL;
  if (k->options.member)
    rd_kafka_assign(k->consumer, list); /* what was assigned before was given up */
  else if (list->cnt)
    error = rd_kafka_incremental_assign(k->consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (!error) return true;
  error_set(err, ERROR_INPUT, "kafka %s: %s: %s", k->url.brokers, k->url.topic, rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return false;
}

bool kafka_start_partitions(struct kafka *k, size_t first, struct error *err) {
  size_t count = k->partition_count - first, mark_count = 0;
  struct watermarks *at = memory_alloc(count * sizeof *at);
  struct kafka_mark *marks = memory_alloc(count * sizeof *marks);
  const struct kafka_question question = question_of(k, k->consumer);
  bool is_done = true;
  for (size_t i = 0; i < count && is_done; i++) {
    struct kafka_partition *p = k->partitions[first + i];
    is_done = kafka_watermarks(&question, p->number, &at[i].low, &at[i].high, err) &&
              check_offsets(k, p, &at[i], marks, &mark_count, err);
  }
  is_done = is_done && (!mark_count || check_marks(k, at, first, marks, mark_count, err)) && assign(k, at, first, err);
  free(at);
  free(marks);
  return is_done;
}

/* ---- while reading -------------------------------------------------------------------------------------------------------------------- */

bool kafka_add_new_partitions(struct kafka *k, struct error *err) {
  size_t count = k->watch ? kafka_watch_partition_count(k->watch) : 0, first = k->partition_count;
  if (count <= k->topic_partition_count || k->url.partitions.len) return true;
  int32_t number = (int32_t)k->topic_partition_count;
  int seen;
  const struct kafka_question question = question_of(k, k->consumer); /* which does not know them until it is asked */
  if (!kafka_partition_count(&question, &seen, err)) return false;
  log_event(LOG_INFO, "partitions_added", "topic=%s from=%d to=%zu", k->url.topic, number, count - 1);
  grow(k, count);
  for (; number < (int32_t)count; number++)
    if (!add_partition(k, number, err)) return false;
  return kafka_start_partitions(k, first, err);
}

/* The consumer reads on from the partition's first message, `*low`. */
static bool seek_low(struct kafka *k, struct kafka_partition *p, uint64_t *low, struct error *err) {
  uint64_t high;
  const struct kafka_question question = question_of(k, k->consumer);
  if (!kafka_watermarks(&question, p->number, low, &high, err)) return false;
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, k->url.topic, p->number)->offset = (int64_t)*low;
  rd_kafka_error_t *error =
      k->options.member ? rd_kafka_seek_partitions(k->consumer, list, SEEK_MS) : rd_kafka_incremental_unassign(k->consumer, list);
  if (!error && !k->options.member) error = rd_kafka_incremental_assign(k->consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (!error) return true;
  error_set(err, ERROR_INPUT, "kafka %s: %s: %s", k->url.brokers, k->url.topic, rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return false;
}

bool kafka_go_on_behind(struct kafka *k, struct kafka_partition *p, struct error *err) {
  uint64_t low, high;
  const struct kafka_question question = question_of(k, k->consumer);
  if (!kafka_watermarks(&question, p->number, &low, &high, err)) return false;
  bool is_lost = p->input->position.committed < low ? lose_expired(k, p, low, err) : lose_cut(k, p, low, high, err);
  return is_lost && seek_low(k, p, &low, err);
}

bool kafka_go_on_anew(struct kafka *k, const struct kafka_mark *other, struct error *err) {
  for (size_t i = 0; i < k->partition_count; i++) {
    struct kafka_partition *p = k->partitions[i];
    uint64_t low, high;
    const struct kafka_question question = question_of(k, k->consumer);
    if (!kafka_watermarks(&question, p->number, &low, &high, err) || !lose_other(k, p, other->offset, low, err)) return false;
    if (!seek_low(k, p, &low, err)) return false;
  }
  return true;
}
