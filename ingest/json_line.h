/* What the formats share whose lines are JSON objects: the reader of a parser, and values as the fields of a delivery.
 *
 *   static void *state_new(void) { return json_line_state_new(PATHS, FIELD_COUNT); }
 *   static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
 *     struct json_value values[FIELD_COUNT];
 *     if (!json_line_read(walk, p, end, values)) return READ_UNPARSED + UNPARSED_HEADER;
 *     ...
 *   const struct format FORMAT_X = {
 *       .name = "x", .parse = parse, .state_new = state_new, .state_free = json_line_state_free, .is_record = true};
 *
 * All slices handed out are good until the parser's lists are cleared. */
#ifndef INGEST_JSON_LINE_H
#define INGEST_JSON_LINE_H

#include "base/json_reader.h"
#include "ingest/line_walk.h"

/* For parsers of a format that reads the fields at `paths` (see json_fields_new); parse calls line_walk. */
void *json_line_state_new(const char *const *paths, size_t count);
void json_line_state_free(void *state);

/* Reads the line [p, end) into values, one for each path. False when it is no JSON object. They are good until the next call. */
bool json_line_read(struct line_walk *walk, const char *p, const char *end, struct json_value *values);

/* A string; absent for all else. */
struct slice json_line_text(struct line_walk *walk, const struct json_value *value);
/* A string that is not empty, or a number as it is written; absent for all else. */
struct slice json_line_word(struct line_walk *walk, const struct json_value *value);

/* A number that is not negative; U64_ABSENT for all else. */
uint64_t json_line_u64(const struct json_value *value);

/* A time: seconds since 1970, milliseconds where that would be after the year 5000, or RFC 3339. TIME_US_ABSENT when it is none. */
int64_t json_line_time(struct line_walk *walk, const struct json_value *value);

/* A reply code of three digits; 0 for all else. */
uint16_t json_line_smtp_code(const struct json_value *value);

/* "550 5.1.1 text" of its parts, of which any may be missing (code 0, dsn and text absent); line ends become blanks. A code that the
 * text begins with already is not written again. Absent when there is nothing. */
struct slice json_line_reply(struct line_walk *walk, uint16_t code, struct slice dsn, struct slice text);

/* The strings of an array joined with blanks, or a string. */
struct slice json_line_joined(struct line_walk *walk, const struct json_value *value);

/* Calls `take` with each string of an array, or with a string, until it returns false. Values of another json_line_read stay good. */
void json_line_each(struct line_walk *walk, const struct json_value *value, bool (*take)(void *context, struct slice text),
                    void *context);

/* The stage of a command as SMTP has it ("RCPT TO:<a@b.example>", "."); absent for what is none. */
struct slice json_line_stage(struct slice command);

#endif
