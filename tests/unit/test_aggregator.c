/* Counters are exact: the live tables against rows that are made one by one, sorted by the dataset's compare and merged by its
 * merge. */
#include "aggregate/aggregator.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aggregate/domain.h"
#include "aggregate/mask.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "tests/unit/check_main.h"

/* ---- what is allocated ------------------------------------------------------------------------------------------------------ */

static uint64_t allocation_count;

void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset) {
  allocation_count++;
  return (void *)syscall(SYS_mmap, address, len, protection, flags, fd, offset);
}
/* The sanitizer has an allocator of its own. */
#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *malloc(size_t size) {
  allocation_count++;
  return __libc_malloc(size);
}
void *realloc(void *ptr, size_t size) {
  allocation_count++;
  return __libc_realloc(ptr, size);
}
#endif

/* ---- deliveries ------------------------------------------------------------------------------------------------------------- */

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t limit) {
  random_state = random_state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)(random_state ^ random_state >> 15) * limit >> 32);
}

#define PICK(list) (list)[random_below(sizeof(list) / sizeof *(list))]

struct input {
  struct delivery *deliveries;
  struct verdict *verdicts;
  size_t count;
};

static const char *const ADDRESSES[] = {
    "john@example.com",
    "john@example.co",
    "Jane@EXAMPLE.com.",
    "john@example.com.au",
    "j@xn--bcher-kva.example",
    "j@B\303\274cher.example",
    "j@caf\xe9.example",
    "",
    "postmaster",
    "\"a@b\"@x.org",
    "x@a",
    "x@ab",
    "x@abcdefgh",
    "x@abcdefghi",
    "x@abcdefgh\x01",
    "x@\xef\xbf\xbf",
    "x@~",
    "x@a\xcc\x88.example",
};
static const char *const PROVIDERS[] = {"google", "microsoft", "example.com", "example.co", NULL, "\xff", "g"};
static const char *const SOURCES[] = {"192.0.2.1", "192.0.2.10", "192.0.2.2", NULL, "pool-a", "2001:db8::1"};
static const char *const BLOCKLISTS[] = {NULL, NULL, NULL, "spamhaus-zen", "spamhaus-xbl", "barracuda"};
static const char *const LAST_CAUSES[] = {NULL, NULL, "greylisted", "mailbox_full"};
static const char *const RELAY_HOSTS[] = {"mx1.example.com", "MX1.example.com.", "mx10.example.com", "local", NULL};
static const char *const RELAY_IPS[] = {"198.51.100.1", "198.51.100.10", NULL};
static const char *const RULES[] = {NULL, "google.5-7-26", "general.full", "g"};
static const char *const TEMPLATES[] = {
    "550 <*>: no such user", "550 <*>: no such users", "452 full", NULL, "\xe6\xbb\xa1", "\xe6"};
static const char *const REPLIES[] = {
    "550 <john@example.com>: no such user",
    "550 <anna@example.com>: no such user",
    "550 <jane@example.net>: no such user",
    "452 full",
    "\xe6\xbb\xa1",
    "\xe6",
    NULL,
    "",
};

static struct slice pick_text(const char *text) { return slice_from_cstr(text); }

static void make_delivery(struct delivery *delivery, struct verdict *verdict, uint32_t minutes) {
  delivery_init(delivery);
  int64_t minute_us = 60 * US_PER_SECOND;
  delivery->time_us = 1764000000 * US_PER_SECOND + random_below(minutes) * minute_us + random_below(60000000);
  delivery->direction = random_below(10) ? DIRECTION_out : DIRECTION_in;
  delivery->sender = pick_text(PICK(ADDRESSES));
  delivery->recipient = random_below(20) ? pick_text(PICK(ADDRESSES)) : SLICE_ABSENT;
  delivery->source_ip = pick_text(PICK(SOURCES));
  delivery->relay_host = pick_text(PICK(RELAY_HOSTS));
  delivery->relay_ip = pick_text(PICK(RELAY_IPS));
  delivery->status = (enum status)random_below(STATUS_COUNT);
  delivery->reply = pick_text(PICK(REPLIES));
  delivery->size_bytes = random_below(5) ? random_below(100000) : U64_ABSENT;
  if (!random_below(50)) delivery->size_bytes = UINT64_C(5) << 32;
  delivery->delay_us = random_below(5) ? (int64_t)random_below(1u << random_below(32)) * 1000 : DELAY_ABSENT;
  *verdict = (struct verdict){
      .cause = (enum cause)random_below(CAUSE_COUNT),
      .outcome = (enum outcome)random_below(OUTCOME_COUNT),
      .last_cause = pick_text(PICK(LAST_CAUSES)),
      .provider = pick_text(PICK(PROVIDERS)),
      .blocklist = pick_text(PICK(BLOCKLISTS)),
      .rule = pick_text(PICK(RULES)),
      .template = pick_text(PICK(TEMPLATES)),
  };
}

