/* A YAML 1.1 document read whole (libyaml), with the line of every value kept: errors in rules and configuration name
 * file and line. (libcyaml fills structs but forgets the lines.) */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/error.h"
#include "base/slice.h"

struct yaml_document;

/* One value; good until its document is freed. A place that is not there has is_null true. */
struct yaml_node {
  const struct yaml_document *document;
  int index; /* 0: nothing here */
};

/* Parses `text` (one document; `name` is used in errors). NULL with `err` set on bad YAML: "rules/a.yaml:12: ...". */
struct yaml_document *yaml_new(struct slice text, const char *name, struct error *err);
/* The same from a file. */
struct yaml_document *yaml_new_from_file(const char *path, struct error *err);
void yaml_document_free(struct yaml_document *document);

struct yaml_node yaml_root(const struct yaml_document *document);
bool yaml_is_absent(struct yaml_node node);
bool yaml_is_scalar(struct yaml_node node);
bool yaml_is_list(struct yaml_node node);
bool yaml_is_map(struct yaml_node node);

/* The text of a scalar; absent for anything else. */
struct slice yaml_text(struct yaml_node node);
/* Elements of a list or pairs of a map; 0 for a scalar. */
size_t yaml_count(struct yaml_node node);
struct yaml_node yaml_item(struct yaml_node list, size_t i);
struct yaml_node yaml_key_at(struct yaml_node map, size_t i);
struct yaml_node yaml_value_at(struct yaml_node map, size_t i);
/* The value of `key`, or an absent node. */
struct yaml_node yaml_get(struct yaml_node map, const char *key);

/* The line of the node, from 1, and the name given to yaml_new. */
size_t yaml_line(struct yaml_node node);
const char *yaml_name(struct yaml_node node);

/* Sets "name:line: message" with ERROR_USAGE; returns false. */
bool yaml_error(struct yaml_node node, struct error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* False with an error at the first key of `map` that is not in the NULL-terminated list. */
bool yaml_check_keys(struct yaml_node map, const char *const *known, struct error *err);

#endif
