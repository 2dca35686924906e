/* ingest/join: a join that is cut into batches, spread over workers, checkpointed, killed, restored and fed again must say what an
 * undisturbed one says. Random streams; the seed is in the message of a failure. */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/memory.h"
#include "ingest/join_internal.h"
#include "tests/unit/check_main.h"
#include "tests/unit/join_lines.h"

#define LINE_COUNT 1500u
#define WORKERS_MAX 3u
#define ROWS_MAX 4096u
/* The time of a line names it, too: so a delivery tells from which line it came. */
#define TIME_STEP_US 1000000

static uint64_t next_random(uint64_t *state) { return hash_u64(*state += 0x9e3779b97f4a7c15ULL); }
static unsigned roll(uint64_t *state, unsigned below) { return (unsigned)(next_random(state) % below); }

/* ---- random lines ------------------------------------------------------------------------------------------------------------ */

struct stream {
  struct line lines[LINE_COUNT];
  struct join_options options;
  char texts[LINE_COUNT][400];
  struct line more[LINE_COUNT][1]; /* what else the line says */
  unsigned more_count[LINE_COUNT];
};

static const char *const IDS[] = {"A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "B1", "B2", "B3", "B4", "B5", "B6",
                                  "B7", "B8", "B9", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "D1", "D2", "D3"};
static const char *const COUNTED_IDS[] = {"S1", "S2", "S3", "S4", "S5"};
static const char *const RECIPIENTS[] = {"a@example.net", "b@example.net", "c@example.com", "d@example.org", "e@example.org"};
static const char *const SENDERS[] = {"", "news@example.org", "news@example.org", "info@example.com"};

static struct line make_delivery(const char *id, uint64_t index, uint64_t *random, char *text) {
  static const enum status STATUSES[] = {STATUS_deferred, STATUS_deferred, STATUS_deferred, STATUS_delivered, STATUS_bounced};
  unsigned fill = roll(random, 8) ? roll(random, 40) : roll(random, 350);
  snprintf(text, 400, "reply %" PRIu64 " %0*d", index, (int)fill, 0);
  struct line line = line_delivery(id, index, RECIPIENTS[roll(random, 5)], STATUSES[roll(random, 5)], text);
  line.times = roll(random, 20) ? 1 : 1 + roll(random, 100);
  if (!roll(random, 6)) line.instance = SLICE("slow");
  if (!roll(random, 6)) line.delivery.orig_recipient = SLICE("alias@example.org");
  if (!roll(random, 6)) line.delivery.relay_ip = SLICE_ABSENT;
  return line;
}

static struct line make_line(const char *id, uint64_t index, uint64_t *random, char *text) {
  switch (roll(random, 14)) {
    case 0: {
      struct line line = line_client(id, index, text, "10.0.0.7");
      if (roll(random, 2)) line.instance = SLICE("submission");
      return line;
    }
    case 1:
    case 2: return line_message_id(id, index, text);
    case 3:
    case 4:
    case 5: return line_sender(id, index, SENDERS[roll(random, 4)], roll(random, 12) ? 7 : roll(random, 3));
    case 6: return roll(random, 2) ? line_of_qmgr(LINE_EXPIRED, id, index) : line_of_qmgr(LINE_REMOVED, id, index);
    case 7: {
      struct line line = line_make(LINE_REJECT, "postfix", "cleanup", id, index);
      memset(&line.reject, 0, sizeof line.reject);
      return line;
    }
    default: return make_delivery(id, index, random, text);
  }
}

static struct line make_settled(const char *id, uint64_t index, uint32_t count) {
  struct line line = line_make(LINE_SETTLED, NULL, "sendmail", id, index);
  line.settled_count = count;
  return line;
}

static struct line make_arrived(const char *id, uint64_t index, const char *client, const char *sender, uint32_t count) {
  struct line line = line_make(LINE_ARRIVED, NULL, "sendmail", id, index);
  line.facts = (struct line_facts){
      .sender = slice_from_cstr(sender), .client_host = slice_from_cstr(client), .size_bytes = 7, .recipient_count = count};
  return line;
}

