/* schemas/clickhouse.sql: for each dataset a table to load segments into, a table that keeps them merged, and a view to read; and the same
 * for the rows of a topic, which may be loaded twice. */
#include <stdio.h>

#include "schemas/dataset.h"
#include "schemas/generate/generate.h"

/* Columns of few different values, which ClickHouse keeps as numbers into a dictionary. Domains and hosts are not: there may be
 * millions. */
static bool is_word(const char *name) {
  static const char *const WORDS[] = {"direction", "source", "provider",   "status",   "outcome",
                                      "cause",     "rule",   "last_cause", "blocklist"};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (!strcmp(name, WORDS[i])) return true;
  return false;
}

static const char *plain_type(const struct column *column) {
  switch (column->type) {
    case COLUMN_u32: return "UInt32";
    case COLUMN_u64: return "UInt64";
    case COLUMN_hist: return "Array(UInt64)";
    case COLUMN_hll: return "Array(UInt8)";
    case COLUMN_str: break;
  }
  return is_word(column->name) ? "LowCardinality(String)" : "String";
}

/* The aggregate function of a column's kind. The order of ClickHouse's strings is ours, by byte, so `least` is min. */
static const char *function(const struct column *column) {
  switch (column->kind) {
    case COLUMN_sum: return column->type == COLUMN_hist ? "sumForEach" : "sum";
    case COLUMN_max: return column->type == COLUMN_hll ? "maxForEach" : "max";
    case COLUMN_min:
    case COLUMN_least:
    case COLUMN_key: break;
  }
  return "min";
}

static bool is_array(const struct column *column) { return column->type == COLUMN_hist || column->type == COLUMN_hll; }

static void write_stored_type(const struct column *column, struct buf *out) {
  if (column->kind == COLUMN_key)
    buf_printf(out, "%s", plain_type(column));
  else if (is_array(column)) /* sumForEach and maxForEach are not among the simple ones */
    buf_printf(out, "AggregateFunction(%s, %s)", function(column), plain_type(column));
  else
    buf_printf(out, "SimpleAggregateFunction(%s, %s)", function(column), plain_type(column));
}

/* 'text' as SQL writes it. */
static void write_literal(const char *text, struct buf *out) {
  buf_append_byte(out, '\'');
  for (; *text; text++) {
    if (*text == '\'' || *text == '\\') buf_append_byte(out, '\\');
    buf_append_byte(out, *text);
  }
  buf_append_byte(out, '\'');
}

/* "    name Type COMMENT 'what',", one a line. */
static void write_columns(const struct dataset *dataset, bool is_stored, struct buf *out) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    const struct column *column = &dataset->columns[i];
    buf_printf(out, "    %-16s ", column->name);
    if (is_stored)
      write_stored_type(column, out);
    else
      buf_printf(out, "%s", plain_type(column));
    if (is_stored) {
      buf_printf(out, " COMMENT ");
      write_literal(column->what, out);
    }
    buf_printf(out, "%s\n", i + 1 < dataset->column_count ? "," : "");
  }
}

static void write_key_list(const struct dataset *dataset, struct buf *out) {
  for (size_t i = 0; i < dataset->key_count; i++) buf_printf(out, "%s%s", i ? ", " : "", dataset->columns[i].name);
}

/* The keys, and each value under its function with `array_suffix` behind that of an array; `modifier` of the table. */
static void write_grouping(const struct dataset *dataset, const char *array_suffix, const char *from, const char *modifier,
                           struct buf *out) {
  buf_printf(out, "SELECT\n    ");
  write_key_list(dataset, out);
  for (size_t i = dataset->key_count; i < dataset->column_count; i++) {
    const struct column *column = &dataset->columns[i];
    /* The column is named with its table: the value has the column's name, which ClickHouse would put inside itself. */
    buf_printf(out, ",\n    %s%s(%s.%s) AS %s", function(column), is_array(column) ? array_suffix : "", from, column->name,
               column->name);
  }
  buf_printf(out, "\nFROM bouncemill.%s AS %s%s\nGROUP BY ", from, from, modifier);
  write_key_list(dataset, out);
  buf_printf(out, ";\n");
}

