/* What counting a delivery costs, and what reading the tables in key order and encoding the rows costs.
 *
 *   bench_aggregate [DELIVERIES [MINUTES]]      (default 1000000 over 15 minutes)
 *
 * Synthetic deliveries: 100 k recipient domains drawn by Zipf's law, 200 sender domains, 8 % refusals with replies of some templates.
 * Prints one line a figure: name, value, unit. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "aggregate/aggregator.h"
#include "base/clock.h"
#include "base/limits.h"

enum { DOMAIN_COUNT = 100000, SENDER_COUNT = 200, NAME_MAX_BYTES = 40 };

static uint64_t random_state = 42;
static uint32_t random_below(uint32_t limit) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((random_state >> 32) * limit >> 32);
}

/* Texts that deliveries point to, as they would to lines of a log: each delivery its own bytes. */
struct texts {
  char *bytes;
  size_t len;
};

static struct slice add_text(struct texts *texts, const char *format, uint32_t number, uint32_t domain) {
  char *at = texts->bytes + texts->len;
  int len = sprintf(at, format, number, domain);
  texts->len += (size_t)len;
  return slice_of(at, (size_t)len);
}

/* cumulative[i]: share of deliveries to the domains up to i. */
static double *make_zipf(size_t count) {
  double *cumulative = memory_alloc(count * sizeof *cumulative), sum = 0;
  for (size_t i = 0; i < count; i++) cumulative[i] = sum += 1 / pow((double)i + 1, 1.0);
  for (size_t i = 0; i < count; i++) cumulative[i] /= sum;
  return cumulative;
}

static uint32_t draw(const double *cumulative, size_t count) {
  double at = random_below(UINT32_MAX) / (double)UINT32_MAX;
  size_t low = 0, high = count - 1;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (cumulative[middle] < at)
      low = middle + 1;
    else
      high = middle;
  }
  return (uint32_t)low;
}

static void make_delivery(struct delivery *d, struct verdict *v, struct texts *texts, uint32_t domain, int64_t time_us) {
  delivery_init(d);
  bool is_refused = random_below(100) < 8;
  d->time_us = time_us;
  d->sender = add_text(texts, "bounce-%u@news%u.sender.example", random_below(1000000), random_below(SENDER_COUNT));
  d->recipient = add_text(texts, "user.%u@d%u.recipient.example", random_below(1000000), domain);
  d->relay_host = add_text(texts, "mx%u.provider%u.example", random_below(3), domain % 2000);
  d->relay_ip = add_text(texts, "192.0.%u.%u", domain % 200, random_below(3));
  d->size_bytes = 2000 + random_below(50000);
  d->delay_us = 1000 * (int64_t)(random_below(1u << random_below(20)));
  *v = (struct verdict){.cause = CAUSE_accepted, .outcome = OUTCOME_delivered, .fault = FAULT_none};
  v->provider = add_text(texts, "provider%u.example", domain % 2000, 0);
  if (!is_refused) return;
  uint32_t kind = random_below(12);
  d->status = kind % 3 ? STATUS_deferred : STATUS_bounced;
  v->outcome = kind % 3 ? OUTCOME_deferred : OUTCOME_hard;
  v->cause = (enum cause)(CAUSE_user_unknown + kind);
  v->rule = add_text(texts, "general.rule-%u", kind, 0);
  v->template = add_text(texts, "550 5.1.%u <*>: recipient address rejected, see https://support.example/*", kind, 0);
  d->reply =
      add_text(texts, "550 5.1.1 <user.%u@d%u.recipient.example>: recipient address rejected, see https://support.example/17",
               random_below(1000000), domain);
}

struct encoding {
  const struct dataset *dataset;
  struct buf out;
  uint64_t bytes;
};

static bool encode_row(void *context, const void *row) {
  struct encoding *e = context;
  if (e->out.len > LIMIT_FRAME_BYTES) {
    e->bytes += e->out.len;
    buf_clear(&e->out);
  }
  e->dataset->encode(row, &e->out);
  return true;
}

