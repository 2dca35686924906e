/* simdjson behind json_reader.h: the one file of C++. simdjson finds where tokens lie (by the widest vectors of this processor) and its
 * on-demand front end walks over them; each field of a record is looked up in a small hash table of the wanted names.
 *
 * Nothing is thrown: simdjson is used without exceptions (errors are values), and what is not allocated ends the program as everywhere
 * (base/memory.h). A document is never walked twice nor out of order, which on-demand does not forgive. */
#include "base/json_reader.h"

#include <emmintrin.h>
#include <simdjson.h>
#include <charconv>

extern "C" {
#include "base/limits.h"
#include "base/memory.h"
}

/* base/json.h, which is C. */
extern "C" size_t utf8_copy_clean(struct slice text, char *out, size_t out_max);

using namespace simdjson;

/* Wanted fields. */
#define VALUES_MAX 255
/* Arrays in arrays whose elements are records of their own. */
#define NESTED_ARRAYS_MAX 2
/* Smallest document that memory is taken for at once. */
#define DOCUMENT_BYTES_MIN (16u << 10)

/* ---- wanted fields ------------------------------------------------------------------------------------------------------------ */

/* A wanted name at one level of objects. */
struct field_name {
  uint64_t head; /* the first eight bytes, zeros behind a shorter name */
  char text[256];
  uint8_t len;
  int16_t value; /* index in the caller's values, -1: only what is below it is wanted */
  int16_t level; /* of the names below it, -1: none */
  int16_t next;  /* in its slot, -1: the last */
};

#define LEVEL_SLOTS 64u

struct field_level {
  int16_t slots[LEVEL_SLOTS]; /* first name, -1: none */
};

struct json_fields {
  struct field_name *names;
  struct field_level *levels;
  size_t name_count, level_count, value_count;
};

static inline unsigned slot_of(const char *text, size_t len) {
  if (len == 0) return 0;
  unsigned first = static_cast<unsigned char>(text[0]), last = static_cast<unsigned char>(text[len - 1]);
  unsigned middle = static_cast<unsigned char>(text[len / 2]);
  return (first * 7 + middle * 3 + last * 13 + static_cast<unsigned>(len) * 5) % LEVEL_SLOTS;
}

static uint64_t head_of(const char *text, size_t len) {
  uint64_t head = 0;
  memcpy(&head, text, len < sizeof head ? len : sizeof head);
  return head;
}

/* `head` is of `text`. */
static inline const struct field_name *find_name(const struct json_fields *fields, int level, const char *text, size_t len,
                                                 uint64_t head) {
  int16_t at = fields->levels[level].slots[slot_of(text, len)];
  for (; at >= 0; at = fields->names[at].next) {
    const struct field_name *name = &fields->names[at];
    if (name->head == head && name->len == len && (len <= 8 || memcmp(name->text + 8, text + 8, len - 8) == 0)) return name;
  }
  return nullptr;
}

static int add_level(struct json_fields *fields) {
  fields->levels =
      static_cast<struct field_level *>(memory_resize(fields->levels, (fields->level_count + 1) * sizeof *fields->levels));
  struct field_level *level = &fields->levels[fields->level_count];
  for (int16_t &slot : level->slots) slot = -1;
  return static_cast<int>(fields->level_count++);
}

/* The index of the name, added when it is not there. */
static int16_t add_name(struct json_fields *fields, int level, struct slice text) {
  const struct field_name *known = find_name(fields, level, text.ptr, text.len, head_of(text.ptr, text.len));
  if (known) return static_cast<int16_t>(known - fields->names);
  fields->names = static_cast<struct field_name *>(memory_resize(fields->names, (fields->name_count + 1) * sizeof *fields->names));
  struct field_name *name = &fields->names[fields->name_count];
  int16_t *slot = &fields->levels[level].slots[slot_of(text.ptr, text.len)];
  name->head = head_of(text.ptr, text.len);
  name->len = static_cast<uint8_t>(text.len);
  memcpy(name->text, text.ptr, text.len);
  name->value = name->level = -1;
  name->next = *slot;
  *slot = static_cast<int16_t>(fields->name_count);
  return static_cast<int16_t>(fields->name_count++);
}

