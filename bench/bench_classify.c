/* How fast replies are classified: accepted ones, refusals that the cache knows, refusals that it does not, and what the
 * normalising costs alone. Refusals are those of a table (column `reply`), each time with fresh ids, addresses and times.
 *
 *   bench_classify TABLE.tsv [ROUNDS]       prints nanoseconds a reply and replies a second, one thread */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "classify/classify.h"
#include "classify/normalise.h"
#include "tools/cache_dir.h"

#define REPLIES_MAX 4096

struct texts {
  struct slice items[REPLIES_MAX];
  size_t count;
};

/* xorshift64: the same replies in each run. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state;
}

static void load(const char *path, struct texts *out) {
  FILE *file = fopen(path, "rb");
  if (!file) perror(path), exit(3);
  char *line = NULL;
  size_t cap = 0;
  int reply_column = -1;
  while (getline(&line, &cap, file) > 0 && out->count < REPLIES_MAX) {
    line[strcspn(line, "\r\n")] = '\0';
    int column = 0;
    for (char *save = line, *cell; (cell = strsep(&save, "\t")); column++) {
      if (reply_column < 0 && strcmp(cell, "reply") == 0)
        reply_column = column;
      else if (reply_column == column)
        out->items[out->count++] = slice_from_cstr(strdup(cell));
    }
  }
  free(line);
  fclose(file);
}

/* The reply with an id of its own at the end, as most big receivers write, or, with `word`, with a word that makes it another reply. */
static struct slice vary(struct slice reply, uint64_t *random, bool word) {
  struct buf out = {0};
  buf_append_slice(&out, reply);
  if (word) {
    buf_append_byte(&out, ' ');
    for (uint64_t bits = next_random(random), i = 0; i < 10; i++, bits /= 26) buf_append_byte(&out, (char)('a' + bits % 26));
  } else {
    uint64_t id = next_random(random);
    buf_printf(&out, " %llx-%llxsi%llu.%u", (unsigned long long)id & 0xffffffff, (unsigned long long)id >> 32,
               (unsigned long long)id % 10000000, (unsigned)(id % 999));
  }
  return buf_slice(&out);
}

static void print(const char *what, int64_t us, size_t count) {
  printf("%-28s %8.1f ns  %6.2f M/s\n", what, (double)us * 1000 / (double)count, (double)count / (double)us);
}

/* Classifies each delivery `rounds` times, in stages. */
static void run(const struct classifier *classifier, const char *what, struct delivery *deliveries, size_t count, size_t rounds) {
  struct error err;
  struct classify_context *context = classify_context_new(classifier, &err);
  if (!context) fprintf(stderr, "%s\n", err.text), exit(3);
  struct verdict verdicts[LIMIT_STAGE];
  int64_t from = clock_monotonic_us();
  for (size_t round = 0; round < rounds; round++)
    for (size_t i = 0; i + LIMIT_STAGE <= count; i += LIMIT_STAGE)
      classify_deliveries(context, deliveries + i, LIMIT_STAGE, verdicts);
  int64_t took = clock_monotonic_us() - from;
  struct classify_counts counts;
  classify_read_counts(context, &counts);
  print(what, took, counts.replies);
  printf("%28s cache hits %llu, scans %llu, unclassified %llu\n", "", (unsigned long long)counts.cache_hits,
         (unsigned long long)counts.scans, (unsigned long long)counts.unclassified);
  classify_context_free(context);
}

/* `variants` of each text, made before the clock runs: few, so that they stay in the cache as lines just read do. */
static struct delivery *make_deliveries(const struct texts *texts, bool word, size_t variants, size_t *count) {
  uint64_t random = 20261124;
  *count = texts->count * variants;
  struct delivery *out = memory_zeroed(*count * sizeof *out);
  for (size_t i = 0; i < *count; i++) {
    struct delivery *d = &out[i];
    delivery_init(d);
    d->reply = vary(texts->items[i % texts->count], &random, word);
    reply_read_codes(d->reply, &d->smtp_code, &d->dsn);
    d->status = d->smtp_code / 100 == 2 ? STATUS_delivered : d->smtp_code / 100 == 4 ? STATUS_deferred : STATUS_bounced;
    d->relay_host = SLICE("gmail-smtp-in.l.google.com");
    d->recipient = SLICE("somebody@gmail.com");
    d->service = SLICE("smtp");
  }
  return out;
}

static void normalise_all(const struct delivery *deliveries, size_t count, size_t rounds) {
  char out[NORMALISED_BYTES_MAX];
  size_t bytes = 0;
  int64_t from = clock_monotonic_us();
  for (size_t round = 0; round < rounds; round++)
    for (size_t i = 0; i < count; i++) bytes += normalise_reply(deliveries[i].reply, out);
  print("normalising alone", clock_monotonic_us() - from, count * rounds);
  printf("%28s %.0f bytes a reply\n", "", (double)bytes / (double)(count * rounds));
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: bench_classify TABLE.tsv [ROUNDS]\n"), 2;
  size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
  struct error err;
  int64_t from = clock_monotonic_us();
  struct classifier *classifier = classifier_new_cached(&(struct classifier_options){0}, &err);
  if (!classifier) return fprintf(stderr, "%s\n", err.text), 3;
  printf("loading %zu rules with examples: %.0f ms\n", classifier_rule_count(classifier),
         (double)(clock_monotonic_us() - from) / 1000);
  static struct texts refusals, accepted;
  load(argv[1], &refusals);
  accepted.items[accepted.count++] = SLICE("250 2.0.0 OK  1700000000 q12-20020a05s7.94 - gsmtp");
  accepted.items[accepted.count++] = SLICE("250 2.6.0 <20261124@mx.example.com> [InternalId=1234567] Queued mail for delivery");
  accepted.items[accepted.count++] = SLICE("250 2.0.0 Ok: queued as 4bZxQ12kz9z4f");
  size_t count;
  struct delivery *deliveries = make_deliveries(&accepted, false, 64, &count);
  run(classifier, "accepted", deliveries, count, rounds * 50);
  deliveries = make_deliveries(&refusals, false, 8, &count);
  run(classifier, "refused, fresh ids", deliveries, count, rounds);
  normalise_all(deliveries, count, rounds);
  deliveries = make_deliveries(&refusals, true, 200, &count);
  run(classifier, "refused, never seen before", deliveries, count, 1);
  return 0;
}