/* `variety`: how many of the deliveries differ; the others repeat earlier ones. */
static struct input make_input(size_t count, size_t variety, uint32_t minutes) {
  struct input input = {calloc(count, sizeof *input.deliveries), calloc(count, sizeof *input.verdicts), count};
  for (size_t i = 0; i < count; i++) {
    make_delivery(&input.deliveries[i], &input.verdicts[i], minutes);
    if (i < variety) continue;
    size_t same = random_below((uint32_t)variety) / (1 + random_below(8));
    input.deliveries[i] = input.deliveries[same];
    input.verdicts[i] = input.verdicts[same];
    input.deliveries[i].delay_us = (int64_t)random_below(1u << random_below(32)) * 1000;
  }
  return input;
}

static void shuffle(struct input *input) {
  for (size_t i = input->count; i > 1; i--) {
    size_t other = random_below((uint32_t)i);
    struct delivery delivery = input->deliveries[i - 1];
    struct verdict verdict = input->verdicts[i - 1];
    input->deliveries[i - 1] = input->deliveries[other], input->verdicts[i - 1] = input->verdicts[other];
    input->deliveries[other] = delivery, input->verdicts[other] = verdict;
  }
}

static void add_all(struct aggregator *aggregator, const struct input *input) {
  for (size_t i = 0, take; i < input->count; i += take) {
    take = 1 + random_below(LIMIT_STAGE);
    if (take > input->count - i) take = input->count - i;
    aggregator_add(aggregator, input->deliveries + i, input->verdicts + i, take);
  }
}

/* ---- the reference ---------------------------------------------------------------------------------------------------------- */

/* Strings that the rows of the reference point to; freed by free_input. */
static struct kept {
  struct kept *next;
  char text[];
} * kept;

static struct slice keep(struct slice text) {
  struct kept *copy = malloc(sizeof *copy + text.len);
  memcpy(copy->text, text.ptr, text.len);
  copy->next = kept;
  kept = copy;
  return slice_of(copy->text, text.len);
}

static void free_input(struct input *input) {
  free(input->deliveries);
  free(input->verdicts);
  for (struct kept *next; kept; kept = next) {
    next = kept->next;
    free(kept);
  }
}

static struct slice clean(struct slice text) {
  struct buf b = {0};
  utf8_append_clean(&b, text);
  struct slice out = keep(buf_slice(&b));
  buf_deinit(&b);
  return out;
}

static struct slice domain(struct slice address) {
  char scratch[DOMAIN_SCRATCH_BYTES];
  return keep(domain_of_address(address, scratch));
}

static struct slice host(struct slice name) {
  char scratch[DOMAIN_SCRATCH_BYTES];
  return keep(domain_normalise(name, scratch));
}

static bool make_traffic_row(const struct delivery *d, const struct verdict *v, struct traffic_row *row) {
  *row = (struct traffic_row){
      .minute = (uint32_t)(d->time_us / US_PER_SECOND / 60),
      .direction = direction_name(d->direction),
      .source = clean(d->source_ip),
      .sender_domain = domain(d->sender),
      .recipient_domain = domain(d->recipient),
      .provider = clean(v->provider),
      .status = status_name(d->status),
      .outcome = outcome_name(v->outcome),
      .cause = cause_name(v->cause),
      .last_cause = clean(v->last_cause),
      .blocklist = clean(v->blocklist),
      .count = 1,
      .bytes = d->size_bytes == U64_ABSENT ? 0 : d->size_bytes,
  };
  if (d->delay_us != DELAY_ABSENT) row->delay.count[histogram_bucket(d->delay_us)] = 1;
  return true;
}

static bool make_relays_row(const struct delivery *d, const struct verdict *v, struct relays_row *row) {
  *row = (struct relays_row){.minute = (uint32_t)(d->time_us / US_PER_SECOND / 60),
                             .provider = clean(v->provider),
                             .relay_host = host(d->relay_host),
                             .relay_ip = clean(d->relay_ip),
                             .status = status_name(d->status),
                             .cause = cause_name(v->cause),
                             .count = 1};
  return d->direction == DIRECTION_out;
}

