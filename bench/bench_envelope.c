/* How fast lines are taken out of JSON, against the least that any reader of the same fields must do: simdjson's own on-demand pass.
 *
 *   bench_envelope [--json] [--rounds N] [--shape filebeat|rsyslog|vector] LOG
 *
 * Wraps the lines of a plain log as the shipper does, in memory. Each round lets simdjson look up the fields of each record (and do nothing with
 * them), and takes the lines out as the program does, in chunks, for a format that reads nothing; the best round of each counts. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "bench/ondemand_peer.h"
#include "ingest/ingest.h"

static void read_nothing(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin,
                         const char *end) {
  (void)batch, (void)lookback;
  parser->counts.bytes += (uint64_t)(end - begin);
}

static const struct format FORMAT_NOTHING = {.name = "nothing", .parse = read_nothing};

static struct buf read_file(const char *path) {
  struct buf log = {0};
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(3);
  }
  size_t got;
  while ((got = fread(buf_reserve(&log, 1 << 20), 1, 1 << 20, file)) > 0) log.len += got;
  fclose(file);
  return log;
}

/* "Nov 24 08:15:07 host program[pid]: text" */
struct parts {
  struct slice host, tag, text;
};

static bool take_apart(struct slice line, struct parts *parts) {
  if (line.len < 20) return false;
  struct slice rest = slice_skip(line, 16);
  size_t host = slice_find_byte(rest, ' ');
  parts->host = slice_of(rest.ptr, host);
  rest = slice_skip(rest, host + 1);
  size_t tag = slice_find_byte(rest, ' ');
  parts->tag = slice_of(rest.ptr, tag);
  parts->text = slice_skip(rest, tag + 1);
  return parts->tag.len > 1 && parts->tag.ptr[tag - 1] == ':';
}

static void wrap(struct slice line, enum ondemand_shape shape, struct buf *out) {
  struct parts parts;
  if (!take_apart(line, &parts)) return;
  switch (shape) {
    case ONDEMAND_FILEBEAT:
      buf_printf(out,
                 "{\"@timestamp\":\"2026-11-24T08:15:07.123Z\",\"@metadata\":{\"beat\":\"filebeat\",\"type\":\"_doc\",\"version\":"
                 "\"8.15.0\"},"
                 "\"log\":{\"offset\":%zu,\"file\":{\"path\":\"/var/log/mail.log\"}},\"message\":",
                 out->len);
      json_write_string(out, line);
      buf_printf(out,
                 ",\"input\":{\"type\":\"filestream\"},\"host\":{\"name\":\"%.*s\"},\"agent\":{\"type\":\"filebeat\",\"version\":"
                 "\"8.15.0\","
                 "\"ephemeral_id\":\"b0c0\",\"id\":\"c1d1\",\"name\":\"mx1\"},\"ecs\":{\"version\":\"8.0.0\"}}\n",
                 SLICE_ARG(parts.host));
      break;
    case ONDEMAND_RSYSLOG:
      buf_append_slice(out, SLICE("{\"timestamp\":\"2026-11-24T08:15:07.123456+00:00\",\"message\":"));
      json_write_string(out, parts.text);
      buf_printf(out, ",\"host\":\"%.*s\",\"severity\":\"info\",\"facility\":\"mail\",\"syslog-tag\":\"%.*s\"}\n",
                 SLICE_ARG(parts.host), SLICE_ARG(parts.tag));
      break;
    case ONDEMAND_VECTOR:
      buf_printf(out, "{\"appname\":\"%.*s\",\"facility\":\"mail\",\"host\":\"relay\",\"hostname\":\"%.*s\",\"message\":",
                 (int)slice_find_byte(parts.tag, '['), parts.tag.ptr, SLICE_ARG(parts.host));
      json_write_string(out, parts.text);
      buf_append_slice(out, SLICE(",\"procid\":1234,\"severity\":\"info\",\"source_ip\":\"192.0.2.1\",\"source_type\":\"syslog\","
                                  "\"timestamp\":\"2026-11-24T08:15:07.123456Z\"}\n"));
      break;
  }
}

