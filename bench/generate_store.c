/* Makes a store of daily traffic rows: so many domains over so many days up to 2026-11-24, a segment a day as a run would flush them.
 *
 *     generate_store DIR --domains N [--days N] [--seed N]
 *
 * A domain's deliveries a day are Zipf-like (the first has thousands, half of all have one or two), on six days of seven; most are accepted at once, some
 * domains defer or refuse a part. The same arguments give the same rows. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "aggregate/aggregate.h"
#include "aggregate/pending.h"
#include "aggregate/segment_writer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"

#define LAST_DAY "2026-11-24"
enum { NAME_MAX_BYTES = 40, DELAYS_COUNTED_ONE_BY_ONE = 64 };

struct domain {
  char name[NAME_MAX_BYTES];
  const char *provider;
  double mean;       /* deliveries a day */
  unsigned trouble;  /* percent of days with deferrals or refusals */
  double delay_log2; /* of the usual delay, in buckets */
};

static uint64_t mix(uint64_t a, uint64_t b) { return hash_u64(a * 0x9e3779b185ebca87u ^ hash_u64(b + 0x165667b19e3779f9u)); }
static double unit(uint64_t bits) { return (double)(bits >> 11) / 9007199254740992.0; }
static double normal(uint64_t bits) { return sqrt(-2 * log(unit(bits) + 1e-12)) * cos(6.283185307 * unit(mix(bits, 7))); }

static void make_domain(struct domain *domain, uint64_t number, uint64_t count, uint64_t seed) {
  static const char *const SYLLABLES[] = {"al",   "ba",   "co",  "dent", "er",  "fin", "go",   "haus", "in",
                                          "ka",   "land", "mar", "net",  "ora", "pix", "qua",  "ri",   "sol",
                                          "tech", "uni",  "ver", "web",  "yo",  "zen", "shop", "mail"};
  static const char *const ENDINGS[] = {".com",   ".com", ".com", ".de",     ".net", ".org",
                                        ".co.uk", ".cn",  ".fr",  ".com.br", ".io",  ".it"};
  static const char *const PROVIDERS[] = {"google", "microsoft", "google", "microsoft", "ovh", "ionos", "tencent", "proofpoint"};
  uint64_t bits = mix(seed, number);
  size_t len = 0;
  for (unsigned i = 0; i < 2 + bits % 4; i++) {
    const char *syllable = SYLLABLES[mix(bits, i) % (sizeof SYLLABLES / sizeof *SYLLABLES)];
    len += (size_t)snprintf(domain->name + len, sizeof domain->name - len, "%s", syllable);
  }
  if (bits % 5 < 3) len += (size_t)snprintf(domain->name + len, sizeof domain->name - len, "%u", (unsigned)(number % 997));
  snprintf(domain->name + len, sizeof domain->name - len, "%s", ENDINGS[mix(bits, 91) % (sizeof ENDINGS / sizeof *ENDINGS)]);
  domain->provider = mix(bits, 92) % 10 < 7 ? PROVIDERS[mix(bits, 93) % 8] : domain->name;
  domain->mean = 0.7 + 5000.0 / (double)(1 + mix(bits, 94) % count);
  domain->trouble = mix(bits, 95) % 100 < 15 ? (unsigned)(mix(bits, 96) % 40) : 1;
  domain->delay_log2 = 3 + 3 * unit(mix(bits, 97));
}

static int compare_domains(const void *a, const void *b) {
  return strcmp(((const struct domain *)a)->name, ((const struct domain *)b)->name);
}

/* One row of the domain and day. */
static bool make_row(const struct domain *domain, uint32_t day, uint64_t bits, struct traffic_row *row) {
  if (bits % 7 == 0) return false;
  uint64_t count = (uint64_t)(-domain->mean * log(unit(mix(bits, 1)) + 1e-12)) + 1;
  bool has_trouble = mix(bits, 2) % 100 < domain->trouble;
  *row = (struct traffic_row){.direction = SLICE("out"),
                              .source = SLICE("192.0.2.25"),
                              .sender_domain = SLICE("news.example.org"),
                              .recipient_domain = slice_from_cstr(domain->name),
                              .provider = slice_from_cstr(domain->provider),
                              .status = has_trouble ? SLICE("deferred") : SLICE("delivered"),
                              .outcome = has_trouble ? SLICE("deferred") : SLICE("delivered"),
                              .cause = has_trouble ? SLICE("rate_limited") : SLICE("accepted"),
                              .last_cause = SLICE(""),
                              .blocklist = SLICE(""),
                              .minute = day * 1440,
                              .count = count,
                              .bytes = (uint64_t)((double)count * exp(9.5 + normal(mix(bits, 3))))};
  uint64_t drawn = count < DELAYS_COUNTED_ONE_BY_ONE ? count : DELAYS_COUNTED_ONE_BY_ONE;
  for (uint64_t i = 0; i < drawn; i++) {
    int bucket = (int)(domain->delay_log2 + normal(mix(bits, 10 + i)));
    row->delay.count[bucket < 0 ? 0 : bucket >= HISTOGRAM_BUCKETS ? HISTOGRAM_BUCKETS - 1 : bucket] += count / drawn;
  }
  return true;
}

/* In order of the key: rows of a day differ in recipient_domain first. */
static bool write_day(struct store *store, const struct domain *domains, size_t count, uint32_t day, uint64_t seed,
                      struct error *err) {
  struct pending_segments *pending = pending_segments_new();
  struct segment_writer *writer = segment_writer_new(store, &DATASETS[DATASET_traffic], 0, err);
  bool ok = writer != NULL;
  for (size_t i = 0; i < count && ok; i++) {
    struct traffic_row row;
    if (i && strcmp(domains[i].name, domains[i - 1].name) == 0) continue;
    if (make_row(&domains[i], day, mix(seed + day, i), &row)) ok = segment_writer_add(writer, &row, err);
  }
  ok = ok && segment_writer_finish(writer, pending, err);
  ok = ok && store_commit(store, &(struct commit){.pending = &pending, .pending_count = 1}, err);
  pending_segments_free(pending);
  return ok;
}

int main(int argc, char **argv) {
  static const struct option LONG[] = {{"domains", required_argument, NULL, 'n'},
                                       {"days", required_argument, NULL, 'd'},
                                       {"seed", required_argument, NULL, 's'},
                                       {0}};
  size_t count = 0, days = 365, seed = 1;
  for (int option; (option = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
    if (option == '?') return 2;
    *(option == 'n' ? &count : option == 'd' ? &days : &seed) = strtoul(optarg, NULL, 10);
  }
  if (optind + 1 != argc || !count) {
    fputs("usage: generate_store DIR --domains N [--days N] [--seed N]\n", stderr);
    return 2;
  }
  struct error err = {0};
  int64_t last_us = 0;
  struct store *store = store_open(argv[optind], STORE_WRITE, &err);
  bool ok = store && clock_parse_moment(SLICE(LAST_DAY), 0, &last_us);
  struct domain *domains = memory_alloc(count * sizeof *domains);
  for (size_t i = 0; i < count; i++) make_domain(&domains[i], i, count, seed);
  qsort(domains, count, sizeof *domains, compare_domains);
  uint32_t last = (uint32_t)(last_us / US_PER_SECOND / SECONDS_PER_DAY);
  for (size_t i = 0; i < days && ok; i++) ok = write_day(store, domains, count, last - (uint32_t)(days - 1 - i), seed, &err);
  if (!ok) fprintf(stderr, "generate_store: %s\n", err.text);
  free(domains);
  store_close(store);
  return ok ? 0 : 3;
}