/* A line of a server that counts recipients and tells no end, into line i. */
static void make_counted_line(struct stream *stream, const char *id, uint64_t i, uint64_t *random) {
  struct line *line = &stream->lines[i], *more = stream->more[i];
  switch (roll(random, 10)) {
    case 0:
    case 1:
    case 2: *line = make_arrived(id, i, stream->texts[i], SENDERS[roll(random, 4)], 1 + roll(random, 3)); break;
    case 3:
      *line = line_of_qmgr(LINE_EXPIRED, id, i);
      more[0] = line_of_qmgr(LINE_REMOVED, id, i);
      stream->more_count[i] = 1;
      break;
    default:
      *line = make_delivery(id, i, random, stream->texts[i]);
      if (id[1] == '1') line->kind = LINE_COUNTED;
      if (id[1] > '3') line->kind = LINE_RECORD;
      more[0] = make_settled(id, i, 1);
      stream->more_count[i] = line->kind != LINE_COUNTED && line->delivery.status != STATUS_deferred && roll(random, 6);
  }
  line->instance = SLICE_ABSENT;
  for (unsigned k = 0; k < stream->more_count[i]; k++) more[k].instance = SLICE_ABSENT;
}

static void make_stream(struct stream *stream, uint64_t *random) {
  join_options_init(&stream->options);
  stream->options.replay_bytes = (1 + roll(random, 300)) * TEST_LINE_BYTES;
  stream->options.replay_us = (int64_t)(1 + roll(random, 300)) * TIME_STEP_US;
  if (roll(random, 3) == 0) stream->options.bytes_max = LIMIT_JOIN_SHARDS * (500 + roll(random, 4000));
  if (roll(random, 3) == 0) stream->options.age_us_max = (int64_t)(1 + roll(random, 400)) * TIME_STEP_US;
  unsigned id_count = 3 + roll(random, 27), jitter = roll(random, 2) ? 1 : 1 + roll(random, 30);
  for (uint64_t i = 0; i < LINE_COUNT; i++) {
    snprintf(stream->texts[i], sizeof stream->texts[i], "text %" PRIu64, i);
    stream->more_count[i] = 0;
    if (!roll(random, 4))
      make_counted_line(stream, COUNTED_IDS[roll(random, 5)], i, random);
    else
      stream->lines[i] = make_line(IDS[roll(random, id_count)], i, random, stream->texts[i]);
    stream->lines[i].time_us = (int64_t)(i + roll(random, jitter)) * TIME_STEP_US + (int64_t)i;
    for (unsigned k = 0; k < stream->more_count[i]; k++) stream->more[i][k].time_us = stream->lines[i].time_us;
    if (!roll(random, 15) && stream->lines[i].instance.ptr) stream->lines[i].instance = SLICE("second");
  }
}

/* ---- what came out ----------------------------------------------------------------------------------------------------------- */

/* The deliveries of each line, as text. */
struct record {
  struct buf lines[LINE_COUNT];
};

static void record_delivery(struct record *record, const struct delivery *delivery) {
  delivery_write_json(delivery, &record->lines[delivery->time_us % TIME_STEP_US]);
}
static void record_forget_from(struct record *record, size_t from) {
  for (size_t i = from; i < LINE_COUNT; i++) buf_clear(&record->lines[i]);
}
static void record_deinit(struct record *record) {
  for (size_t i = 0; i < LINE_COUNT; i++) buf_deinit(&record->lines[i]);
}

/* ---- one process: workers, fed by batches ------------------------------------------------------------------------------------ */

struct process {
  struct join *joins[WORKERS_MAX];
  struct delivery_stage stages[WORKERS_MAX];
  unsigned worker_count;
};

struct sink {
  struct record *record;
  struct delivery_stage *stage;
};

static void drain(void *context) {
  struct sink *sink = context;
  for (size_t i = 0; i < sink->stage->count; i++) record_delivery(sink->record, &sink->stage->items[i]);
  sink->stage->count = 0;
}

static void process_start(struct process *process, const struct join_options *options, unsigned worker_count) {
  process->worker_count = worker_count;
  for (unsigned w = 0; w < worker_count; w++) {
    process->joins[w] = join_new(options, w, worker_count);
    process->stages[w].count = 0;
  }
}
static void process_end(struct process *process) {
  for (unsigned w = 0; w < process->worker_count; w++) join_free(process->joins[w]);
}