static void add_path(struct json_fields *fields, struct slice path, int16_t value) {
  int16_t name = add_name(fields, 0, path); /* a member with dots in its name */
  fields->names[name].value = value;
  int level = 0;
  for (size_t dot; (dot = slice_find_byte(path, '.')) < path.len; path = slice_skip(path, dot + 1)) {
    name = add_name(fields, level, slice_of(path.ptr, dot));
    if (fields->names[name].level < 0) fields->names[name].level = static_cast<int16_t>(add_level(fields));
    level = fields->names[name].level;
  }
  name = add_name(fields, level, path);
  fields->names[name].value = value;
}

struct json_fields *json_fields_new(const char *const *paths, size_t count) {
  struct json_fields *fields = static_cast<struct json_fields *>(memory_zeroed(sizeof *fields));
  fields->value_count = count < VALUES_MAX ? count : VALUES_MAX;
  add_level(fields);
  for (size_t i = 0; i < count && i < VALUES_MAX; i++) {
    struct slice path = slice_from_cstr(paths[i]);
    if (path.len < 256) add_path(fields, path, static_cast<int16_t>(i));
  }
  return fields;
}

void json_fields_free(struct json_fields *fields) {
  if (!fields) return;
  free(fields->names);
  free(fields->levels);
  free(fields);
}

/* ---- the reader --------------------------------------------------------------------------------------------------------------- */

/* Records of one writer have the same names in the same order, mostly: what the n-th name of the last record was, with its quote, and what
 * was found for it. Names of over 15 bytes are not remembered. */
struct name_memo {
  __m128i bytes;
  unsigned care; /* which bytes belong to the name and its quote; 0: nothing is remembered */
  int level;
  const struct field_name *name;
};
#define MEMOS_MAX 64

struct json_reader {
  ondemand::parser parser;
  size_t capacity; /* bytes of a document that the parser has memory for */
  char *copy;      /* of documents that cannot be read where they are */
  size_t copy_size;
  /* Of records: all but the set ones are absent. */
  struct json_value values[VALUES_MAX];
  uint8_t set[VALUES_MAX];
  size_t set_count;
  const struct json_fields *memo_fields; /* of which `memos` tells */
  struct name_memo memos[MEMOS_MAX];
};

struct json_reader *json_reader_new(void) {
  return new (memory_alloc(sizeof(struct json_reader))) json_reader();
}

void json_reader_free(struct json_reader *reader) {
  if (!reader) return;
  free(reader->copy);
  reader->~json_reader();
  free(reader);
}

/* Room for a copy of `len` bytes and what simdjson reads behind them. */
static char *reserve_copy(struct json_reader *reader, size_t len) {
  size_t need = len + SIMDJSON_PADDING;
  if (reader->copy_size < need) {
    size_t size = reader->copy_size ? reader->copy_size : DOCUMENT_BYTES_MIN;
    while (size < need) size *= 2;
    reader->copy = static_cast<char *>(memory_resize(reader->copy, size));
    reader->copy_size = size;
  }
  return reader->copy;
}

static struct slice copied(struct json_reader *reader, size_t len) {
  memset(reader->copy + len, ' ', SIMDJSON_PADDING);
  return slice_of(reader->copy, len);
}

static error_code open_padded(struct json_reader *reader, struct slice text, ondemand::document *document) {
  if (text.len > LIMIT_JSON_BYTES) return CAPACITY;
  if (reader->capacity < text.len) {
    size_t capacity = reader->capacity ? reader->capacity : DOCUMENT_BYTES_MIN;
    while (capacity < text.len) capacity *= 2;
    error_code error = reader->parser.allocate(capacity);
    if (error) return error;
    reader->capacity = capacity;
  }
  return reader->parser.iterate(text.ptr, text.len, text.len + SIMDJSON_PADDING).get(*document);
}

/* Finds the tokens of `text`. *text becomes where it is read: itself, or a copy. The byte behind a document must not look like JSON (a
 * bracket too many would be taken for one of the document), so only a text that ends at a newline is read in place. */
static error_code open_document(struct json_reader *reader, struct slice *text, const char *limit, ondemand::document *document) {
  const char *end = text->ptr + text->len;
  if (text->len > LIMIT_JSON_BYTES) return CAPACITY;
  if (text->len == 0) return EMPTY;
  bool is_in_place = limit - end >= static_cast<ptrdiff_t>(SIMDJSON_PADDING) && *end == '\n';
  struct slice original = *text;
  if (!is_in_place) {
    memcpy(reserve_copy(reader, text->len), text->ptr, text->len);
    *text = copied(reader, text->len);
  }
  error_code error = open_padded(reader, *text, document);
  if (error != UTF8_ERROR) return error;
  /* A byte may become three. Where the original was copied it is still there. */
  size_t room = 3 * original.len;
  char *to = reserve_copy(reader, room);
  *text = copied(reader, utf8_copy_clean(original, to, room));
  return open_padded(reader, *text, document);
}

