/* `bouncemill query`: options in, groups of traffic rows added up, out they go. */
#include "tools/query.h"

#include <stdio.h>

#include "base/clock.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/store_options.h"

static const char HELP[] =
    "usage: bouncemill query [OPTION]...\n\n"
    "Counts and rates of a store, grouped by columns of traffic and by steps of time.\n\n" STORE_HELP
    "      --by KEY[,KEY]   group by these: direction, source, sender_domain,\n"
    "                       recipient_domain, provider, status, outcome, cause, last_cause,\n"
    "                       blocklist; may be given often, each KEY once\n"
    "      --where KEY=VAL  only rows with this value, which for direction, status, outcome,\n"
    "                       cause and last_cause is one of their words; given often, the same\n"
    "                       KEY means or, different ones and\n"
    "      --step S         also group by minute, hour or day\n" PERIOD_HELP
    "      --format F       table (default), json or csv\n"
    "      --top N          only the first N groups: worst first, with --step by time\n"
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 1 damaged segments were left out, 2 usage, 3 the store cannot be read.\n";

struct query_options {
  struct query_request request;
  struct store_options store;
  bool is_help;
};

/* A text key column of traffic, by name. */
static const struct column *find_column(struct slice name) {
  const struct dataset *traffic = &DATASETS[DATASET_traffic];
  for (size_t i = 0; i < traffic->key_count; i++) {
    const struct column *column = &traffic->columns[i];
    if (column->type == COLUMN_str && slice_equal(slice_from_cstr(column->name), name)) return column;
  }
  return NULL;
}

/* The words that a column may hold, one by one; absent behind the last, and for a column of any text. */
static struct slice word_of(const struct column *column, unsigned i) {
  struct slice name = slice_from_cstr(column->name);
  if (slice_equal(name, SLICE("direction"))) return i < DIRECTION_COUNT ? direction_name((enum direction)i) : SLICE_ABSENT;
  if (slice_equal(name, SLICE("status"))) return i < STATUS_COUNT ? status_name((enum status)i) : SLICE_ABSENT;
  if (slice_equal(name, SLICE("outcome"))) return i < OUTCOME_COUNT ? outcome_name((enum outcome)i) : SLICE_ABSENT;
  bool is_cause = slice_equal(name, SLICE("cause")) || slice_equal(name, SLICE("last_cause"));
  return is_cause && i < CAUSE_COUNT ? cause_name((enum cause)i) : SLICE_ABSENT;
}

/* A word that no row can have is a slip of the pen, and its empty answer would be believed. */
static bool check_word(const struct column *column, struct slice value, struct error *err) {
  struct slice word;
  char words[ERROR_TEXT_MAX] = "";
  size_t len = 0;
  if (!value.len && strcmp(column->name, "last_cause") == 0) return true; /* of all but what expired */
  for (unsigned i = 0; !slice_is_absent(word = word_of(column, i)); i++) {
    if (slice_equal(word, value)) return true;
    if (len < sizeof words) len += (size_t)snprintf(words + len, sizeof words - len, "%s%.*s", len ? ", " : "", SLICE_ARG(word));
  }
  if (!len) return true;
  return error_set(err, ERROR_USAGE, "--where: %s is never '%.*s', but one of %s", column->name, SLICE_ARG(value), words);
}

static bool take_by(struct query_request *request, struct slice list, struct error *err) {
  while (list.len) {
    size_t len = slice_find_byte(list, ',');
    struct slice name = slice_of(list.ptr, len);
    const struct column *column = find_column(name);
    if (!column) return error_set(err, ERROR_USAGE, "--by: unknown key '%.*s'", SLICE_ARG(name));
    for (size_t i = 0; i < request->by_count; i++)
      if (request->by[i] == column) return error_set(err, ERROR_USAGE, "--by: '%s' is given twice", column->name);
    if (request->by_count == QUERY_TERMS_MAX) return error_set(err, ERROR_USAGE, "--by: over %d keys", QUERY_TERMS_MAX);
    request->by[request->by_count++] = column;
    list = slice_skip(list, len + 1);
  }
  return true;
}

static bool take_where(struct query_request *request, struct slice text, struct error *err) {
  size_t len = slice_find_byte(text, '=');
  const struct column *column = find_column(slice_of(text.ptr, len));
  if (len == text.len) return error_set(err, ERROR_USAGE, "--where needs KEY=VALUE, not '%.*s'", SLICE_ARG(text));
  if (!column) return error_set(err, ERROR_USAGE, "--where: unknown key '%.*s'", (int)len, text.ptr);
  if (!check_word(column, slice_skip(text, len + 1), err)) return false;
  if (request->where_count == QUERY_TERMS_MAX) return error_set(err, ERROR_USAGE, "--where: over %d terms", QUERY_TERMS_MAX);
  request->where[request->where_count++] = (struct query_term){column, slice_skip(text, len + 1)};
  return true;
}

static bool take_step(struct query_request *request, struct slice text, struct error *err) {
  static const struct {
    const char *name;
    int64_t seconds;
  } STEPS[] = {{"minute", 60}, {"hour", 3600}, {"day", SECONDS_PER_DAY}};
  for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
    if (!slice_equal(text, slice_from_cstr(STEPS[i].name))) continue;
    request->step_s = STEPS[i].seconds;
    return true;
  }
  return error_set(err, ERROR_USAGE, "--step: '%.*s' is none of minute, hour, day", SLICE_ARG(text));
}