static bool make_replies_row(const struct delivery *d, const struct verdict *v, struct replies_row *row) {
  char masked[LIMIT_TEMPLATE_BYTES];
  struct mask_names names = {d->recipient, d->orig_recipient, d->sender};
  struct slice example = slice_of(masked, mask_text(d->reply, &names, masked));
  uint64_t second = (uint64_t)(d->time_us / US_PER_SECOND);
  *row = (struct replies_row){.hour = (uint32_t)(second / 3600),
                              .provider = clean(v->provider),
                              .cause = cause_name(v->cause),
                              .rule = clean(v->rule),
                              .template = clean(v->template),
                              .count = 1,
                              .first_time = second,
                              .last_time = second,
                              .example = keep(example)};
  if (d->status == STATUS_expired) return false;
  return d->status != STATUS_delivered || v->outcome == OUTCOME_silent;
}

static bool make_recipients_row(const struct delivery *d, const struct verdict *v, struct recipients_row *row) {
  char scratch[DOMAIN_SCRATCH_BYTES];
  struct buf name = {0};
  size_t place = domain_place(d->recipient);
  utf8_append_clean(&name, place ? slice_of(d->recipient.ptr, place - 1) : d->recipient);
  for (size_t i = 0; i < name.len; i++) name.ptr[i] = ascii_lower(name.ptr[i]);
  if (place) {
    buf_append_byte(&name, '@');
    buf_append_slice(&name, domain_normalise(slice_skip(d->recipient, place), scratch));
  }
  uint64_t second = (uint64_t)(d->time_us / US_PER_SECOND);
  *row = (struct recipients_row){.day = (uint32_t)(second / 86400),
                                 .recipient = keep(buf_slice(&name)),
                                 .outcome = outcome_name(v->outcome),
                                 .cause = cause_name(v->cause),
                                 .count = 1,
                                 .first_time = second,
                                 .last_time = second};
  buf_deinit(&name);
  return d->direction == DIRECTION_out && d->recipient.len;
}

static bool make_senders_row(const struct delivery *d, const struct verdict *v, struct senders_row *row) {
  *row = (struct senders_row){.sender_domain = domain(d->sender),
                              .outcome = outcome_name(v->outcome),
                              .hour = (uint32_t)(d->time_us / US_PER_SECOND / 3600),
                              .count = 1};
  struct recipients_row recipient;
  if (!make_recipients_row(d, v, &recipient)) return false;
  uint64_t hash = hash_slice(recipient.recipient);
  row->recipients.rank[hyperloglog_register(hash)] = (uint8_t)hyperloglog_rank(hash);
  return true;
}

static bool make_row(enum dataset_id id, const struct delivery *d, const struct verdict *v, union any_row *row) {
  if (id == DATASET_traffic) return make_traffic_row(d, v, &row->traffic);
  if (id == DATASET_senders) return make_senders_row(d, v, &row->senders);
  if (id == DATASET_recipients) return make_recipients_row(d, v, &row->recipients);
  return id == DATASET_relays ? make_relays_row(d, v, &row->relays) : make_replies_row(d, v, &row->replies);
}

/* Appends the row as JSON and, because JSON hides nothing but is read by people, as it is encoded. */
static void write_row(const struct dataset *dataset, const void *row, struct buf *out) {
  dataset->write_json(row, out);
  dataset->encode(row, out);
  buf_append_byte(out, '\n');
}

static void write_expected(enum dataset_id id, const struct input *input, struct buf *out) {
  const struct dataset *dataset = &DATASETS[id];
  char *rows = calloc(input->count, dataset->row_size);
  size_t count = 0;
  for (size_t i = 0; i < input->count; i++) {
    union any_row row;
    if (!make_row(id, &input->deliveries[i], &input->verdicts[i], &row)) continue;
    memcpy(rows + count++ * dataset->row_size, &row, dataset->row_size);
  }
  qsort(rows, count, dataset->row_size, dataset->compare);
  for (size_t i = 0, next; i < count; i = next) {
    char *row = rows + i * dataset->row_size;
    for (next = i + 1; next < count && dataset->compare(row, rows + next * dataset->row_size) == 0; next++)
      dataset->merge(row, rows + next * dataset->row_size);
    write_row(dataset, row, out);
  }
  free(rows);
}

/* ---- reading what was counted ------------------------------------------------------------------------------------------------ */

struct collected {
  const struct dataset *dataset;
  struct buf rows;
  size_t count, stop_after;
};

static bool collect(void *context, const void *row) {
  struct collected *c = context;
  write_row(c->dataset, row, &c->rows);
  return ++c->count != c->stop_after;
}