/* ---- values ------------------------------------------------------------------------------------------------------------------- */

static struct slice slice_of_view(std::string_view view) {
  while (!view.empty() && (view.back() == ' ' || view.back() == '\n' || view.back() == '\r' || view.back() == '\t'))
    view.remove_suffix(1);
  return slice_of(view.data(), view.size());
}

static bool is_number(struct slice text) {
  for (size_t i = 0; i < text.len; i++)
    if (!ascii_is_digit(text.ptr[i]) && !strchr("+-.eE", text.ptr[i])) return false;
  return text.len > 0;
}

static error_code take_scalar(ondemand::value &value, ondemand::json_type type, struct json_value *out) {
  struct slice text = slice_of_view(value.raw_json_token());
  switch (type) {
    case ondemand::json_type::number: *out = {JSON_NUMBER, text}; return is_number(text) ? SUCCESS : NUMBER_ERROR;
    case ondemand::json_type::null: *out = {JSON_NULL, text}; return slice_equal(text, SLICE("null")) ? SUCCESS : N_ATOM_ERROR;
    default:
      *out = {JSON_BOOL, text};
      return slice_equal(text, SLICE("true")) || slice_equal(text, SLICE("false")) ? SUCCESS : T_ATOM_ERROR;
  }
}

/* A value as a whole. */
static error_code take_value(ondemand::value &value, ondemand::json_type type, struct json_value *out) {
  std::string_view view;
  error_code error;
  switch (type) {
    case ondemand::json_type::string:
      error = value.get_string().get(view);
      *out = {JSON_STRING, slice_of(view.data() ? view.data() : "", view.size())};
      return error;
    case ondemand::json_type::array: {
      ondemand::array array;
      if ((error = value.get_array().get(array))) return error;
      error = array.raw_json().get(view);
      *out = {JSON_ARRAY, slice_of_view(view)};
      return error;
    }
    case ondemand::json_type::object: {
      ondemand::object object;
      if ((error = value.get_object().get(object))) return error;
      error = object.raw_json().get(view);
      *out = {JSON_OBJECT, slice_of_view(view)};
      return error;
    }
    default: return take_scalar(value, type, out);
  }
}

/* The bytes of a name up to its quote. One with an escape ends too early or keeps its backslash, and so is nobody's name: writers of
 * logs don't escape names. simdjson has found the quote, so there is one, and padding behind it. */
static inline size_t name_len(const char *name) {
  __m128i quote = _mm_set1_epi8('"');
  for (size_t len = 0;; len += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(name + len));
    unsigned found = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quote)));
    if (found) return len + static_cast<unsigned>(__builtin_ctz(found));
  }
}

/* head_of for a name in a document, behind which eight bytes can be read. */
static inline uint64_t head_in_place(const char *name, size_t len) {
  uint64_t head;
  memcpy(&head, name, sizeof head);
  return len >= 8 ? head : head & ((UINT64_C(1) << (8 * len)) - 1);
}

/* Values of one record, and which of them were set, so that only these must be cleared for the next. */
struct record_values {
  struct json_value *values;
  uint8_t *set; /* NULL: all are cleared */
  size_t set_count;
  struct name_memo *memos;
  size_t name_count;
};

static const struct field_name *find_slow(const struct json_fields *fields, int level, const char *text, struct name_memo *memo) {
  size_t len = name_len(text);
  const struct field_name *name = find_name(fields, level, text, len, head_in_place(text, len));
  memo->bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text));
  memo->care = len < 16 ? (2u << len) - 1 : 0;
  memo->level = level;
  memo->name = name;
  return name;
}

static inline const struct field_name *find_field(const struct json_fields *fields, int level, const char *text,
                                                  struct record_values *out) {
  struct name_memo *memo = &out->memos[out->name_count < MEMOS_MAX ? out->name_count++ : MEMOS_MAX - 1];
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(text));
  unsigned equal = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, memo->bytes)));
  if (__builtin_expect((equal & memo->care) == memo->care && memo->care && memo->level == level, 1)) return memo->name;
  return find_slow(fields, level, text, memo);
}

