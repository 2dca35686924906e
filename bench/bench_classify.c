/* How fast replies are classified, one thread:
 *
 *   accepted     replies of accepted mail
 *   normalising  of refusals, alone
 *   cached       refusals with fresh ids, hosts and addresses, which the cache knows
 *   diverse      the same with the cache off: each is matched against all rules
 *   realistic    the deliveries of a Postfix log as they come, cache on: only the time in classify_deliveries counts
 *
 *   bench_classify [--json] [--rules DIR] [--log LOG] [--peer-files DIR] TABLE.tsv...
 *
 * --peer-files writes what regex_set_peer and re2_set_peer read: DIR/patterns, DIR/replies (peer_files.h). */
#include <fcntl.h>
#include <getopt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "bench/peer_files.h"
#include "bench/reply_texts.h"
#include "classify/normalise.h"
#include "ingest/ingest.h"
#include "tools/cache_dir.h"

#define MEASURE_US 500000
#define KNOWN_TEXTS 512 /* for "cached": they fit into the cache */
#define VARIANTS 4      /* of each refusal: few, so that they stay in the processor's caches as lines just read do */

struct delivery_list {
  struct delivery *items;
  size_t count;
};

struct figures {
  double load_ms, accepted_ns, normalise_ns, cached_ns, diverse_ns, realistic_ns;
  double realistic_cache_share, realistic_accepted_share;
};

static struct classify_context *new_context(const struct classifier *classifier) {
  struct error err;
  struct classify_context *context = classify_context_new(classifier, &err);
  if (!context) fprintf(stderr, "%s\n", err.text), exit(3);
  return context;
}

static struct delivery_list make_deliveries(const struct reply_texts *texts, size_t variants) {
  uint64_t random = 20261124;
  struct delivery_list list = {.count = texts->count * variants / LIMIT_STAGE * LIMIT_STAGE};
  list.items = memory_zeroed(list.count * sizeof *list.items);
  for (size_t i = 0; i < list.count; i++) {
    struct delivery *d = &list.items[i];
    delivery_init(d);
    d->reply = reply_texts_vary(texts->items[i % texts->count], &random);
    reply_read_codes(d->reply, &d->smtp_code, &d->dsn);
    d->status = d->smtp_code / 100 == 2 ? STATUS_delivered : d->smtp_code / 100 == 4 ? STATUS_deferred : STATUS_bounced;
    d->relay_host = SLICE("gmail-smtp-in.l.google.com");
    d->recipient = SLICE("somebody@gmail.com");
    d->service = SLICE("smtp");
  }
  return list;
}

/* Nanoseconds a reply; all once before the clock runs. */
static double time_classifying(const struct classifier *classifier, const struct delivery_list *list, bool uses_cache) {
  struct classify_context *context = new_context(classifier);
  classify_context_use_cache(context, uses_cache);
  struct verdict verdicts[LIMIT_STAGE];
  int64_t begun_us = 0, took_us = 0;
  size_t count = 0;
  for (unsigned round = 0; took_us < MEASURE_US; round++) {
    if (round == 1) begun_us = clock_monotonic_us(), count = 0;
    for (size_t i = 0; i < list->count; i += LIMIT_STAGE, count += LIMIT_STAGE)
      classify_deliveries(context, list->items + i, LIMIT_STAGE, verdicts);
    if (round) took_us = clock_monotonic_us() - begun_us;
  }
  classify_context_free(context);
  return (double)took_us * 1000 / (double)count;
}

static double time_normalising(const struct delivery_list *list) {
  char out[NORMALISED_BYTES_MAX];
  size_t bytes = 0, count = 0;
  int64_t begun_us = clock_monotonic_us(), took_us = 0;
  for (; took_us < MEASURE_US; took_us = clock_monotonic_us() - begun_us)
    for (size_t i = 0; i < list->count; i++, count++) bytes += normalise_reply(list->items[i].reply, out);
  if (!bytes) exit(3); /* so that nothing is optimised away */
  return (double)took_us * 1000 / (double)count;
}

/* ---- the deliveries of a log --------------------------------------------------------------------------------------------------- */

struct log_run {
  struct classify_context *context;
  struct delivery_stage stage;
  struct verdict verdicts[LIMIT_STAGE];
  int64_t took_ns;
  size_t count, accepted;
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void classify_stage(void *any) {
  struct log_run *run = any;
  int64_t begun_ns = now_ns();
  classify_deliveries(run->context, run->stage.items, run->stage.count, run->verdicts);
  run->took_ns += now_ns() - begun_ns;
  run->count += run->stage.count;
  for (size_t i = 0; i < run->stage.count; i++) run->accepted += run->stage.items[i].status == STATUS_delivered;
  run->stage.count = 0;
}

static struct slice map_log(const char *path) {
  struct stat info;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &info) != 0) perror(path), exit(3);
  char *base = mmap(NULL, (size_t)info.st_size + 64, PROT_READ, MAP_PRIVATE, fd, 0);
  if (base == MAP_FAILED) perror(path), exit(3);
  return slice_of(base, (size_t)info.st_size);
}