static void collect_rows(const struct aggregator *aggregator, enum dataset_id id, struct collected *out) {
  struct row_order order;
  aggregator_order_init(aggregator, &order);
  *out = (struct collected){.dataset = &DATASETS[id]};
  ck_assert(aggregator_each_row(aggregator, id, &order, collect, out));
  ck_assert_uint_eq(out->count, aggregator_dataset_rows(aggregator, id));
  aggregator_order_deinit(&order);
}

static void ck_assert_counted(const struct aggregator *aggregator, const struct input *input) {
  for (unsigned id = 0; id < DATASET_COUNT; id++) {
    struct collected got;
    struct buf want = {0};
    collect_rows(aggregator, (enum dataset_id)id, &got);
    write_expected((enum dataset_id)id, input, &want);
    size_t same = 0;
    while (same < got.rows.len && same < want.len && got.rows.ptr[same] == want.ptr[same]) same++;
    ck_assert_msg(slice_equal(buf_slice(&got.rows), buf_slice(&want)), "%s differs at byte %zu of %zu and %zu: %.300s",
                  DATASETS[id].name, same, got.rows.len, want.len,
                  same < want.len ? want.ptr + same - (same > 100 ? 100 : same) : "");
    buf_deinit(&got.rows);
    buf_deinit(&want);
  }
}

