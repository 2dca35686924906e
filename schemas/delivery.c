/* A delivery as JSON. See delivery.h. */
#include "schemas/delivery.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"

#define ABSENT_str SLICE_ABSENT
#define ABSENT_u64 U64_ABSENT
#define ABSENT_code 0
#define ABSENT_time TIME_US_ABSENT
#define ABSENT_seconds DELAY_ABSENT
#define ABSENT_word_direction DIRECTION_out
#define ABSENT_word_status STATUS_delivered

void delivery_init(struct delivery *delivery) {
  *delivery = (struct delivery){
#define FIELD(name, type, what) .name = ABSENT_##type,
#include "schemas/delivery.def"
#undef FIELD
  };
}

/* The name in JSON: units that JSON gives otherwise are not in it. */
static void write_key(struct buf *out, const char *name) {
  static const char *const RENAMED[][2] = {{"time_us", "time"}, {"delay_us", "delay_s"}, {"size_bytes", "size"}};
  for (size_t i = 0; i < sizeof RENAMED / sizeof *RENAMED; i++)
    if (!strcmp(name, RENAMED[i][0])) name = RENAMED[i][1];
  buf_append_byte(out, out->ptr[out->len - 1] == '{' ? '"' : ',');
  if (out->ptr[out->len - 1] == ',') buf_append_byte(out, '"');
  buf_append(out, name, strlen(name));
  buf_append(out, "\":", 2);
}

static void write_str(struct buf *out, struct slice value) { json_write_string_or_null(out, value); }
static void write_null(struct buf *out) { buf_append(out, "null", 4); }
static void write_u64(struct buf *out, uint64_t value) {
  if (value == U64_ABSENT)
    write_null(out);
  else
    buf_printf(out, "%" PRIu64, value);
}
static void write_code(struct buf *out, uint16_t value) { write_u64(out, value ? value : U64_ABSENT); }
static void write_time(struct buf *out, int64_t value) {
  char text[32];
  if (value == TIME_US_ABSENT)
    write_null(out);
  else
    json_write_string(out, slice_of(text, clock_format_rfc3339(value, text)));
}
static void write_seconds(struct buf *out, int64_t value_us) {
  if (value_us < 0)
    write_null(out);
  else
    json_write_double(out, (double)value_us / 1e6);
}
static void write_word_direction(struct buf *out, enum direction value) { json_write_string(out, direction_name(value)); }
static void write_word_status(struct buf *out, enum status value) { json_write_string(out, status_name(value)); }

void delivery_write_json(const struct delivery *delivery, struct buf *out) {
  buf_append_byte(out, '{');
#define FIELD(name, type, what) \
  write_key(out, #name);        \
  write_##type(out, delivery->name);
#include "schemas/delivery.def"
#undef FIELD
  buf_append(out, "}\n", 2);
}