/* What was remembered of other fields is no longer of use. */
static struct name_memo *memos_of(struct json_reader *reader, const struct json_fields *fields) {
  if (reader->memo_fields != fields) memset(static_cast<void *>(reader->memos), 0, sizeof reader->memos);
  reader->memo_fields = fields;
  return reader->memos;
}

static error_code pick(const struct json_fields *fields, int level, ondemand::object object, struct record_values *out) {
  for (auto result : object) {
    ondemand::field field;
    error_code error = std::move(result).get(field);
    if (error) return error;
    const char *text = field.key().raw();
    const struct field_name *name = find_field(fields, level, text, out);
    if (!name) continue;
    ondemand::json_type type;
    if ((error = field.value().type().get(type))) return error;
    if (name->level >= 0 && type == ondemand::json_type::object) {
      ondemand::object below;
      if ((error = field.value().get_object().get(below))) return error;
      if ((error = pick(fields, name->level, below, out))) return error;
    } else if (name->value >= 0) {
      struct json_value *value = &out->values[name->value];
      if (out->set && value->kind == JSON_ABSENT) out->set[out->set_count++] = static_cast<uint8_t>(name->value);
      if ((error = take_value(field.value(), type, value))) return error;
    }
  }
  return SUCCESS;
}

bool json_read_object(struct json_reader *reader, struct slice text, const char *limit, const struct json_fields *fields,
                      struct json_value *values) {
  ondemand::document document;
  ondemand::object object;
  for (size_t i = 0; i < fields->value_count; i++) values[i] = {JSON_ABSENT, SLICE_ABSENT};
  if (open_document(reader, &text, limit, &document)) return false;
  if (document.get_object().get(object)) return false;
  struct record_values out = {values, nullptr, 0, memos_of(reader, fields), 0};
  if (pick(fields, 0, object, &out)) return false;
  return document.current_location().error() == OUT_OF_BOUNDS;
}

/* ---- batches ------------------------------------------------------------------------------------------------------------------ */

struct record_walk {
  struct json_reader *reader;
  const struct json_fields *fields;
  void (*take)(void *context, const struct json_record *record);
  void *context;
  ondemand::document *document;
};

/* From the first byte of an element to where the walk is now, behind it. */
static struct slice written_since(ondemand::document *document, const char *begin) {
  const char *at = nullptr;
  if (document->current_location().get(at)) return SLICE_ABSENT;
  return slice_of_view(std::string_view(begin, static_cast<size_t>(at - begin)));
}

/* The fields of an object into the reader's values. */
static error_code pick_record(const struct record_walk *walk, ondemand::object object) {
  struct json_reader *reader = walk->reader;
  for (size_t i = 0; i < reader->set_count; i++) reader->values[reader->set[i]] = {JSON_ABSENT, SLICE_ABSENT};
  struct record_values out = {reader->values, reader->set, 0, memos_of(reader, walk->fields), 0};
  error_code error = pick(walk->fields, 0, object, &out);
  reader->set_count = out.set_count;
  return error;
}

static error_code walk_array(const struct record_walk *walk, ondemand::array array, int depth) {
  for (auto result : array) {
    ondemand::value value;
    ondemand::json_type type;
    error_code error = std::move(result).get(value);
    if (error) return error;
    if ((error = value.type().get(type))) return error;
    struct json_record record = {};
    if (type == ondemand::json_type::array && depth < NESTED_ARRAYS_MAX) {
      ondemand::array below;
      if ((error = value.get_array().get(below))) return error;
      if ((error = walk_array(walk, below, depth + 1))) return error;
      continue;
    }
    if (type == ondemand::json_type::object) {
      ondemand::object object;
      const char *begin = value.raw_json_token().data();
      if ((error = value.get_object().get(object))) return error;
      if ((error = pick_record(walk, object))) return error;
      record = {walk->reader->values, {JSON_OBJECT, written_since(walk->document, begin)}};
    } else if ((error = take_value(value, type, &record.whole))) {
      return error;
    }
    walk->take(walk->context, &record);
  }
  return SUCCESS;
}

