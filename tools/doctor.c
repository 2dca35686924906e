/* `bouncemill doctor`: is the store whole, do the rules load, does the machine have what is needed. Each finding is a line. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "classify/classify.h"
#include "tools/cache_dir.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/store_options.h"

/* Less than this on the store's disk is a finding: some flushes' worth. */
#define DISK_FREE_BYTES_MIN (256ull << 20)

static const char HELP[] =
    "usage: bouncemill doctor [OPTION]...\n\n"
    "Checks the rules and the environment, and with --store every byte of a store. One line for\n"
    "each check, \"ok\" or \"BAD\" in front.\n\n"
    "  -s, --store DIR      check this store too\n"
    "      --rebuild-catalog  make the catalog of the store anew that was lost or is damaged, then check\n"
    "                       the store\n"
    "      --verify         check the store alone (default: ./store), not rules and environment\n"
    "  -h, --help           this text\n\n"
    "Exit codes: 0 all ok, 1 findings, 2 usage, 3 the store cannot be checked.\n";

struct doctor {
  unsigned findings;
  struct buf damaged; /* names of the files with a finding, each ended by a NUL */
};

static void say(struct doctor *doctor, bool is_ok, const char *what, const char *detail) {
  printf("%-3s  %s%s%s\n", is_ok ? "ok" : "BAD", what, detail[0] ? ": " : "", detail);
  if (!is_ok) doctor->findings++;
}

static void check_rules(struct doctor *doctor) {
  struct error err = {0};
  char detail[128];
  struct classifier *classifier = classifier_new_cached(&(struct classifier_options){0}, &err);
  if (!classifier) {
    say(doctor, false, "rules", err.text);
    return;
  }
  snprintf(detail, sizeof detail, "%zu loaded, every example right", classifier_rule_count(classifier));
  say(doctor, true, "rules", detail);
  classifier_free(classifier);
}

static void check_zones(struct doctor *doctor) {
  bool is_there = access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
  say(doctor, is_there, "time zones", is_there ? "" : "no zone files; install tzdata, or --zone cannot be used");
}

static void check_disk(struct doctor *doctor, const char *dir) {
  struct statvfs disk;
  char free_text[16], detail[64];
  if (statvfs(dir, &disk) != 0) return; /* store_open says why */
  uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
  snprintf(detail, sizeof detail, "%s free", progress_format_bytes((double)free_bytes, free_text));
  say(doctor, free_bytes >= DISK_FREE_BYTES_MIN, "disk of the store", detail);
}

/* Most findings name the file themselves. */
static void take_finding(void *context, const char *path, const char *finding) {
  struct doctor *doctor = context;
  buf_append(&doctor->damaged, path, strlen(path) + 1);
  size_t len = strlen(path);
  bool names_path = strncmp(finding, path, len) == 0 && strncmp(finding + len, ": ", 2) == 0;
  say(doctor, false, path, names_path ? finding + len + 2 : finding);
}

struct inventory {
  const struct doctor *doctor;
  uint64_t segments, rows, bytes, damaged;
};

static bool has_finding(const struct doctor *doctor, const char *path) {
  for (size_t at = 0; at < doctor->damaged.len; at += strlen(doctor->damaged.ptr + at) + 1)
    if (strcmp(doctor->damaged.ptr + at, path) == 0) return true;
  return false;
}

static bool count_segment(void *context, const struct segment_info *segment) {
  struct inventory *inventory = context;
  inventory->segments++;
  inventory->rows += segment->rows;
  inventory->bytes += segment->bytes;
  inventory->damaged += has_finding(inventory->doctor, segment->path);
  return true;
}

struct source_share {
  uint64_t all, without;
};

static bool count_source(void *context, const void *any) {
  struct source_share *share = context;
  const struct traffic_row *row = any;
  if (!slice_equal(row->direction, SLICE("out"))) return true;
  share->all += row->count;
  if (!row->source.len) share->without += row->count;
  return true;
}

