/* A verdict as JSON. See verdict.h. */
#include "schemas/verdict.h"

#include "base/json.h"

static void write_str(struct buf *out, struct slice value) { json_write_string_or_null(out, value); }
static void write_word_cause(struct buf *out, enum cause value) { json_write_string(out, cause_name(value)); }
static void write_word_group(struct buf *out, enum group value) { json_write_string(out, group_name(value)); }
static void write_word_outcome(struct buf *out, enum outcome value) { json_write_string(out, outcome_name(value)); }
static void write_word_fault(struct buf *out, enum fault value) { json_write_string(out, fault_name(value)); }
static void write_word_via(struct buf *out, enum via value) { json_write_string(out, via_name(value)); }

void verdict_write_json(const struct verdict *verdict, struct slice reply, uint16_t smtp_code, struct slice dsn, struct buf *out) {
  buf_append(out, "{\"reply\":", 9);
  json_write_string(out, reply);
  if (smtp_code)
    buf_printf(out, ",\"smtp_code\":%u,\"dsn\":", smtp_code);
  else
    buf_append(out, ",\"smtp_code\":null,\"dsn\":", 24);
  json_write_string_or_null(out, dsn);
#define FIELD(name, type, what)                          \
  if (strcmp(#name, "template") != 0) {                  \
    buf_append(out, ",\"" #name "\":", sizeof #name + 3); \
    write_##type(out, verdict->name);                    \
  }
#include "schemas/verdict.def"
#undef FIELD
  buf_append(out, "}\n", 2);
}
