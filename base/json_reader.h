/* Reads JSON (RFC 8259) with simdjson, for callers in C: one pass over a document takes the fields that were asked for.
 *
 *   {"type": "Bounce", "response": {"code": 550, "content": "no \"such\" user"}, "to": ["a@x", "b@x"]}
 *
 *   static const char *const PATHS[] = {"type", "response.code", "response.content", "to"};
 *   fields = json_fields_new(PATHS, 4)                 once
 *   json_read_object(reader, line, limit, fields, v)   v[0] STRING Bounce   v[1] NUMBER 550   v[2] STRING no "such" user
 *                                                      v[3] ARRAY ["a@x", "b@x"]: json_each goes through it
 *
 * Any bytes, any length: what is no JSON is an error (false), never a crash. Only what is asked for is checked to the last byte; of the
 * rest that strings and brackets are closed. Bytes that are no UTF-8 (some writers pass what they got) are read as U+FFFD.
 * Nesting costs no stack. Memory: about seven times the longest document, at most LIMIT_JSON_BYTES; nothing is allocated for a
 * document that is not longer than one before it. */
#ifndef BASE_JSON_READER_H
#define BASE_JSON_READER_H

#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

enum json_kind {
  JSON_ABSENT, /* no such field */
  JSON_NULL,
  JSON_BOOL,
  JSON_NUMBER,
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT,
};

struct json_value {
  enum json_kind kind;
  struct slice text; /* STRING: what it says, escapes undone. The others: as written. ABSENT: absent */
};

/* One for each thread; reused from document to document. */
struct json_reader;
struct json_reader *json_reader_new(void);
void json_reader_free(struct json_reader *reader);

/* Which fields are wanted: names, or paths through objects with dots ("response.content"; a member that is really named
 * "response.content" is found too). A path may go on below another ("host" and "host.name"): the shorter one is found only when it is no
 * object. At most 255 paths of 255 bytes. Not changed by reading: any number of readers may share it. */
struct json_fields;
struct json_fields *json_fields_new(const char *const *paths, size_t count);
/* A reader that read with these fields must not read again afterwards: it remembers them. */
void json_fields_free(struct json_fields *fields);

/* Reads `text`, which is one object with blanks around it and nothing else. values[i] becomes the field of paths[i]; of a name that
 * occurs twice the last counts. Bytes up to `limit` (>= the end of the text) may be read, whatever they are; where they are too few, the
 * text is copied first. Slices are good until the next call with this reader, and as long as `text` is. */
bool json_read_object(struct json_reader *reader, struct slice text, const char *limit, const struct json_fields *fields,
                      struct json_value *values);

/* An element of a batch: `values` (of the fields, as above) when it is an object, else NULL. `whole` is the element as written, for a
 * string what it says. */
struct json_record {
  const struct json_value *values;
  struct json_value whole;
};

/* Reads `text`, which is any number of documents, one behind another, with or without blanks between them. Objects are records;
 * elements of arrays are, too, and those of arrays in arrays (deeper ones are records of kind JSON_ARRAY). Calls `take` for each in order;
 * its slices are good until take returns. False when some of it was no JSON: the documents before it have been taken (of a broken array
 * the elements before the break, too), and *rest is that document and all behind it. */
bool json_read_records(struct json_reader *reader, struct slice text, const char *limit, const struct json_fields *fields,
                       void (*take)(void *context, const struct json_record *record), void *context, struct slice *rest);

/* Calls `take` for each member of an object (with its name) or element of an array (name absent) until it returns false. `text` is a
 * json_value's of another reader, or any text. False when it is neither or damaged. */
bool json_each(struct json_reader *reader, struct slice text,
               bool (*take)(void *context, struct slice name, const struct json_value *value), void *context);

/* The number that `text` is; false when it is none, or (int64) has a fraction or is out of range. */
bool json_number_int64(struct slice text, int64_t *out);
bool json_number_double(struct slice text, double *out);

#ifdef __cplusplus
}
#endif

#endif