static struct aggregator *new_with_recipients(void) {
  struct aggregator *aggregator = aggregator_new();
  aggregator_keep_recipients(aggregator, &(struct recipient_options){.naming = RECIPIENTS_PLAIN});
  return aggregator;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

START_TEST(counts_of_random_deliveries_are_exact_and_in_key_order) {
  struct aggregator *aggregator = new_with_recipients();
  for (uint32_t seed = 1; seed <= 4; seed++) {
    random_state = seed;
    struct input input = make_input(20000, seed % 2 ? 20000 : 300, seed > 2 ? 100000 : 3);
    add_all(aggregator, &input);
    ck_assert_counted(aggregator, &input);
    aggregator_empty(aggregator);
    free_input(&input);
  }
  aggregator_free(aggregator);
}
END_TEST

START_TEST(order_of_deliveries_and_stages_changes_nothing) {
  random_state = 77;
  struct input input = make_input(5000, 400, 10);
  struct aggregator *first = new_with_recipients(), *second = new_with_recipients();
  add_all(first, &input);
  shuffle(&input);
  add_all(second, &input);
  for (unsigned id = 0; id < DATASET_COUNT; id++) {
    struct collected a, b;
    collect_rows(first, (enum dataset_id)id, &a);
    collect_rows(second, (enum dataset_id)id, &b);
    ck_assert(slice_equal(buf_slice(&a.rows), buf_slice(&b.rows)));
    buf_deinit(&a.rows);
    buf_deinit(&b.rows);
  }
  aggregator_free(first);
  aggregator_free(second);
  free_input(&input);
}
END_TEST

START_TEST(many_deliveries_of_one_key_overflow_no_counter) {
  enum { COUNT = 300032 };
  struct delivery delivery, stage[LIMIT_STAGE];
  struct verdict verdicts[LIMIT_STAGE] = {0};
  delivery_init(&delivery);
  delivery.time_us = 0;
  delivery.delay_us = 0;
  delivery.size_bytes = UINT32_MAX;
  for (size_t i = 0; i < LIMIT_STAGE; i++) {
    stage[i] = delivery;
    if (i % 4 == 0) stage[i].delay_us = i % 8 ? INT64_MAX : DELAY_ABSENT;
  }
  struct aggregator *aggregator = new_with_recipients();
  for (size_t i = 0; i < COUNT; i += LIMIT_STAGE) aggregator_add(aggregator, stage, verdicts, LIMIT_STAGE);
  struct collected got;
  collect_rows(aggregator, DATASET_traffic, &got);
  ck_assert_uint_eq(got.count, 1);
  char expected[200];
  snprintf(expected, sizeof expected, "\"count\":%d,\"bytes\":%llu,\"delay\":[%d,", COUNT, COUNT * (unsigned long long)UINT32_MAX,
           COUNT / 4 * 3);
  ck_assert_uint_lt(slice_find(buf_slice(&got.rows), slice_from_cstr(expected)), got.rows.len);
  snprintf(expected, sizeof expected, ",%d]}", COUNT / 8);
  ck_assert_uint_lt(slice_find(buf_slice(&got.rows), slice_from_cstr(expected)), got.rows.len);
  buf_deinit(&got.rows);
  aggregator_free(aggregator);
}
END_TEST

static bool is_ascii(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if (text.ptr[i] & 0x80) return false;
  return true;
}

START_TEST(counting_allocates_nothing_unless_a_table_grows) {
  random_state = 5;
  struct input input = make_input(20000, 3000, 5);
  /* Names with bytes from 0x80 are converted by a library that allocates. */
  for (size_t i = 0; i < input.count; i++) {
    if (!is_ascii(input.deliveries[i].sender)) input.deliveries[i].sender = SLICE("a@B.C");
    if (!is_ascii(input.deliveries[i].recipient)) input.deliveries[i].recipient = SLICE("a@B.C");
  }
  struct aggregator *aggregator = new_with_recipients();
  add_all(aggregator, &input);
  uint64_t before = allocation_count;
  add_all(aggregator, &input);
  ck_assert_uint_eq(allocation_count, before);
  aggregator_free(aggregator);
  free_input(&input);
}
END_TEST

START_TEST(memory_in_use_grows_with_rows_and_is_given_back) {
  struct aggregator *aggregator = aggregator_new();
  size_t base = aggregator_bytes(aggregator);
  ck_assert_uint_lt(base, 1024);
  enum { DOMAINS = 400000 };
  char text[LIMIT_STAGE][32];
  struct delivery deliveries[LIMIT_STAGE];
  struct verdict verdicts[LIMIT_STAGE] = {0};
  for (unsigned i = 0; i < DOMAINS; i += LIMIT_STAGE) {
    for (unsigned k = 0; k < LIMIT_STAGE; k++) {
      int len = snprintf(text[k], sizeof text[k], "u@d%07u.example", i + k);
      delivery_init(&deliveries[k]);
      deliveries[k].time_us = 0;
      deliveries[k].recipient = slice_of(text[k], (size_t)len);
    }
    aggregator_add(aggregator, deliveries, verdicts, LIMIT_STAGE);
  }
  size_t used = aggregator_bytes(aggregator);
  ck_assert_uint_eq(aggregator_dataset_rows(aggregator, DATASET_traffic), DOMAINS);
  ck_assert_uint_ge(used, DOMAINS * (28 + 16));
  /* A domain of 16 bytes, its row, and its part of the tables that find both; and what all share. */
  ck_assert_uint_le(used - base, DOMAINS * 64 + 1024);
  aggregator_empty(aggregator);
  ck_assert_uint_eq(aggregator_bytes(aggregator), base);
  ck_assert_uint_eq(aggregator_rows(aggregator), 0);
  aggregator_free(aggregator);
}
END_TEST

START_TEST(reading_stops_when_the_reader_does_and_rows_stay) {
  random_state = 9;
  struct input input = make_input(500, 500, 5);
  struct aggregator *aggregator = new_with_recipients();
  add_all(aggregator, &input);
  struct row_order order;
  aggregator_order_init(aggregator, &order);
  for (unsigned id = 0; id < DATASET_COUNT; id++) {
    struct collected got = {.dataset = &DATASETS[id], .stop_after = 2};
    ck_assert(!aggregator_each_row(aggregator, (enum dataset_id)id, &order, collect, &got));
    ck_assert_uint_eq(got.count, 2);
    buf_deinit(&got.rows);
  }
  aggregator_order_deinit(&order);
  ck_assert_counted(aggregator, &input);
  aggregator_free(aggregator);
  free_input(&input);
}
END_TEST

START_TEST(times_before_1970_and_absent_ones_are_counted_at_zero) {
  struct delivery deliveries[2];
  struct verdict verdicts[2] = {0};
  delivery_init(&deliveries[0]);
  delivery_init(&deliveries[1]);
  deliveries[1].time_us = -1;
  deliveries[1].status = STATUS_bounced;
  struct aggregator *aggregator = new_with_recipients();
  aggregator_add(aggregator, deliveries, verdicts, 2);
  struct collected got;
  collect_rows(aggregator, DATASET_replies, &got);
  ck_assert_ptr_nonnull(memmem(got.rows.ptr, got.rows.len, "\"hour\":0,", 9));
  ck_assert_uint_eq(got.count, 1);
  buf_deinit(&got.rows);
  aggregator_free(aggregator);
}
END_TEST

TEST_MAIN(counts_of_random_deliveries_are_exact_and_in_key_order, order_of_deliveries_and_stages_changes_nothing,
          many_deliveries_of_one_key_overflow_no_counter, counting_allocates_nothing_unless_a_table_grows,
          memory_in_use_grows_with_rows_and_is_given_back, reading_stops_when_the_reader_does_and_rows_stay,
          times_before_1970_and_absent_ones_are_counted_at_zero)