static bool take_format(struct query_request *request, struct slice text, struct error *err) {
  static const char *const NAMES[] = {[QUERY_TABLE] = "table", [QUERY_JSON] = "json", [QUERY_CSV] = "csv"};
  for (unsigned i = 0; i < 3; i++) {
    if (!slice_equal(text, slice_from_cstr(NAMES[i]))) continue;
    request->format = (enum query_format)i;
    return true;
  }
  return error_set(err, ERROR_USAGE, "--format: '%.*s' is none of table, json, csv", SLICE_ARG(text));
}

static bool take_top(struct query_request *request, struct slice text, struct error *err) {
  unsigned top;
  if (!config_parse_unsigned(text, 0, 1000000, &top))
    return error_set(err, ERROR_USAGE, "--top needs a number from 0 to 1000000, not '%.*s'", SLICE_ARG(text));
  request->top = top;
  return true;
}

enum { OPTION_BY = 256, OPTION_WHERE, OPTION_STEP, OPTION_FORMAT, OPTION_TOP };

static bool take_option(struct query_options *options, int option, const char *value, struct error *err) {
  struct slice text = slice_from_cstr(value);
  switch (option) {
    case 'h': options->is_help = true; return true;
    case OPTION_BY: return take_by(&options->request, text, err);
    case OPTION_WHERE: return take_where(&options->request, text, err);
    case OPTION_STEP: return take_step(&options->request, text, err);
    case OPTION_FORMAT: return take_format(&options->request, text, err);
    case OPTION_TOP: return take_top(&options->request, text, err);
    default: return store_options_take(&options->store, option, value, err);
  }
}

static int read_options(struct query_options *options, int argc, char **argv) {
  static const struct option LONG[] = {STORE_LONG_OPTION,
                                       PERIOD_LONG_OPTIONS,
                                       {"by", required_argument, NULL, OPTION_BY},
                                       {"where", required_argument, NULL, OPTION_WHERE},
                                       {"step", required_argument, NULL, OPTION_STEP},
                                       {"format", required_argument, NULL, OPTION_FORMAT},
                                       {"top", required_argument, NULL, OPTION_TOP},
                                       {"help", no_argument, NULL, 'h'},
                                       {0}};
  struct error err = {0};
  *options = (struct query_options){.request = {.top = SIZE_MAX}};
  store_options_init(&options->store);
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("query", option, argv[optind - 1]);
    if (!take_option(options, option, optarg, &err)) return command_usage("query", "%s", err.text);
  }
  if (optind < argc) return command_usage("query", "unexpected argument '%s'", argv[optind]);
  return EXIT_OK;
}

/* ---- grouping ----------------------------------------------------------------------------------------------------------------- */

struct grouping {
  const struct query_request *request;
  struct tally groups;
  struct buf key; /* reused for each row */
};

static struct slice text_of(const struct traffic_row *row, const struct column *column) {
  struct slice text;
  memcpy(&text, (const char *)row + column->offset, sizeof text);
  return text;
}

static bool is_wanted(const struct query_request *request, const struct traffic_row *row) {
  for (size_t i = 0; i < request->where_count; i++) {
    const struct query_term *term = &request->where[i];
    bool is_met = false;
    for (size_t k = 0; k < request->where_count && !is_met; k++)
      is_met = request->where[k].column == term->column && slice_equal(request->where[k].value, text_of(row, term->column));
    if (!is_met) return false;
  }
  return true;
}

static bool add_row(void *context, const void *any) {
  struct grouping *grouping = context;
  const struct query_request *request = grouping->request;
  const struct traffic_row *row = any;
  if (!is_wanted(request, row)) return true;
  buf_clear(&grouping->key);
  if (request->step_s) {
    char time[32];
    int64_t time_s = (int64_t)row->minute * 60 / request->step_s * request->step_s;
    buf_append(&grouping->key, time, clock_format_rfc3339(time_s * US_PER_SECOND, time));
    buf_append_byte(&grouping->key, '\0');
  }
  for (size_t i = 0; i < request->by_count; i++) {
    buf_append_slice(&grouping->key, text_of(row, request->by[i]));
    buf_append_byte(&grouping->key, '\0');
  }
  counters_add_row(&tally_get(&grouping->groups, buf_slice(&grouping->key))->counters, row);
  return true;
}

static int query_store(const struct query_options *options) {
  struct error err = {0};
  struct store *store = store_open(options->store.dir, STORE_READ, &err);
  if (!store) return command_fail(&err);
  struct grouping grouping = {.request = &options->request};
  struct query query = {.dataset = DATASET_traffic, .since_us = options->store.since_us, .until_us = options->store.until_us};
  struct buf out = {0};
  size_t damaged = 0;
  tally_init(&grouping.groups);
  bool is_done = query_rows_unmerged(store, &query, add_row, &grouping, &damaged, &err);
  if (is_done) {
    if (options->request.step_s)
      tally_sort_by_key(&grouping.groups);
    else
      tally_sort_worst_first(&grouping.groups);
    query_write(&options->request, &grouping.groups, &out);
    is_done = command_write(buf_slice(&out), &err);
  }
  tally_deinit(&grouping.groups);
  buf_deinit(&grouping.key);
  buf_deinit(&out);
  store_close(store);
  if (!is_done) return command_fail(&err);
  return damaged ? EXIT_FINDINGS : EXIT_OK;
}

int query_main(int argc, char **argv) {
  struct query_options options;
  int code = read_options(&options, argc, argv);
  if (code) return code;
  if (!options.is_help) return query_store(&options);
  fputs(HELP, stdout);
  return EXIT_OK;
}