/* Not a finding: many logs do not tell it. */
static bool tell_sources(struct store *store, struct error *err) {
  struct query query = {.dataset = DATASET_traffic, .since_us = INT64_MIN, .until_us = INT64_MAX};
  struct source_share share = {0};
  size_t damaged = 0;
  if (!query_rows_unmerged(store, &query, count_source, &share, &damaged, err)) return false;
  if (share.all)
    printf("ok   %.1f %% of outgoing deliveries have no source address ('sources' in the configuration gives one)\n",
           100.0 * (double)share.without / (double)share.all);
  return true;
}

static bool check_store(struct doctor *doctor, const char *dir, struct error *err) {
  struct store *store = store_open(dir, STORE_READ, err);
  if (!store) return false;
  check_disk(doctor, dir);
  unsigned before = doctor->findings;
  bool is_done = store_verify(store, take_finding, doctor, err);
  if (is_done && doctor->findings == before) say(doctor, true, "store", "catalog and every byte of every segment");
  for (unsigned i = 0; is_done && i < DATASET_COUNT; i++) {
    struct inventory inventory = {.doctor = doctor};
    char bytes[16], detail[160];
    is_done = store_each_segment(store, (enum dataset_id)i, count_segment, &inventory, err);
    if (!is_done) break;
    int len = snprintf(detail, sizeof detail, "%" PRIu64 " segments, %" PRIu64 " rows, %s", inventory.segments, inventory.rows,
                       progress_format_bytes((double)inventory.bytes, bytes));
    if (inventory.damaged) snprintf(detail + len, sizeof detail - (size_t)len, "; %" PRIu64 " damaged", inventory.damaged);
    say(doctor, !inventory.damaged, DATASETS[i].name, detail);
  }
  is_done = is_done && tell_sources(store, err);
  store_close(store);
  return is_done;
}

static bool rebuild_catalog(struct doctor *doctor, const char *dir, struct error *err) {
  struct store_rebuilt rebuilt;
  char detail[128];
  if (!store_rebuild_catalog(dir, take_finding, doctor, &rebuilt, err)) return false;
  snprintf(detail, sizeof detail, "made anew of %" PRIu64 " segments and %" PRIu64 " inputs", rebuilt.segments, rebuilt.inputs);
  say(doctor, true, "catalog", detail);
  return true;
}

enum { OPTION_VERIFY = 256, OPTION_REBUILD };

int doctor_main(int argc, char **argv) {
  static const struct option LONG[] = {STORE_LONG_OPTION,
                                       {"verify", no_argument, NULL, OPTION_VERIFY},
                                       {"rebuild-catalog", no_argument, NULL, OPTION_REBUILD},
                                       {"help", no_argument, NULL, 'h'},
                                       {0}};
  const char *dir = NULL;
  bool is_store_alone = false, rebuilds = false;
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("doctor", option, argv[optind - 1]);
    if (option == 'h') {
      fputs(HELP, stdout);
      return EXIT_OK;
    }
    if (option == 's') dir = optarg;
    is_store_alone = is_store_alone || option == OPTION_VERIFY || option == OPTION_REBUILD;
    rebuilds = rebuilds || option == OPTION_REBUILD;
  }
  if (optind < argc) return command_usage("doctor", "unexpected argument '%s'", argv[optind]);
  struct doctor doctor = {0};
  struct error err = {0};
  if (is_store_alone && !dir) dir = "store";
  if (!is_store_alone) {
    check_rules(&doctor);
    check_zones(&doctor);
  }
  bool is_checked = (!rebuilds || rebuild_catalog(&doctor, dir, &err)) && (!dir || check_store(&doctor, dir, &err));
  buf_deinit(&doctor.damaged);
  if (!is_checked) return command_fail(&err);
  return doctor.findings ? EXIT_FINDINGS : EXIT_OK;
}
