/* The path of a line through all rooms, as tools/pipeline.c drives it: parse, join, classify, count. Once tables and pools have their
 * size, nothing on it allocates. */
#include <stdio.h>

#include "aggregate/aggregate.h"
#include "base/clock.h"
#include "base/json.h"
#include "classify/classify.h"
#include "ingest/ingest.h"
#include "tests/unit/check_main.h"
#include "tools/cache_dir.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 0
#else
#define HAS_OWN_MALLOC 1

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *ptr, size_t size);

static bool is_counting;
static size_t allocation_count;

void *malloc(size_t size) { return allocation_count += is_counting, __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return allocation_count += is_counting, __libc_calloc(count, size); }
void *realloc(void *ptr, size_t size) { return allocation_count += is_counting, __libc_realloc(ptr, size); }
#endif

struct path {
  struct parser parser;
  struct join *join;
  struct classifier *classifier;
  struct classify_context *classify;
  struct aggregator *aggregator;
  struct delivery_stage stage;
  struct verdict verdicts[LIMIT_STAGE];
  uint64_t deliveries;
};

static void classify_and_count(void *context) {
  struct path *path = context;
  classify_deliveries(path->classify, path->stage.items, path->stage.count, path->verdicts);
  aggregator_add(path->aggregator, path->stage.items, path->verdicts, path->stage.count);
  path->deliveries += path->stage.count;
  path->stage.count = 0;
}

static void path_init(struct path *path, const struct time_rules *rules) {
  struct error err = {0};
  struct join_options options;
  join_options_init(&options);
  *path = (struct path){.stage = {.when_full = classify_and_count, .context = path}};
  parser_init(&path->parser, format_find(SLICE("postfix")), rules, 1);
  path->join = join_new(&options, 0, 1);
  path->classifier = classifier_new_cached(&(struct classifier_options){0}, &err);
  ck_assert_msg(path->classifier != NULL, "%s", err.text);
  path->classify = classify_context_new(path->classifier, &err);
  ck_assert_msg(path->classify != NULL, "%s", err.text);
  path->aggregator = aggregator_new();
}

static void path_deinit(struct path *path) {
  parser_deinit(&path->parser);
  join_free(path->join);
  classify_context_free(path->classify);
  classifier_free(path->classifier);
  aggregator_free(path->aggregator);
}

/* The whole log as one batch at `position`. */
static void take_log(struct path *path, struct slice log, uint64_t position, int64_t now_us) {
  struct batch batch = {.base = log.ptr, .len = log.len, .position = position, .reference_time_us = now_us};
  parser_clear_lines(&path->parser);
  path->parser.format->parse(&path->parser, &batch, batch.base, batch.base, batch.base + batch.len);
  join_begin(path->join, &batch, SLICE("files"));
  for (size_t i = 0; i < path->parser.lists[0].count; i++) {
    join_take(path->join, &path->parser.lists[0].items[i], &path->stage);
    if (!path->stage.count) join_release(path->join);
  }
  if (path->stage.count) classify_and_count(path);
  join_release(path->join);
}

static struct buf read_sample(const char *name) {
  struct buf log = {0};
  FILE *file = fopen(name, "rb");
  ck_assert_msg(file != NULL, "cannot open %s", name);
  size_t got;
  while ((got = fread(buf_reserve(&log, 65536), 1, 65536, file)) > 0) log.len += got;
  fclose(file);
  return log;
}

START_TEST(no_line_allocates_once_tables_have_their_size) {
  struct time_rules rules = {.now_us = clock_wall_us()};
  struct path path;
  struct buf log = read_sample("samples/mixed.log");
  path_init(&path, &rules);
  uint64_t position = 0;
  for (unsigned round = 0; round < 4; round++, position += log.len) take_log(&path, buf_slice(&log), position, rules.now_us);
  uint64_t before = path.deliveries;
  ck_assert_uint_gt(before, 1000);
#if HAS_OWN_MALLOC
  is_counting = true;
  take_log(&path, buf_slice(&log), position, rules.now_us);
  is_counting = false;
  ck_assert_uint_eq(path.deliveries - before, before / 4);
  ck_assert_msg(allocation_count == 0, "%zu allocations for %zu bytes of log", allocation_count, log.len);
#else
  printf("skipped: the sanitizer has its own malloc\n");
#endif
  path_deinit(&path);
  buf_deinit(&log);
}
END_TEST

/* Each line as Filebeat sends it. */
static struct buf wrap_lines(struct slice log) {
  struct buf wrapped = {0};
  for (size_t end; log.len; log = slice_skip(log, end + 1)) {
    end = slice_find_byte(log, '\n');
    buf_append_slice(&wrapped,
                     SLICE("{\"@timestamp\":\"2026-11-24T08:15:07.123Z\",\"agent\":{\"type\":\"filebeat\"},\"message\":"));
    json_write_string(&wrapped, slice_of(log.ptr, end));
    buf_append_slice(&wrapped, SLICE(",\"host\":{\"name\":\"shipper\"}}\n"));
  }
  return wrapped;
}

START_TEST(no_line_in_an_envelope_allocates_once_buffers_have_their_size) {
  struct time_rules rules = {.now_us = clock_wall_us()};
  struct parser parser;
  struct buf log = read_sample("samples/mixed.log"), wrapped = wrap_lines(buf_slice(&log));
  struct batch batch = {.base = wrapped.ptr, .len = wrapped.len, .reference_time_us = rules.now_us};
  struct unwrapper *unwrapper = unwrapper_new(envelope_at(0));
  parser_init(&parser, format_find(SLICE("postfix")), &rules, 1);
  size_t allocated = 0;
  for (unsigned round = 0; round < 3; round++) {
    parser_clear_lines(&parser);
#if HAS_OWN_MALLOC
    allocation_count = 0;
    is_counting = true;
#endif
    unwrapper_parse(unwrapper, &parser, &batch, batch.base, batch.base, batch.base + batch.len);
#if HAS_OWN_MALLOC
    is_counting = false;
    allocated = allocation_count;
#endif
  }
  ck_assert_uint_gt(parser.counts.unwrapped, 3000);
  ck_assert_msg(allocated == 0, "%zu allocations for %zu bytes", allocated, wrapped.len);
  unwrapper_free(unwrapper);
  parser_deinit(&parser);
  buf_deinit(&wrapped);
  buf_deinit(&log);
}
END_TEST

TEST_MAIN(no_line_allocates_once_tables_have_their_size, no_line_in_an_envelope_allocates_once_buffers_have_their_size)
