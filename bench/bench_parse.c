/* How fast lines are parsed, against the least that any reader of lines must do: finding the newlines with memchr.
 *
 *   bench_parse [--json] [--rounds N] [--format NAME] LOG
 *
 * Reads the log into memory. Each round scans it with memchr and parses it, one after the other, so that what disturbs the machine
 * disturbs both; the best round of each counts. Parses as the pipeline does: chunks of LIMIT_CHUNK_BYTES, lists emptied after each. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ingest/ingest.h"

struct measured {
  double scan_seconds, parse_seconds; /* of the best round */
  uint64_t newlines;                  /* of all rounds */
  struct line_counts counts;          /* of one round */
};

static char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  struct stat info;
  if (!file || fstat(fileno(file), &info) != 0) {
    perror(path);
    exit(3);
  }
  char *bytes = memory_map((size_t)info.st_size + 1);
  *len = fread(bytes, 1, (size_t)info.st_size, file);
  fclose(file);
  return bytes;
}

/* Not inlined: a compiler that sees that only the last round counts leaves the others out. */
static __attribute__((noinline)) uint64_t scan_newlines(const char *p, const char *end) {
  uint64_t count = 0;
  while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) count++, p++;
  return count;
}

static void parse_all(struct parser *parser, const struct batch *batch) {
  const char *end = batch->base + batch->len;
  for (const char *chunk = batch->base; chunk < end;) {
    const char *chunk_end = end;
    if ((size_t)(end - chunk) > LIMIT_CHUNK_BYTES)
      chunk_end = (const char *)memchr(chunk + LIMIT_CHUNK_BYTES, '\n', (size_t)(end - chunk) - LIMIT_CHUNK_BYTES) + 1;
    parser->format->parse(parser, batch, batch->base, chunk, chunk_end);
    parser_clear_lines(parser);
    chunk = chunk_end;
  }
}

static double best_of(double best, int64_t since_us) {
  double seconds = (double)(clock_monotonic_us() - since_us) / 1e6;
  return best == 0 || seconds < best ? seconds : best;
}

static void measure(const struct format *format, const char *bytes, size_t len, unsigned rounds, struct measured *out) {
  struct time_rules rules = {.now_us = clock_wall_us()};
  struct batch batch = {.base = bytes, .len = len, .reference_time_us = rules.now_us};
  batch.head = slice_of(bytes, slice_find_byte(slice_of(bytes, len), '\n'));
  struct parser parser;
  parser_init(&parser, format, &rules, 1);
  *out = (struct measured){0};
  for (unsigned round = 0; round < rounds; round++) {
    int64_t since_us = clock_monotonic_us();
    out->newlines += scan_newlines(bytes, bytes + len);
    __asm__ volatile("" ::: "memory");
    out->scan_seconds = best_of(out->scan_seconds, since_us);
    parser.counts = (struct line_counts){0};
    since_us = clock_monotonic_us();
    parse_all(&parser, &batch);
    out->parse_seconds = best_of(out->parse_seconds, since_us);
  }
  out->counts = parser.counts;
  parser_deinit(&parser);
}

static void print(const struct measured *m, size_t len, bool as_json) {
  double scan = (double)len / m->scan_seconds / 1e9, parse = (double)len / m->parse_seconds / 1e9;
  double line_ns = m->parse_seconds * 1e9 / (double)m->counts.lines;
  if (as_json) {
    printf("{\"bytes\":%zu,\"lines\":%llu,\"memchr_gb_s\":%.3f,\"parse_gb_s\":%.3f,\"ratio\":%.3f,\"parse_ns_line\":%.2f}\n", len,
           (unsigned long long)m->counts.lines, scan, parse, parse / scan, line_ns);
    return;
  }
  printf("%zu bytes, %llu lines: %llu deliveries, %llu carry something for the join\n", len, (unsigned long long)m->counts.lines,
         (unsigned long long)m->counts.delivery, (unsigned long long)m->counts.info);
  for (unsigned i = 0; i < NOISE_COUNT; i++)
    printf("  noise %-14.*s %llu\n", SLICE_ARG(noise_name(i)), (unsigned long long)m->counts.noise[i]);
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++)
    printf("  unparsed %-11.*s %llu\n", SLICE_ARG(unparsed_reason_name(i)), (unsigned long long)m->counts.unparsed[i]);
  printf("memchr %.3f GB/s   parse %.3f GB/s (%.2f ns a line)   ratio %.3f\n", scan, parse, line_ns, parse / scan);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'}, {"rounds", required_argument, NULL, 'r'}, {"format", required_argument, NULL, 'f'}, {0}};
  bool as_json = false;
  unsigned rounds = 5;
  const char *name = "postfix";
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'j')
      as_json = true;
    else if (option == 'r')
      rounds = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 'f')
      name = optarg;
    else
      return 2;
  }
  const struct format *format = format_find(slice_from_cstr(name));
  if (optind + 1 != argc || !rounds || !format) {
    fprintf(stderr, "usage: bench_parse [--json] [--rounds N] [--format NAME] LOG\n");
    return 2;
  }
  size_t len;
  char *bytes = read_file(argv[optind], &len);
  while (len && bytes[len - 1] != '\n') len--;
  if (!len) return fprintf(stderr, "%s: no whole line\n", argv[optind]), 3;
  struct measured measured;
  measure(format, bytes, len, rounds, &measured);
  print(&measured, len, as_json);
  memory_unmap(bytes, len + 1);
  return 0;
}