static void unwrap_all(struct unwrapper *unwrapper, struct parser *parser, const struct batch *batch) {
  const char *end = batch->base + batch->len;
  for (const char *chunk = batch->base; chunk < end;) {
    const char *chunk_end = end;
    if ((size_t)(end - chunk) > LIMIT_CHUNK_BYTES)
      chunk_end = (const char *)memchr(chunk + LIMIT_CHUNK_BYTES, '\n', (size_t)(end - chunk) - LIMIT_CHUNK_BYTES) + 1;
    unwrapper_parse(unwrapper, parser, batch, batch->base, chunk, chunk_end);
    chunk = chunk_end;
  }
}

static double best_of(double best, int64_t since_us) {
  double seconds = (double)(clock_monotonic_us() - since_us) / 1e6;
  return best == 0 || seconds < best ? seconds : best;
}

/* Records that both sides found must be as many. */
static void measure(struct slice wrapped, enum ondemand_shape shape, unsigned rounds, bool as_json) {
  struct time_rules rules = {.now_us = clock_wall_us()};
  struct batch batch = {.base = wrapped.ptr, .len = wrapped.len, .reference_time_us = rules.now_us};
  struct parser parser;
  struct unwrapper *unwrapper = unwrapper_new(envelope_at(0));
  struct ondemand_peer *peer = ondemand_peer_new();
  double ours = 0, theirs = 0;
  uint64_t found = 0;
  parser_init(&parser, &FORMAT_NOTHING, &rules, 1);
  for (unsigned round = 0; round < rounds; round++) {
    int64_t since_us = clock_monotonic_us();
    found = ondemand_peer_read(peer, wrapped, shape);
    theirs = best_of(theirs, since_us);
    parser.counts = (struct line_counts){0};
    since_us = clock_monotonic_us();
    unwrap_all(unwrapper, &parser, &batch);
    ours = best_of(ours, since_us);
  }
  if (found != parser.counts.unwrapped) {
    fprintf(stderr, "bench_envelope: simdjson found %llu records, we %llu\n", (unsigned long long)found,
            (unsigned long long)parser.counts.unwrapped);
    exit(3);
  }
  double bytes = (double)wrapped.len / 1e9;
  printf(as_json ? "{\"records\":%llu,\"simdjson_gb_s\":%.3f,\"unwrap_gb_s\":%.3f,\"ratio\":%.3f,\"unwrap_ns_line\":%.1f}\n"
                 : "%llu records   simdjson %.3f GB/s   unwrap %.3f GB/s   ratio %.3f   %.1f ns a line\n",
         (unsigned long long)found, bytes / theirs, bytes / ours, theirs / ours, ours * 1e9 / (double)found);
  parser_deinit(&parser);
  unwrapper_free(unwrapper);
  ondemand_peer_free(peer);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'}, {"rounds", required_argument, NULL, 'r'}, {"shape", required_argument, NULL, 's'}, {0}};
  static const char *const SHAPES[] = {"filebeat", "rsyslog", "vector"};
  bool as_json = false;
  unsigned rounds = 5, shape = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'j')
      as_json = true;
    else if (option == 'r')
      rounds = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 's')
      for (shape = 0; shape < 3 && strcmp(SHAPES[shape], optarg) != 0;) shape++;
    else
      return 2;
  }
  if (optind + 1 != argc || !rounds || shape == 3) {
    fprintf(stderr, "usage: bench_envelope [--json] [--rounds N] [--shape filebeat|rsyslog|vector] LOG\n");
    return 2;
  }
  struct buf log = read_file(argv[optind]), wrapped = {0};
  for (struct slice rest = buf_slice(&log); rest.len;) {
    size_t len = slice_find_byte(rest, '\n');
    wrap(slice_of(rest.ptr, len), (enum ondemand_shape)shape, &wrapped);
    rest = slice_skip(rest, len + 1);
  }
  if (!wrapped.len) return fprintf(stderr, "%s: no line of syslog\n", argv[optind]), 3;
  buf_reserve(&wrapped, 128); /* so that the peer need not copy the last record */
  measure(buf_slice(&wrapped), (enum ondemand_shape)shape, rounds, as_json);
  buf_deinit(&log);
  buf_deinit(&wrapped);
  return 0;
}