static void print_ms(const char *name, int64_t begin_us) {
  printf("%-28s %10.1f ms\n", name, (double)(clock_monotonic_us() - begin_us) / 1e3);
}

static void read_all(const struct aggregator *a) {
  int64_t begin_us = clock_monotonic_us();
  struct row_order order;
  aggregator_order_init(a, &order);
  print_ms("rank strings", begin_us);
  for (unsigned id = 0; id < DATASET_COUNT; id++) {
    int64_t dataset_begin_us = clock_monotonic_us();
    struct encoding e = {.dataset = &DATASETS[id]};
    aggregator_each_row(a, (enum dataset_id)id, &order, encode_row, &e);
    printf("%-28s %10zu rows, %.1f MiB encoded\n", DATASETS[id].name, aggregator_dataset_rows(a, (enum dataset_id)id),
           (double)(e.bytes + e.out.len) / (1 << 20));
    print_ms("  sort and encode", dataset_begin_us);
    buf_deinit(&e.out);
  }
  aggregator_order_deinit(&order);
  print_ms("read all", begin_us);
}

/* The deliveries of one stage and their texts, made anew for each: hot in the caches, as they are behind the classifier. */
struct stage {
  struct delivery deliveries[LIMIT_STAGE];
  struct verdict verdicts[LIMIT_STAGE];
  char bytes[LIMIT_STAGE * 12 * NAME_MAX_BYTES];
};

static void make_stage(struct stage *stage, const double *zipf, int64_t time_us) {
  struct texts texts = {.bytes = stage->bytes};
  for (size_t i = 0; i < LIMIT_STAGE; i++)
    make_delivery(&stage->deliveries[i], &stage->verdicts[i], &texts, draw(zipf, DOMAIN_COUNT), time_us);
}

/* Nanoseconds, of the thread alone: other programs on the machine take none of them. */
static int64_t thread_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare_i64(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* The mean has the growing of tables in it, and whatever else went on; the quartiles have not. */
static void print_stages(int64_t *stage_ns, size_t count) {
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += stage_ns[i];
  qsort(stage_ns, count, sizeof *stage_ns, compare_i64);
  printf("count, mean                  %10.1f ns/delivery\n", (double)sum / (double)(count * LIMIT_STAGE));
  printf("count, lower quartile        %10.1f ns/delivery\n", (double)stage_ns[count / 4] / LIMIT_STAGE);
  printf("count, median                %10.1f ns/delivery\n", (double)stage_ns[count / 2] / LIMIT_STAGE);
}

int main(int argc, char **argv) {
  size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, minutes = argc > 2 ? strtoul(argv[2], NULL, 10) : 15;
  count -= count % LIMIT_STAGE;
  struct stage *stage = memory_alloc(sizeof *stage);
  double *zipf = make_zipf(DOMAIN_COUNT);
  struct aggregator *a = aggregator_new();
  int64_t *stage_ns = memory_alloc((count / LIMIT_STAGE + 1) * sizeof *stage_ns);
  unsigned flushes = 0;
  for (size_t i = 0; i < count; i += LIMIT_STAGE) {
    make_stage(stage, zipf, (int64_t)(1764000000 + i * minutes * 60 / count) * US_PER_SECOND);
    int64_t begin_ns = thread_ns();
    aggregator_add(a, stage->deliveries, stage->verdicts, LIMIT_STAGE);
    stage_ns[i / LIMIT_STAGE] = thread_ns() - begin_ns;
    if (aggregator_bytes(a) < LIMIT_TABLE_BYTES && i + LIMIT_STAGE < count) continue;
    printf("flush %u: tables of %.1f MiB\n", ++flushes, (double)aggregator_bytes(a) / (1 << 20));
    read_all(a);
    aggregator_empty(a);
  }
  print_stages(stage_ns, count / LIMIT_STAGE);
  free(stage_ns);
  aggregator_free(a);
  free(zipf);
  free(stage);
  return 0;
}
