/* The line that begins a message:
 *
 *   <= a@b.example H=mx.b.example (helo) [192.0.2.7]:4321 I=[192.0.2.1]:25 P=esmtps X=... CV=no S=1234 id=x@y T="subject" for c@d e@f
 *   <= <> R=1qAbCd-0001AB-2x U=exim P=local S=1234                                        R= names the message that this one is about
 *
 * Sender, helo, id and subject are a stranger's. The fields are in this order, so the first of a name is Exim's own. */
#include "ingest/exim_internal.h"

static uint64_t read_size(const char *p, const char *end) {
  uint64_t size = 0;
  if (p == end || end - p > 18) return U64_ABSENT;
  for (; p < end; p++) {
    if (!ascii_is_digit(*p)) return U64_ABSENT;
    size = size * 10 + (uint64_t)(*p - '0');
  }
  return size;
}

/* Fields from p on, up to the id. What stands behind it is the subject and the recipients. */
static void read_fields(struct exim_cursor *cursor, const char *p, struct line_facts *out) {
  const char *end = cursor->end;
  for (; p < end; p++) {                                             /* over the blank */
    if (STARTS_WITH(p, end, "id=") || STARTS_WITH(p, end, "id*=")) { /* "*": the message had none, Exim made it */
      const char *value = p + (p[2] == '*' ? 4 : 3);
      p = exim_find_blank(cursor, value);
      if (scan_find(value, p, cursor->limit, '"') < p) p = exim_address_end(value, end, cursor->limit, ' ');
      out->message_id = slice_between(value, p);
      return;
    }
    if (STARTS_WITH(p, end, "H=") && slice_is_absent(out->client_ip) && exim_may_be_client(cursor)) {
      const char *behind = exim_read_client(p + 2, end, cursor->limit, &out->client_host, &out->client_ip);
      p = behind > p + 2 ? exim_find_blank(cursor, behind) : exim_find_blank(cursor, p);
    } else if (STARTS_WITH(p, end, "S=")) {
      const char *value = p + 2;
      p = exim_find_blank(cursor, value);
      out->size_bytes = read_size(value, p);
    } else if (STARTS_WITH(p, end, "T=\"") || STARTS_WITH(p, end, "from <") || STARTS_WITH(p, end, "for ")) {
      return;
    } else {
      const char *name_end = end - p > 1 && p[1] == '=' && *p >= 'A' && *p <= 'Z' ? p + 1 : exim_name_end(p, end);
      p = name_end < end && *name_end == '=' ? exim_skip_value(cursor, name_end + 1) : exim_find_blank(cursor, p);
    }
  }
}

/* With the angle brackets that the log leaves out. */
static struct slice bracketed(struct line_walk *walk, struct slice id) {
  char *text = line_walk_room(walk, id.len + 2);
  text[0] = '<';
  memcpy(text + 1, id.ptr, id.len);
  text[id.len + 1] = '>';
  return slice_of(text, id.len + 2);
}

unsigned exim_read_arrival(const struct exim_line *line, const char *p) {
  struct exim_cursor cursor = exim_cursor_at(p, line->end, line->walk->limit);
  struct line_facts facts = {.size_bytes = U64_ABSENT};
  const char *behind = exim_find_blank(&cursor, p);
  if (scan_find(p, behind, cursor.limit, '"') < behind) behind = exim_address_end(p, line->end, cursor.limit, ' ');
  facts.sender = behind - p == 2 && memcmp(p, "<>", 2) == 0 ? SLICE("") : slice_between(p, behind);
  if (p == behind || behind == line->end) return READ_UNPARSED + UNPARSED_BODY;
  read_fields(&cursor, behind + 1, &facts);
  facts.message_id = facts.message_id.len ? bracketed(line->walk, facts.message_id) : SLICE_ABSENT;
  exim_add(line, LINE_ARRIVED)->facts = facts;
  return READ_INFO;
}
