/* Expands the functions of one dataset. Included by dataset.c once for each, with ROW (its name) and ROW_DEF (its .def file)
 * defined; both are undefined at the end. No include guard: that is the point. */
#define ROW_JOIN2(a, b) a##b
#define ROW_JOIN(a, b) ROW_JOIN2(a, b)
#define ROW_FN(suffix) ROW_JOIN(ROW, suffix)
#define ROW_STRUCT struct ROW_FN(_row)

static const struct column ROW_FN(_columns)[] = {
#define COLUMN(name, type, kind, what) {#name, COLUMN_##type, COLUMN_##kind, offsetof(ROW_STRUCT, name), what},
#include ROW_DEF
#undef COLUMN
};

#define ROW_IS_KEY_key 1
#define ROW_IS_KEY_sum 0
#define ROW_IS_KEY_min 0
#define ROW_IS_KEY_max 0
#define ROW_IS_KEY_least 0
#define ROW_IS_STR_str 1
#define ROW_IS_STR_u32 0
#define ROW_IS_NAME_key(type) ROW_IS_STR_##type
#define ROW_IS_NAME_sum(type) 0
#define ROW_IS_NAME_min(type) 0
#define ROW_IS_NAME_max(type) 0
#define ROW_IS_NAME_least(type) 0
enum {
  ROW_FN(_key_count) = 0
#define COLUMN(name, type, kind, what) +ROW_IS_KEY_##kind
#include ROW_DEF
#undef COLUMN
};

/* Room for the whole row is asked for once. */
static void ROW_FN(_encode)(const void *row, struct buf *out) {
  const ROW_STRUCT *r = row;
  size_t room = 0;
#define COLUMN(name, type, kind, what) room += bound_##type(&r->name);
#include ROW_DEF
#undef COLUMN
  uint8_t *begin = (uint8_t *)buf_reserve(out, room), *p = begin;
#define COLUMN(name, type, kind, what) p = encode_##type(p, &r->name);
#include ROW_DEF
#undef COLUMN
  out->len += (size_t)(p - begin);
}

/* The key but for its time: the columns of kind key and type str, with which every dataset begins. */
static bool ROW_FN(_decode_name)(struct msgpack_reader *from, void *row) {
  ROW_STRUCT *r = row;
#define COLUMN(name, type, kind, what) \
  if (ROW_IS_NAME_##kind(type) && !decode_##type(from, &r->name)) return false;
#include ROW_DEF
#undef COLUMN
  return true;
}

/* The time and the values. */
static bool ROW_FN(_decode_rest)(struct msgpack_reader *from, void *row) {
  ROW_STRUCT *r = row;
#define COLUMN(name, type, kind, what) \
  if (!ROW_IS_NAME_##kind(type) && !decode_##type(from, &r->name)) return false;
#include ROW_DEF
#undef COLUMN
  return true;
}

static bool ROW_FN(_decode)(struct msgpack_reader *from, void *row) {
  return ROW_FN(_decode_name)(from, row) && ROW_FN(_decode_rest)(from, row);
}

static int ROW_FN(_compare)(const void *a, const void *b) {
  const ROW_STRUCT *x = a, *y = b;
  int order;
#define ROW_COMPARE_key(name, type) \
  if ((order = compare_##type(&x->name, &y->name)) != 0) return order;
#define ROW_COMPARE_sum(name, type)
#define ROW_COMPARE_min(name, type)
#define ROW_COMPARE_max(name, type)
#define ROW_COMPARE_least(name, type)
#define COLUMN(name, type, kind, what) ROW_COMPARE_##kind(name, type)
#include ROW_DEF
#undef COLUMN
  return 0;
}

static void ROW_FN(_merge)(void *into, const void *row) {
  ROW_STRUCT *x = into;
  const ROW_STRUCT *y = row;
#define ROW_MERGE_key(name, type)
#define ROW_MERGE_sum(name, type) merge_sum_##type(&x->name, &y->name);
#define ROW_MERGE_min(name, type) merge_min_##type(&x->name, &y->name);
#define ROW_MERGE_max(name, type) merge_max_##type(&x->name, &y->name);
#define ROW_MERGE_least(name, type) merge_least_##type(&x->name, &y->name);
#define COLUMN(name, type, kind, what) ROW_MERGE_##kind(name, type)
#include ROW_DEF
#undef COLUMN
}

static void ROW_FN(_write_json)(const void *row, struct buf *out) {
  const ROW_STRUCT *r = row;
  char before = '{';
#define COLUMN(name, type, kind, what)                  \
  buf_append_byte(out, before);                         \
  buf_append(out, "\"" #name "\":", sizeof #name + 2); \
  json_##type(out, &r->name);                           \
  before = ',';
#include ROW_DEF
#undef COLUMN
  buf_append_byte(out, '}');
}

static void ROW_FN(_write_csv)(const void *row, struct buf *out) {
  const ROW_STRUCT *r = row;
  bool is_first = true;
#define COLUMN(name, type, kind, what)       \
  if (!is_first) buf_append_byte(out, ',');  \
  csv_##type(out, &r->name);                 \
  is_first = false;
#include ROW_DEF
#undef COLUMN
}

#undef ROW_COMPARE_key
#undef ROW_COMPARE_sum
#undef ROW_COMPARE_min
#undef ROW_COMPARE_max
#undef ROW_COMPARE_least
#undef ROW_MERGE_key
#undef ROW_MERGE_sum
#undef ROW_MERGE_min
#undef ROW_MERGE_max
#undef ROW_MERGE_least
#undef ROW_IS_STR_str
#undef ROW_IS_STR_u32
#undef ROW_IS_NAME_key
#undef ROW_IS_NAME_sum
#undef ROW_IS_NAME_min
#undef ROW_IS_NAME_max
#undef ROW_IS_NAME_least
#undef ROW_IS_KEY_key
#undef ROW_IS_KEY_sum
#undef ROW_IS_KEY_min
#undef ROW_IS_KEY_max
#undef ROW_IS_KEY_least
#undef ROW_STRUCT
#undef ROW_FN
#undef ROW_JOIN
#undef ROW_JOIN2
#undef ROW_DEF
#undef ROW