/* "name Type, ..." of all columns. */
static void write_structure(const struct dataset *dataset, struct buf *out) {
  for (size_t i = 0; i < dataset->column_count; i++)
    buf_printf(out, "%s%s %s", i ? ", " : "", dataset->columns[i].name, plain_type(&dataset->columns[i]));
}

/* ---- summaries: rows of a topic ------------------------------------------------------------------------------------------------- */

static void write_summaries_of(const struct dataset *dataset, struct buf *out) {
  const char *name = dataset->name;
  char rows[64];
  snprintf(rows, sizeof rows, "%s_summaries", name);
  buf_printf(out, "\nCREATE TABLE IF NOT EXISTS bouncemill.%s\n(\n    writer           LowCardinality(String),\n", rows);
  buf_printf(out, "    sequence         UInt64,\n");
  write_columns(dataset, false, out);
  buf_printf(out, ")\nENGINE = ReplacingMergeTree\nORDER BY (writer, sequence);\n");
  buf_printf(out, "\nCREATE MATERIALIZED VIEW IF NOT EXISTS bouncemill.%s_sorting TO bouncemill.%s AS\nSELECT", rows, rows);
  buf_printf(out, "\n    row.writer AS writer,\n    row.sequence AS sequence");
  for (size_t i = 0; i < dataset->column_count; i++)
    buf_printf(out, ",\n    row.%s AS %s", dataset->columns[i].name, dataset->columns[i].name);
  buf_printf(out, "\nFROM\n(\n    SELECT JSONExtract(json, 'Tuple(writer String, sequence UInt64, ");
  write_structure(dataset, out);
  buf_printf(out,
             ")') AS row\n    FROM bouncemill.summaries_load\n"
             "    WHERE JSONExtractString(json, 'dataset') = '%s' AND JSONExtractUInt(json, 'version') = %u\n);\n",
             name, dataset->version);
  buf_printf(out, "\nCREATE VIEW IF NOT EXISTS bouncemill.%s_of_summaries AS\n", name);
  write_grouping(dataset, "", rows, " FINAL", out);
}

/* Causes whose fault is the sender's: a refusal for one of them is a block. */
static void write_block_causes(struct buf *out) {
  bool is_first = true;
  for (unsigned i = 0; i < CAUSE_COUNT; i++) {
    if (CAUSES[i].fault != FAULT_sender) continue;
    buf_printf(out, "%s'%.*s'", is_first ? "" : ", ", SLICE_ARG(cause_name(i)));
    is_first = false;
  }
}

static void write_rates(struct buf *out) {
  buf_printf(out,
             "\n-- The rates by day and provider, as a report gives them, each with its numerator and denominator beside it.\n\n"
             "CREATE VIEW IF NOT EXISTS bouncemill.rates_of_summaries AS\nSELECT\n"
             "    toDate(toDateTime(minute * 60, 'UTC')) AS day,\n    provider,\n"
             "    sumIf(count, status IN ('delivered', 'deferred', 'bounced')) AS attempts,\n"
             "    sumIf(count, status IN ('delivered', 'bounced', 'expired')) AS finals,\n"
             "    sumIf(count, status = 'deferred') AS deferred,\n"
             "    sumIf(count, status IN ('bounced', 'expired')) AS bounced_or_expired,\n"
             "    sumIf(count, status IN ('bounced', 'expired') AND outcome = 'hard') AS hard,\n"
             "    sumIf(count, status IN ('deferred', 'bounced') AND cause IN (");
  write_block_causes(out);
  buf_printf(out,
             ")) AS blocked,\n"
             "    if(attempts = 0, NULL, deferred / attempts) AS deferral_rate,\n"
             "    if(finals = 0, NULL, bounced_or_expired / finals) AS bounce_rate,\n"
             "    if(finals = 0, NULL, hard / finals) AS hard_rate,\n"
             "    if(attempts = 0, NULL, blocked / attempts) AS block_rate\n"
             "FROM bouncemill.traffic_of_summaries\nGROUP BY day, provider;\n");
}

