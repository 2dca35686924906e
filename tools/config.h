/* The configuration file of `bouncemill run`: YAML, every key optional, the command line wins. docs/configuration.md lists the keys. */
#ifndef TOOLS_CONFIG_H
#define TOOLS_CONFIG_H

#include "aggregate/aggregate.h"
#include "base/yaml.h"
#include "ingest/ingest.h"

#define CONFIG_LIST_MAX 256

/* Strings are good until config_deinit; NULL, 0 and negative values mean "not given". */
struct config {
  const char *store, *format, *envelope, *zone, *rules, *user_rules, *dead_letter, *listen, *recipients, *recipients_key, *sink,
      *group, *member, *source;
  double flush_interval_s, compact_interval_s; /* negative: not given */
  unsigned threads, max_line;
  bool follow, until_end;
  const char *inputs[CONFIG_LIST_MAX];
  size_t input_count;
  struct key_value kafka[CONFIG_LIST_MAX];
  size_t kafka_count;
  const char *accept_loss[CONFIG_LIST_MAX]; /* topics */
  size_t accept_loss_count;
  struct source_rule sources[CONFIG_LIST_MAX];
  size_t source_count;
  size_t join_bytes;
  unsigned join_age_days;
  struct retention retention[DATASET_COUNT];
  struct yaml_document *document; /* owns the texts */
};

void config_init(struct config *config);
/* Reads `path`. False with "path:line: reason" for bad YAML, an unknown key or a value that does not fit. */
bool config_read(struct config *config, const char *path, struct error *err);
void config_deinit(struct config *config);

/* Numbers as options and configuration give them; false when the text is not one or is out of [min, max]. */
bool config_parse_unsigned(struct slice text, unsigned min, unsigned max, unsigned *out);
bool config_parse_seconds(struct slice text, double *out);

#endif