/* One document; *is_alone: nothing stands behind it. An object is taken only when it is alone, so that none is taken twice. */
static error_code walk_document(struct json_reader *reader, struct slice text, const char *limit, struct record_walk *walk,
                                bool *is_alone) {
  ondemand::document document;
  ondemand::json_type type;
  error_code error = open_document(reader, &text, limit, &document);
  if (error) return error;
  walk->document = &document;
  *is_alone = false;
  if ((error = document.type().get(type))) return error;
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    if ((error = document.get_array().get(array))) return error;
    error = walk_array(walk, array, 1);
    *is_alone = true;
    return error;
  }
  ondemand::object object;
  if ((error = document.get_object().get(object))) return error;
  if ((error = pick_record(walk, object))) return error;
  *is_alone = document.current_location().error() == OUT_OF_BOUNDS;
  if (!*is_alone) return SUCCESS;
  while (text.len && (*text.ptr == ' ' || *text.ptr == '\t')) text = slice_skip(text, 1);
  struct json_record record = {walk->reader->values, {JSON_OBJECT, slice_of_view(std::string_view(text.ptr, text.len))}};
  walk->take(walk->context, &record);
  return SUCCESS;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0x1e; /* RFC 7464 */ }

/* The bytes of the document at the front of `text`, blanks before it not counted in; 0 when it does not end. */
static size_t document_len(struct slice text) {
  size_t depth = 0;
  bool is_string = false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (is_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        is_string = false;
    } else if (c == '"') {
      is_string = true;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth <= 1) return depth ? i + 1 : 0;
      depth--;
    } else if (depth == 0) {
      return 0;
    }
  }
  return 0;
}

bool json_read_records(struct json_reader *reader, struct slice text, const char *limit, const struct json_fields *fields,
                       void (*take)(void *context, const struct json_record *record), void *context, struct slice *rest) {
  struct record_walk walk = {reader, fields, take, context, nullptr};
  while (text.len && is_blank(*text.ptr)) text = slice_skip(text, 1);
  bool is_alone = false;
  *rest = text;
  /* The usual line is one object: no need to look for its end. An array is taken as it is walked, so its end must be known. */
  if (text.len && *text.ptr == '{') {
    error_code error = walk_document(reader, text, limit, &walk, &is_alone);
    if (!error && is_alone) return true;
  }
  while (text.len) {
    size_t len = document_len(text);
    if (!len || walk_document(reader, slice_of(text.ptr, len), limit, &walk, &is_alone) || !is_alone) return false;
    text = slice_skip(text, len);
    while (text.len && is_blank(*text.ptr)) text = slice_skip(text, 1);
    *rest = text;
  }
  return true;
}

/* ---- members and elements ----------------------------------------------------------------------------------------------------- */

bool json_each(struct json_reader *reader, struct slice text,
               bool (*take)(void *context, struct slice name, const struct json_value *value), void *context) {
  ondemand::document document;
  ondemand::json_type type;
  struct json_value taken;
  if (open_document(reader, &text, text.ptr + text.len, &document) || document.type().get(type)) return false;
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    if (document.get_array().get(array)) return false;
    for (auto result : array) {
      ondemand::value value;
      if (std::move(result).get(value) || value.type().get(type) || take_value(value, type, &taken)) return false;
      if (!take(context, SLICE_ABSENT, &taken)) return true;
    }
    return true;
  }
  ondemand::object object;
  if (document.get_object().get(object)) return false;
  for (auto result : object) {
    ondemand::field field;
    std::string_view name;
    if (std::move(result).get(field) || field.unescaped_key().get(name)) return false;
    if (field.value().type().get(type) || take_value(field.value(), type, &taken)) return false;
    if (!take(context, slice_of(name.data() ? name.data() : "", name.size()), &taken)) return true;
  }
  return true;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------------ */

bool json_number_int64(struct slice text, int64_t *out) {
  std::from_chars_result result = std::from_chars(text.ptr, text.ptr + text.len, *out);
  return text.len && result.ec == std::errc() && result.ptr == text.ptr + text.len;
}

bool json_number_double(struct slice text, double *out) {
  std::from_chars_result result = std::from_chars(text.ptr, text.ptr + text.len, *out);
  bool is_finite = text.len && (ascii_is_digit(text.ptr[0]) || text.ptr[0] == '-') && ascii_is_digit(text.ptr[text.len - 1]);
  return is_finite && result.ec == std::errc() && result.ptr == text.ptr + text.len;
}