static void write_summaries(struct buf *out) {
  buf_printf(out,
             "\n-- Summaries: rows that runs with --sink put into a topic (docs/summaries.md).\n--\n"
             "--   messages -> summaries_load (keeps nothing) -> X_summaries (one row for each {writer, sequence}) -> "
             "X_of_summaries (a view)\n"
             "--\n-- A message that is loaded twice is counted once. From Kafka, with read_committed as its isolation level:\n"
             "--   CREATE TABLE bouncemill.summaries_topic (json String) ENGINE = Kafka SETTINGS kafka_broker_list = '...',\n"
             "--       kafka_topic_list = '...', kafka_group_name = 'clickhouse', kafka_format = 'JSONAsString';\n"
             "--   CREATE MATERIALIZED VIEW bouncemill.summaries_reading TO bouncemill.summaries_load AS SELECT json FROM "
             "bouncemill.summaries_topic;\n"
             "\nCREATE TABLE IF NOT EXISTS bouncemill.summaries_load (json String) ENGINE = Null;\n");
  for (size_t i = 0; i < DATASET_COUNT; i++) write_summaries_of(&DATASETS[i], out);
  write_rates(out);
}

/* ---- segments --------------------------------------------------------------------------------------------------------------------- */

static void write_dataset(const struct dataset *dataset, struct buf *out) {
  const char *name = dataset->name;
  char loaded[64], stored[64];
  snprintf(loaded, sizeof loaded, "%s_load", name);
  snprintf(stored, sizeof stored, "%s_stored", name);
  buf_printf(out, "\n-- %s (%s/%u): %s\n\n", name, name, dataset->version, dataset->what);
  buf_printf(out, "CREATE TABLE IF NOT EXISTS bouncemill.%s\n(\n", loaded);
  write_columns(dataset, false, out);
  buf_printf(out, ")\nENGINE = Null;\n\n");
  buf_printf(out, "CREATE TABLE IF NOT EXISTS bouncemill.%s\n(\n", stored);
  write_columns(dataset, true, out);
  buf_printf(out, ")\nENGINE = AggregatingMergeTree\nPARTITION BY toYYYYMM(toDateTime(%s * %u, 'UTC'))\nORDER BY (",
             dataset_time_column(dataset)->name, dataset_time_unit_s(dataset));
  write_key_list(dataset, out);
  buf_printf(out, ");\n\nCREATE MATERIALIZED VIEW IF NOT EXISTS bouncemill.%s_merging TO bouncemill.%s AS\n", name, stored);
  write_grouping(dataset, "State", loaded, "", out);
  buf_printf(out, "\nCREATE VIEW IF NOT EXISTS bouncemill.%s AS\n", name);
  write_grouping(dataset, "Merge", stored, "", out);
  buf_printf(out, "\n-- INSERT INTO bouncemill.%s SELECT * FROM\n--     file('segments/%s-*.mp.zst', 'MsgPack', '", loaded, name);
  write_structure(dataset, out);
  buf_printf(out, "', 'zstd');\n");
}

void generate_clickhouse(struct buf *out) {
  buf_printf(
      out,
      "-- Tables of ClickHouse for the datasets of bouncemill. Generated by generate_schemas from schemas/*.def: change those.\n"
      "--\n"
      "--   segment files -> X_load (keeps nothing) -> X_merging -> X_stored (rows of equal keys become one) -> X (a view)\n"
      "--\n"
      "-- Insert into X_load, read from X. Rows are deltas: a segment that is loaded twice is counted twice. The statements in\n"
      "-- comments load the segments of a store; `bouncemill files X --store DIR` names the live ones.\n"
      "\n"
      "CREATE DATABASE IF NOT EXISTS bouncemill;\n");
  for (size_t i = 0; i < DATASET_COUNT; i++) write_dataset(&DATASETS[i], out);
  write_summaries(out);
}