static void process_batch(struct process *process, const struct stream *stream, size_t from, size_t to, bool is_replay,
                          struct record *record) {
  const struct batch batch = {.position = from * TEST_LINE_BYTES, .len = (to - from) * TEST_LINE_BYTES, .is_replay = is_replay};
  for (unsigned w = 0; w < process->worker_count; w++) {
    struct delivery_stage *stage = &process->stages[w];
    struct sink sink = {record, stage};
    stage->when_full = drain;
    stage->context = &sink;
    join_begin(process->joins[w], &batch, SLICE("files"));
    for (size_t i = from; i < to; i++) {
      if (line_shard(stream->lines[i].key) % process->worker_count != w) continue;
      join_take(process->joins[w], &stream->lines[i], stage);
      for (unsigned k = 0; k < stream->more_count[i]; k++) join_take(process->joins[w], &stream->more[i][k], stage);
      if (i % 7 == 0) join_release(process->joins[w]);
    }
    drain(&sink);
    join_release(process->joins[w]);
  }
}

static uint64_t process_open(const struct process *process) {
  uint64_t open = 0;
  for (unsigned w = 0; w < process->worker_count; w++) {
    struct join_counts counts;
    join_read_counts(process->joins[w], &counts);
    open += counts.open;
  }
  return open;
}

/* ---- the catalog ------------------------------------------------------------------------------------------------------------- */

struct catalog {
  struct {
    char key[64];
    struct buf state;
  } rows[ROWS_MAX];
  size_t count;
  size_t committed, oldest; /* lines */
};

static void catalog_take(void *context, const struct open_message *message) {
  struct catalog *catalog = context;
  ck_assert_slice_eq(message->scope, "files");
  size_t i = 0;
  while (i < catalog->count && !slice_equal(slice_from_cstr(catalog->rows[i].key), message->key)) i++;
  if (!message->state.len) {
    ck_assert_msg(i < catalog->count, "deletes a row that is not there");
    buf_deinit(&catalog->rows[i].state);
    catalog->count--;
    memmove(&catalog->rows[i], &catalog->rows[i + 1], (catalog->count - i) * sizeof catalog->rows[0]);
    return;
  }
  if (i == catalog->count) {
    ck_assert_uint_lt(i, ROWS_MAX);
    catalog->count++;
    snprintf(catalog->rows[i].key, sizeof catalog->rows[i].key, "%.*s", SLICE_ARG(message->key));
    catalog->rows[i].state = (struct buf){0};
  }
  buf_clear(&catalog->rows[i].state);
  buf_append_slice(&catalog->rows[i].state, message->state);
}

static void checkpoint(struct process *process, struct catalog *catalog, size_t committed, bool is_ended) {
  size_t oldest = committed;
  for (unsigned w = 0; w < process->worker_count; w++) {
    struct input_progress progress = {.committed = committed * TEST_LINE_BYTES, .is_ended = is_ended};
    join_checkpoint(process->joins[w], &progress, 1, catalog_take, catalog);
    if (progress.oldest / TEST_LINE_BYTES < oldest) oldest = progress.oldest / TEST_LINE_BYTES;
  }
  catalog->committed = committed;
  catalog->oldest = oldest;
}

static void restore(struct process *process, const struct catalog *catalog) {
  for (size_t i = 0; i < catalog->count; i++) {
    struct open_message message = {SLICE("files"), slice_from_cstr(catalog->rows[i].key), buf_slice(&catalog->rows[i].state)};
    unsigned owners = 0;
    for (unsigned w = 0; w < process->worker_count; w++) {
      struct error err = {0};
      owners += join_restore(process->joins[w], 0, &message, &err);
      ck_assert_msg(!err.kind, "%s", err.text);
    }
    ck_assert_uint_eq(owners, 1);
  }
}

/* ---- the property ------------------------------------------------------------------------------------------------------------ */

static void run_batches(struct process *process, const struct stream *stream, size_t from, size_t to, bool is_replay,
                        struct record *record, uint64_t *random) {
  while (from < to) {
    size_t len = 1 + roll(random, 60), end = from + len < to ? from + len : to;
    process_batch(process, stream, from, end, is_replay, record);
    from = end;
  }
}

/* Works from the last commit to a random place, with checkpoints, and is killed there. */
static void live_and_die(const struct stream *stream, struct catalog *catalog, struct record *record, bool is_last,
                         uint64_t *random) {
  struct process process;
  process_start(&process, &stream->options, 1 + roll(random, WORKERS_MAX));
  restore(&process, catalog);
  run_batches(&process, stream, catalog->oldest, catalog->committed, true, record, random);
  record_forget_from(record, catalog->committed);
  size_t at = catalog->committed, end = is_last ? LINE_COUNT : at + roll(random, 400);
  if (end > LINE_COUNT) end = LINE_COUNT;
  while (at < end) {
    size_t to = at + 1 + roll(random, 80);
    if (to > end) to = end;
    run_batches(&process, stream, at, to, false, record, random);
    at = to;
    if (roll(random, 3)) checkpoint(&process, catalog, at, false);
  }
  if (is_last) {
    checkpoint(&process, catalog, LINE_COUNT, true);
    ck_assert_uint_eq(catalog->oldest, LINE_COUNT);
    uint64_t messages = 0;
    for (size_t i = 0; i < catalog->count; i++) messages += strncmp(catalog->rows[i].key, "shard-", 6) != 0;
    ck_assert_uint_eq(messages, process_open(&process));
  }
  process_end(&process);
}

