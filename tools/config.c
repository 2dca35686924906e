/* Configuration from YAML. See config.h. */
#include "tools/config.h"

#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "tools/retention.h"

void config_init(struct config *config) {
  *config = (struct config){.flush_interval_s = -1, .compact_interval_s = -1};
  retention_init(config->retention);
}

void config_deinit(struct config *config) {
  yaml_document_free(config->document);
  config_init(config);
}

bool config_parse_unsigned(struct slice text, unsigned min, unsigned max, unsigned *out) {
  if (!text.len || text.len > 9) return false;
  unsigned value = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (!ascii_is_digit(text.ptr[i])) return false;
    value = value * 10 + (unsigned)(text.ptr[i] - '0');
  }
  *out = value;
  return value >= min && value <= max;
}

bool config_parse_seconds(struct slice text, double *out) {
  char copy[32], *end;
  if (!text.len || text.len >= sizeof copy) return false;
  memcpy(copy, text.ptr, text.len);
  copy[text.len] = '\0';
  *out = strtod(copy, &end);
  return end == copy + text.len && isfinite(*out) && *out >= 0 && *out <= 86400;
}

/* Scalars of a YAML document are NUL-terminated by libyaml. */
static bool read_text(struct yaml_node node, const char **out, struct error *err) {
  if (!yaml_is_scalar(node) || !yaml_text(node).len) return yaml_error(node, err, "needs a text");
  *out = yaml_text(node).ptr;
  return true;
}

static bool read_bool(struct yaml_node node, bool *out, struct error *err) {
  *out = slice_equal(yaml_text(node), SLICE("true"));
  if (*out || slice_equal(yaml_text(node), SLICE("false"))) return true;
  return yaml_error(node, err, "needs true or false");
}

static bool read_unsigned(struct yaml_node node, unsigned min, unsigned max, unsigned *out, struct error *err) {
  if (config_parse_unsigned(yaml_text(node), min, max, out)) return true;
  return yaml_error(node, err, "needs a number from %u to %u", min, max);
}

static bool check_list(struct yaml_node node, struct error *err) {
  if (!yaml_is_list(node)) return yaml_error(node, err, "needs a list");
  if (yaml_count(node) > CONFIG_LIST_MAX) return yaml_error(node, err, "has over %d entries", CONFIG_LIST_MAX);
  return true;
}

static bool read_texts(struct yaml_node node, const char **texts, size_t *count, struct error *err) {
  if (!check_list(node, err)) return false;
  for (; *count < yaml_count(node); ++*count)
    if (!read_text(yaml_item(node, *count), &texts[*count], err)) return false;
  return true;
}

static bool read_kafka(struct config *config, struct yaml_node node, struct error *err) {
  if (!yaml_is_map(node) || yaml_count(node) > CONFIG_LIST_MAX)
    return yaml_error(node, err, "needs a map of librdkafka properties");
  for (; config->kafka_count < yaml_count(node); config->kafka_count++) {
    struct key_value *pair = &config->kafka[config->kafka_count];
    if (!read_text(yaml_key_at(node, config->kafka_count), &pair->key, err)) return false;
    if (!read_text(yaml_value_at(node, config->kafka_count), &pair->value, err)) return false;
  }
  return true;
}

static bool read_sources(struct config *config, struct yaml_node node, struct error *err) {
  static const char *const KEYS[] = {"host", "instance", "service", "source", NULL};
  if (!check_list(node, err)) return false;
  for (; config->source_count < yaml_count(node); config->source_count++) {
    struct yaml_node item = yaml_item(node, config->source_count);
    if (!yaml_is_map(item)) return yaml_error(item, err, "needs a map with host, instance, service and source");
    if (!yaml_check_keys(item, KEYS, err)) return false;
    struct source_rule *rule = &config->sources[config->source_count];
    rule->host = yaml_text(yaml_get(item, "host"));
    rule->instance = yaml_text(yaml_get(item, "instance"));
    rule->service = yaml_text(yaml_get(item, "service"));
    rule->source = yaml_text(yaml_get(item, "source"));
    if (!rule->source.len) return yaml_error(item, err, "needs a source: the address that is sent from, or a label");
  }
  return true;
}

static bool read_join(struct config *config, struct yaml_node node, struct error *err) {
  static const char *const KEYS[] = {"megabytes", "age_days", NULL};
  if (!yaml_is_map(node)) return yaml_error(node, err, "needs a map with megabytes and age_days");
  if (!yaml_check_keys(node, KEYS, err)) return false;
  struct yaml_node megabytes = yaml_get(node, "megabytes"), age = yaml_get(node, "age_days");
  unsigned value = 0;
  if (!yaml_is_absent(megabytes)) {
    if (!read_unsigned(megabytes, 1, 1u << 20, &value, err)) return false;
    config->join_bytes = (size_t)value << 20;
  }
  return yaml_is_absent(age) || read_unsigned(age, 1, 3650, &config->join_age_days, err);
}

static bool read_days(struct yaml_node map, const char *key, unsigned *days, struct error *err) {
  struct yaml_node node = yaml_get(map, key);
  return yaml_is_absent(node) || read_unsigned(node, 0, RETENTION_DAYS_MAX, days, err);
}