static void time_log(const struct classifier *classifier, const char *path, struct figures *out) {
  static struct log_run run;
  struct slice log = map_log(path);
  struct time_rules rules = {.now_us = clock_wall_us()};
  struct parser parser;
  struct join_options options;
  join_options_init(&options);
  parser_init(&parser, format_find(SLICE("postfix")), &rules, 1);
  struct join *join = join_new(&options, 0, 1);
  run = (struct log_run){.context = new_context(classifier), .stage = {.when_full = classify_stage, .context = &run}};
  for (size_t at = 0; at < log.len;) {
    size_t len = log.len - at < (256u << 10) ? log.len - at : (256u << 10);
    while (len && log.ptr[at + len - 1] != '\n') len--;
    if (!len) break;
    struct batch batch = {.base = log.ptr + at, .len = len, .position = at, .reference_time_us = rules.now_us};
    parser_clear_lines(&parser);
    parser.format->parse(&parser, &batch, batch.base, batch.base, batch.base + len);
    join_begin(join, &batch, SLICE("files"));
    for (size_t i = 0; i < parser.lists[0].count; i++) join_take(join, &parser.lists[0].items[i], &run.stage);
    if (run.stage.count) classify_stage(&run);
    join_release(join);
    at += len;
  }
  struct classify_counts counts;
  classify_read_counts(run.context, &counts);
  out->realistic_ns = (double)run.took_ns / (double)run.count;
  out->realistic_cache_share = (double)counts.cache_hits / (double)(counts.cache_hits + counts.scans);
  out->realistic_accepted_share = (double)run.accepted / (double)run.count;
  classify_context_free(run.context);
  join_free(join);
  parser_deinit(&parser);
}

/* ---- what is printed ------------------------------------------------------------------------------------------------------------ */

static void print_one(const char *what, double ns) { printf("%-12s %8.1f ns  %6.2f M/s\n", what, ns, 1000 / ns); }

static void print(const struct figures *f, size_t rules, bool json) {
  if (json) {
    printf(
        "{\"rules\": %zu, \"load_ms\": %.1f, \"accepted_ns\": %.1f, \"normalise_ns\": %.1f, \"cached_ns\": %.1f, \"diverse_ns\": "
        "%.1f, "
        "\"realistic_ns\": %.1f, \"realistic_cache_share\": %.4f, \"realistic_accepted_share\": %.4f}\n",
        rules, f->load_ms, f->accepted_ns, f->normalise_ns, f->cached_ns, f->diverse_ns, f->realistic_ns, f->realistic_cache_share,
        f->realistic_accepted_share);
    return;
  }
  printf("%zu rules with their examples loaded in %.0f ms\n", rules, f->load_ms);
  print_one("accepted", f->accepted_ns);
  print_one("normalising", f->normalise_ns);
  print_one("cached", f->cached_ns);
  print_one("diverse", f->diverse_ns);
  if (f->realistic_ns <= 0) return;
  print_one("realistic", f->realistic_ns);
  printf("%12s %.1f %% accepted; of those looked at the cache knew %.1f %%\n", "", 100 * f->realistic_accepted_share,
         100 * f->realistic_cache_share);
}

int main(int argc, char **argv) {
  static const struct option LONG[] = {{"json", no_argument, NULL, 'j'},
                                       {"rules", required_argument, NULL, 'r'},
                                       {"log", required_argument, NULL, 'l'},
                                       {"peer-files", required_argument, NULL, 'p'},
                                       {NULL, 0, NULL, 0}};
  const char *rules_dir = NULL, *log = NULL, *peer_dir = NULL;
  bool json = false;
  for (int option; (option = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
    switch (option) {
      case 'j': json = true; break;
      case 'r': rules_dir = optarg; break;
      case 'l': log = optarg; break;
      case 'p': peer_dir = optarg; break;
      default: return 2;
    }
  }
  if (optind == argc) return fprintf(stderr, "usage: bench_classify [OPTION]... TABLE.tsv...\n"), 2;
  static struct reply_texts refusals, accepted = {.items = {{0}}};
  for (int i = optind; i < argc; i++) reply_texts_load(argv[i], &refusals);
  accepted.items[accepted.count++] = SLICE("250 2.0.0 OK  1700000000 q12-20020a05s7.94 - gsmtp");
  accepted.items[accepted.count++] = SLICE("250 2.6.0 <20261124@mx.example.com> [InternalId=1234567] Queued mail for delivery");
  accepted.items[accepted.count++] = SLICE("250 2.0.0 Ok: queued as 4bZxQ12kz9z4f");
  struct error err;
  struct figures figures = {0};
  int64_t begun_us = clock_monotonic_us();
  struct classifier *classifier = classifier_new_cached(&(struct classifier_options){.rules_dir = rules_dir}, &err);
  if (!classifier) return fprintf(stderr, "%s\n", err.text), 3;
  figures.load_ms = (double)(clock_monotonic_us() - begun_us) / 1000;
  struct delivery_list list = make_deliveries(&accepted, 64);
  figures.accepted_ns = time_classifying(classifier, &list, true);
  list = make_deliveries(&refusals, VARIANTS);
  if (peer_dir) return peer_files_write(peer_dir, classifier, list.items, list.count) ? 0 : 3;
  figures.normalise_ns = time_normalising(&list);
  figures.diverse_ns = time_classifying(classifier, &list, false);
  if (refusals.count > KNOWN_TEXTS) refusals.count = KNOWN_TEXTS;
  list = make_deliveries(&refusals, VARIANTS);
  figures.cached_ns = time_classifying(classifier, &list, true);
  if (log) time_log(classifier, log, &figures);
  print(&figures, classifier_rule_count(classifier), json);
  return 0;
}