static void check_seed(uint64_t seed) {
  static struct stream stream;
  static struct record expected, got;
  static struct catalog catalog;
  uint64_t random = seed;
  make_stream(&stream, &random);
  struct process whole;
  process_start(&whole, &stream.options, 1);
  process_batch(&whole, &stream, 0, LINE_COUNT, false, &expected);
  for (unsigned life = 0; life < 12; life++) live_and_die(&stream, &catalog, &got, life == 11, &random);
  for (size_t i = 0; i < LINE_COUNT; i++)
    ck_assert_msg(slice_equal(buf_slice(&expected.lines[i]), buf_slice(&got.lines[i])),
                  "seed %" PRIu64 ": line %zu gives\n%.*snot\n%.*s", seed, i, SLICE_ARG(buf_slice(&got.lines[i])),
                  SLICE_ARG(buf_slice(&expected.lines[i])));
  struct process after;
  process_start(&after, &stream.options, 1);
  restore(&after, &catalog);
  ck_assert_msg(process_open(&after) == process_open(&whole), "seed %" PRIu64 ": %" PRIu64 " messages open, not %" PRIu64, seed,
                process_open(&after), process_open(&whole));
  process_end(&after);
  process_end(&whole);
  for (size_t i = 0; i < catalog.count; i++) buf_deinit(&catalog.rows[i].state);
  catalog.count = catalog.committed = catalog.oldest = 0;
  record_deinit(&expected);
  record_deinit(&got);
}

START_TEST(restarted_join_says_what_an_undisturbed_one_says) {
  const char *count = getenv("JOIN_SEEDS");
  for (uint64_t seed = 1, last = count ? strtoull(count, NULL, 10) : 150; seed <= last; seed++) check_seed(seed);
}
END_TEST

/* ---- damage ------------------------------------------------------------------------------------------------------------------ */

START_TEST(damaged_state_is_an_error_and_never_a_crash) {
  static struct stream stream;
  static struct record record;
  static struct catalog catalog;
  uint64_t random = 7;
  make_stream(&stream, &random);
  join_options_init(&stream.options);
  struct process process;
  process_start(&process, &stream.options, 1);
  process_batch(&process, &stream, 0, LINE_COUNT, false, &record);
  checkpoint(&process, &catalog, LINE_COUNT, true);
  process_end(&process);
  ck_assert_uint_gt(catalog.count, 5);
  struct join *join = join_new(&stream.options, 0, 1);
  for (size_t i = 0; i < catalog.count; i++) {
    struct buf *state = &catalog.rows[i].state;
    struct open_message message = {SLICE("files"), slice_from_cstr(catalog.rows[i].key), SLICE_ABSENT};
    /* A copy of its own size, so that a sanitizer sees a read behind the end. */
    for (size_t len = 0; len < state->len; len++) {
      char *cut = memory_alloc(len);
      memcpy(cut, state->ptr, len);
      message.state = slice_of(cut, len);
      struct error err = {0};
      ck_assert(!join_restore(join, 0, &message, &err));
      ck_assert_int_eq(err.kind, ERROR_INPUT);
      free(cut);
    }
    for (unsigned round = 0; round < 300; round++) {
      char *bent = memory_alloc(state->len);
      memcpy(bent, state->ptr, state->len);
      bent[roll(&random, (unsigned)state->len)] = (char)roll(&random, 256);
      message.state = slice_of(bent, state->len);
      struct error err = {0};
      if (!join_restore(join, 0, &message, &err)) ck_assert_int_eq(err.kind, ERROR_INPUT);
      free(bent);
    }
    buf_deinit(state);
  }
  join_release(join);
  join_begin(join, &(struct batch){.len = TEST_LINE_BYTES}, SLICE("files"));
  join_free(join);
  record_deinit(&record);
}
END_TEST

TEST_MAIN(restarted_join_says_what_an_undisturbed_one_says, damaged_state_is_an_error_and_never_a_crash)