/* A map of datasets, each a map of days; what is not named keeps its default. */
static bool read_retention(struct config *config, struct yaml_node node, struct error *err) {
  static const char *const KEYS[] = {"minute_days", "hour_days", "keep_days", NULL};
  if (!yaml_is_map(node)) return yaml_error(node, err, "needs a map of datasets");
  for (size_t i = 0; i < yaml_count(node); i++) {
    const struct dataset *dataset = dataset_find(yaml_text(yaml_key_at(node, i)));
    struct yaml_node days = yaml_value_at(node, i);
    if (!dataset) return yaml_error(yaml_key_at(node, i), err, "is no dataset");
    if (!yaml_is_map(days)) return yaml_error(days, err, "needs a map with minute_days, hour_days and keep_days");
    struct retention *retention = &config->retention[dataset - DATASETS];
    if (!yaml_check_keys(days, KEYS, err) || !read_days(days, "minute_days", &retention->minute_days, err) ||
        !read_days(days, "hour_days", &retention->hour_days, err) || !read_days(days, "keep_days", &retention->keep_days, err))
      return false;
    struct error reason = {0};
    if (!retention_check(retention, dataset->name, &reason)) return yaml_error(days, err, "%s", reason.text);
  }
  return true;
}

static bool read_interval(struct yaml_node node, double *seconds, struct error *err) {
  if (config_parse_seconds(yaml_text(node), seconds)) return true;
  return yaml_error(node, err, "needs seconds from 0 to 86400");
}

static bool read_key(struct config *config, struct slice key, struct yaml_node value, struct error *err) {
  if (slice_equal(key, SLICE("store"))) return read_text(value, &config->store, err);
  if (slice_equal(key, SLICE("sink"))) return read_text(value, &config->sink, err);
  if (slice_equal(key, SLICE("group"))) return read_text(value, &config->group, err);
  if (slice_equal(key, SLICE("member"))) return read_text(value, &config->member, err);
  if (slice_equal(key, SLICE("source"))) return read_text(value, &config->source, err);
  if (slice_equal(key, SLICE("format"))) return read_text(value, &config->format, err);
  if (slice_equal(key, SLICE("envelope"))) return read_text(value, &config->envelope, err);
  if (slice_equal(key, SLICE("zone"))) return read_text(value, &config->zone, err);
  if (slice_equal(key, SLICE("rules"))) return read_text(value, &config->rules, err);
  if (slice_equal(key, SLICE("user_rules"))) return read_text(value, &config->user_rules, err);
  if (slice_equal(key, SLICE("listen"))) return read_text(value, &config->listen, err);
  if (slice_equal(key, SLICE("dead_letter"))) return read_text(value, &config->dead_letter, err);
  if (slice_equal(key, SLICE("recipients"))) return read_text(value, &config->recipients, err);
  if (slice_equal(key, SLICE("recipients_key"))) return read_text(value, &config->recipients_key, err);
  if (slice_equal(key, SLICE("max_line")))
    return read_unsigned(value, LIMIT_LINE_BYTES_LEAST, LIMIT_LINE_BYTES_MOST, &config->max_line, err);
  if (slice_equal(key, SLICE("threads"))) return read_unsigned(value, 1, LIMIT_THREADS, &config->threads, err);
  if (slice_equal(key, SLICE("flush_interval"))) return read_interval(value, &config->flush_interval_s, err);
  if (slice_equal(key, SLICE("compact_interval"))) return read_interval(value, &config->compact_interval_s, err);
  if (slice_equal(key, SLICE("follow"))) return read_bool(value, &config->follow, err);
  if (slice_equal(key, SLICE("until_end"))) return read_bool(value, &config->until_end, err);
  if (slice_equal(key, SLICE("inputs"))) return read_texts(value, config->inputs, &config->input_count, err);
  if (slice_equal(key, SLICE("accept_loss"))) return read_texts(value, config->accept_loss, &config->accept_loss_count, err);
  if (slice_equal(key, SLICE("kafka"))) return read_kafka(config, value, err);
  if (slice_equal(key, SLICE("sources"))) return read_sources(config, value, err);
  if (slice_equal(key, SLICE("retention"))) return read_retention(config, value, err);
  return read_join(config, value, err);
}

bool config_read(struct config *config, const char *path, struct error *err) {
  static const char *const KEYS[] = {
      "store",       "format",   "envelope", "zone",       "threads",          "flush_interval", "follow", "until_end",
      "dead_letter", "max_line", "listen",   "recipients", "recipients_key",   "accept_loss",    "inputs", "rules",
      "kafka",       "sources",  "join",     "retention",  "compact_interval", "user_rules",     "sink",   "group",
      "member",      "source",   NULL};
  config->document = yaml_new_from_file(path, err);
  if (!config->document) return false;
  struct yaml_node root = yaml_root(config->document);
  if (yaml_is_absent(root)) return true; /* an empty file sets nothing */
  if (!yaml_is_map(root)) return yaml_error(root, err, "needs a map of settings");
  if (!yaml_check_keys(root, KEYS, err)) return false;
  for (size_t i = 0; i < yaml_count(root); i++) {
    struct slice key = yaml_text(yaml_key_at(root, i));
    if (read_key(config, key, yaml_value_at(root, i), err)) continue;
    return error_context(err, "setting '%.*s'", SLICE_ARG(key));
  }
  return true;
}
