/* libyaml documents behind small nodes. See yaml.h. */
#include "base/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/buf.h"

struct yaml_document {
  yaml_document_t tree;
  char *name;
};

struct yaml_document *yaml_new(struct slice text, const char *name, struct error *err) {
  struct yaml_document *document = memory_zeroed(sizeof *document);
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) {
    free(document);
    error_set(err, ERROR_INPUT, "%s: cannot start the YAML parser", name);
    return NULL;
  }
  yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
  bool done = yaml_parser_load(&parser, &document->tree);
  if (!done) {
    error_set(err, ERROR_USAGE, "%s:%zu: %s%s%s", name, parser.problem_mark.line + 1, parser.problem ? parser.problem : "bad YAML",
              parser.context ? " " : "", parser.context ? parser.context : "");
    free(document);
    document = NULL;
  } else {
    document->name = strdup(name);
  }
  yaml_parser_delete(&parser);
  return document;
}

struct yaml_document *yaml_new_from_file(const char *path, struct error *err) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    error_set_errno(err, ERROR_USAGE, errno, "%s: cannot open", path);
    return NULL;
  }
  struct buf text = {0};
  size_t got;
  while ((got = fread(buf_reserve(&text, 65536), 1, 65536, file)) > 0) text.len += got;
  bool failed = ferror(file);
  fclose(file);
  struct yaml_document *document = NULL;
  if (failed)
    error_set(err, ERROR_USAGE, "%s: cannot read", path);
  else
    document = yaml_new(buf_slice(&text), path, err);
  buf_deinit(&text);
  return document;
}

void yaml_document_free(struct yaml_document *document) {
  if (!document) return;
  yaml_document_delete(&document->tree);
  free(document->name);
  free(document);
}

/* libyaml's accessors take the document without const but do not change it. */
static yaml_node_t *raw(struct yaml_node node) {
  if (!node.document || node.index <= 0) return NULL;
  return yaml_document_get_node((yaml_document_t *)(uintptr_t)&node.document->tree, node.index);
}

struct yaml_node yaml_root(const struct yaml_document *document) {
  bool has_root = yaml_document_get_root_node((yaml_document_t *)(uintptr_t)&document->tree) != NULL;
  return (struct yaml_node){document, has_root ? 1 : 0};
}

bool yaml_is_absent(struct yaml_node node) { return raw(node) == NULL; }
bool yaml_is_scalar(struct yaml_node node) { return raw(node) && raw(node)->type == YAML_SCALAR_NODE; }
bool yaml_is_list(struct yaml_node node) { return raw(node) && raw(node)->type == YAML_SEQUENCE_NODE; }
bool yaml_is_map(struct yaml_node node) { return raw(node) && raw(node)->type == YAML_MAPPING_NODE; }

struct slice yaml_text(struct yaml_node node) {
  const yaml_node_t *n = raw(node);
  if (!n || n->type != YAML_SCALAR_NODE) return SLICE_ABSENT;
  return slice_of((const char *)n->data.scalar.value, n->data.scalar.length);
}

size_t yaml_count(struct yaml_node node) {
  yaml_node_t *n = raw(node);
  if (yaml_is_list(node)) return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
  if (yaml_is_map(node)) return (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
  return 0;
}

struct yaml_node yaml_item(struct yaml_node list, size_t i) {
  if (!yaml_is_list(list) || i >= yaml_count(list)) return (struct yaml_node){0};
  return (struct yaml_node){list.document, raw(list)->data.sequence.items.start[i]};
}

struct yaml_node yaml_key_at(struct yaml_node map, size_t i) {
  if (!yaml_is_map(map) || i >= yaml_count(map)) return (struct yaml_node){0};
  return (struct yaml_node){map.document, raw(map)->data.mapping.pairs.start[i].key};
}

struct yaml_node yaml_value_at(struct yaml_node map, size_t i) {
  if (!yaml_is_map(map) || i >= yaml_count(map)) return (struct yaml_node){0};
  return (struct yaml_node){map.document, raw(map)->data.mapping.pairs.start[i].value};
}

struct yaml_node yaml_get(struct yaml_node map, const char *key) {
  if (!yaml_is_map(map)) return (struct yaml_node){0};
  const yaml_node_t *n = raw(map);
  struct slice wanted = slice_from_cstr(key);
  for (const yaml_node_pair_t *pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++)
    if (slice_equal(yaml_text((struct yaml_node){map.document, pair->key}), wanted))
      return (struct yaml_node){map.document, pair->value};
  return (struct yaml_node){0};
}

size_t yaml_line(struct yaml_node node) { return raw(node) ? raw(node)->start_mark.line + 1 : 0; }
const char *yaml_name(struct yaml_node node) { return node.document ? node.document->name : ""; }

bool yaml_error(struct yaml_node node, struct error *err, const char *format, ...) {
  char text[ERROR_TEXT_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return error_set(err, ERROR_USAGE, "%s:%zu: %s", yaml_name(node), yaml_line(node), text);
}

bool yaml_check_keys(struct yaml_node map, const char *const *known, struct error *err) {
  for (size_t i = 0; i < yaml_count(map) && yaml_is_map(map); i++) {
    struct slice key = yaml_text(yaml_key_at(map, i));
    size_t k = 0;
    while (known[k] && !slice_equal(key, slice_from_cstr(known[k]))) k++;
    if (!known[k]) return yaml_error(yaml_key_at(map, i), err, "unknown key '%.*s'", SLICE_ARG(key));
    for (size_t j = 0; j < i; j++)
      if (slice_equal(key, yaml_text(yaml_key_at(map, j))))
        return yaml_error(yaml_key_at(map, i), err, "key '%.*s' is given twice", SLICE_ARG(key));
  }
  return true;
}
