/* What became of a recipient:
 *
 *   => c@d.example <alias@b.example> F=<a@b> P=<a@b> R=dnslookup T=remote_smtp S=99 H=mx.d.example [192.0.2.9]:25* I=[192.0.2.1]:4321
 *      X=TLS1.3:... CV=yes DN="..." A=plain:us L K C="250 2.0.0 OK" QT=3s DT=1s
 *   == c@d.example R=dnslookup T=remote_smtp defer (-44) H=mx.d.example [192.0.2.9]: SMTP error from remote mail server after ...: 450 ...
 *   == c@d.example R=dnslookup T=remote_smtp defer (111): Connection refused
 *   ** c@d.example R=dnslookup T=remote_smtp H=mx.d.example [192.0.2.9]: SMTP error from remote mail server after ...: 550 ...
 *   ** c@d.example: retry timeout exceeded
 *
 * Of the fields every one may be missing, by log_selector, but not their order. An address is one of
 *
 *   c@d.example                                    c@d.example <first@b.example>                    c@d.example (second@b) <first@b.example>
 *   bob <bob@b.example>                            /var/mail/bob <bob@b.example>                    |/usr/bin/filter -x <bob@b.example>
 *
 * where one without a domain stands for a delivery on this host, and the recipient is the address that led to it. */
#include "ingest/exim_internal.h"

/* Below it Exim did not try: the time for the next attempt has not come, or the limit of deliveries was reached. */
#define ERRNO_RETRY_BASE (-51)

/* Ends of an address that are tried before a line is taken for damaged. */
#define LOCAL_TRIES_MAX 16

struct fields {
  struct slice sender, transport, host, ip, source_ip, confirmation;
  bool is_confirmation_plain;
  int64_t queue_time_us;
  const char *message; /* behind the ": " that ends the fields of a failure; NULL: there is none */
};

/* ---- addresses -------------------------------------------------------------------------------------------------------------- */

/* Whether the fields, or the text of a failure, begin at p, behind an address. */
static bool is_behind_address(const char *p, const char *end) {
  if (p == end || STARTS_WITH(p, end, ": ")) return true;
  if (end - p < 3 || *p != ' ') return false;
  return p[2] == '=' || STARTS_WITH(p, end, " defer (") || STARTS_WITH(p, end, " SRS=<") || STARTS_WITH(p, end, " routing") ||
         STARTS_WITH(p, end, " transporting");
}

/* The "<first@b.example>" at `open`; its end, or NULL. */
static const char *first_address_end(const char *open, const char *end, const char *limit) {
  const char *close = exim_address_end(open + 1, end, limit, '>');
  return close < end && is_behind_address(close + 1, end) ? close : NULL;
}

/* The last " <" before `close`, or NULL. */
static const char *find_opening(const char *p, const char *close) {
  while ((close = memrchr(p, '<', (size_t)(close - p))))
    if (close > p && close[-1] == ' ') return close - 1;
  return NULL;
}

/* A pipe, a file, a reply, :blackhole:, a local part: whatever stands before " <first>". Returns behind it; NULL when it is not there. */
static const char *read_local(const char *p, const char *end, const char *limit, struct line *line) {
  const char *close = p, *open = NULL;
  unsigned tries = 0; /* what only looks like the end is rare, unless somebody wants to keep us busy */
  for (; (close = memchr(close, '>', (size_t)(end - close))); close++) {
    if (!is_behind_address(close + 1, end)) continue;
    open = find_opening(p, close);
    if (open && exim_address_end(open + 2, end, limit, '>') == close) break;
    if (++tries == LOCAL_TRIES_MAX) return NULL;
  }
  if (!close) return NULL;
  line->delivery.recipient = slice_between(open + 2, close);
  line->delivery.orig_recipient = SLICE_ABSENT;
  const char *parent = open > p && open[-1] == ')' ? memrchr(p, '(', (size_t)(open - p)) : NULL;
  if (parent && parent > p && parent[-1] == ' ') {
    struct slice parents = slice_between(parent + 1, open - 1);
    line->delivery.orig_recipient = line->delivery.recipient;
    line->delivery.recipient = slice_of(parents.ptr, slice_find(parents, SLICE(", ")));
  }
  return close + 1;
}

/* "c@d.example (second@b) <first@b.example>" from behind its first word; returns behind the address. */
static const char *read_origin(const char *p, const char *end, const char *limit, struct line *line) {
  if (STARTS_WITH(p, end, " (")) {
    const char *close = exim_find_pair(p, end, limit, ')', ' ');
    if (close && STARTS_WITH(close, end, ") <")) p = close + 1;
  }
  if (!STARTS_WITH(p, end, " <")) return p;
  const char *close = first_address_end(p + 1, end, limit);
  if (!close) return p;
  struct slice origin = slice_between(p + 2, close);
  if (slice_equal_nocase(origin, line->delivery.recipient)) /* the same, as it was given: Exim goes on in lower case */
    line->delivery.recipient = origin;
  else
    line->delivery.orig_recipient = origin;
  return close + 1;
}

/* Whether a field of one letter begins behind the blank at p. */
static inline bool is_before_letter(const char *p, const char *end) {
  return end - p > 3 && p[1] >= 'A' && p[1] <= 'Z' && p[2] == '=';
}

/* Returns behind the address at p, with recipient and orig_recipient of line->delivery set; NULL when there is none. */
static const char *read_address(struct exim_cursor *cursor, const char *p, struct line *line) {
  const char *end = cursor->end, *behind = exim_find_blank(cursor, p);
  if (behind == p) return NULL;
  struct block block = block_load_until(p, cursor->limit);
  uint64_t inside = bits_below((size_t)(behind - p));
  bool has_domain = block_find(block, '@') & inside, has_quote = block_find(block, '"') & inside;
  line->delivery.orig_recipient = SLICE_ABSENT;
  bool is_plain = has_domain && !has_quote && *p >= '0' && *p != ':' && *p != '>' && *p != '|' && behind[-1] != ':';
  if (is_plain && is_before_letter(behind, end)) { /* nearly always */
    line->delivery.recipient = slice_between(p, behind);
    return behind;
  }
  if (__builtin_expect(has_quote || (!has_domain && behind - p > BLOCK_BYTES), 0)) {
    if (*p != '|') behind = exim_address_end(p, end, cursor->limit, ' ');
    has_domain = memchr(p, '@', (size_t)(behind - p)) != NULL;
  }
  if (has_domain && *p != '|' && *p != '/' && *p != '>' && *p != ':') {
    if (behind[-1] == ':' && behind - p > 1) behind--; /* "** c@d: text" */
    line->delivery.recipient = slice_between(p, behind);
    const char *found = read_origin(behind, end, cursor->limit, line);
    if (is_behind_address(found, end)) return found;
  }
  /* A quoted local part, too, is logged without its quotes: a b@c.example <"a b"@c.example>. */
  const char *found = read_local(p, end, cursor->limit, line);
  if (found) return found;
  line->delivery.recipient = slice_between(p, behind);
  return behind;
}

/* ---- fields ----------------------------------------------------------------------------------------------------------------- */

/* "mx.d.example [192.0.2.9]:25*" of H=, with "DS" between the two when DNSSEC vouches for the name. Local transports have no address. */
static const char *read_host(struct exim_cursor *cursor, const char *p, struct fields *out) {
  const char *end = cursor->end, *blank = exim_find_blank(cursor, p), *address = blank;
  out->host = slice_between(p, blank);
  if (STARTS_WITH(address, end, " DS [")) address += 3;
  if (!STARTS_WITH(address, end, " [")) return blank;
  const char *behind = exim_read_bracketed_ip(address + 1, end, cursor->limit, &out->ip);
  return behind ? behind : blank;
}

/* What stands in quotes, from behind the opening one; returns behind the closing one. `is_plain`: there are no escapes in it. */
static const char *read_quoted(const struct exim_cursor *cursor, const char *p, struct slice *text, bool *is_plain) {
  const char *end = cursor->end;
  struct block block = block_load_until(p, cursor->limit);
  uint64_t quotes = block_find(block, '"') & bits_below((size_t)(end - p)), before = (quotes - 1) & ~quotes;
  *is_plain = quotes && !(block_find(block, '\\') & before);
  const char *behind = *is_plain ? p + bits_first(quotes) + 1 : exim_quoted_end(p, end);
  *text = slice_between(p, behind > p && behind[-1] == '"' ? behind - 1 : behind);
  return behind;
}

/* The value at p of the field whose name is one letter; returns behind it. */
static inline const char *read_letter(struct exim_cursor *cursor, char letter, const char *p, struct fields *out) {
  const char *end = cursor->end, *behind;
  switch (letter) {
    case 'T':
      behind = exim_skip_value(cursor, p);
      out->transport = slice_between(p, behind > p && behind[-1] == ':' ? behind - 1 : behind);
      return behind;
    case 'H': return read_host(cursor, p, out);
    case 'C':
      if (p == end || *p != '"') break;
      return exim_find_blank(cursor, read_quoted(cursor, p + 1, &out->confirmation, &out->is_confirmation_plain));
    case 'I':
      behind = exim_read_bracketed_ip(p, end, cursor->limit, &out->source_ip);
      return behind ? behind : exim_find_blank(cursor, p);
    case 'F':
      if (p == end || *p != '<') break;
      behind = exim_address_end(p, end, cursor->limit, '>');
      out->sender = slice_between(p + 1, behind);
      return exim_find_blank(cursor, behind);
    default: break;
  }
  return exim_skip_value(cursor, p);
}

/* The field or word at `name`; returns behind it, which is behind `p` in any case. */
static inline const char *read_field(struct exim_cursor *cursor, const char *p, const char *name, struct fields *out) {
  const char *end = cursor->end;
  if (end - name >= 2 && name[1] == '=' && *name >= 'A' && *name <= 'Z') return read_letter(cursor, *name, name + 2, out);
  const char *at = exim_name_end(name, end);
  if (at == name || at == end || *at != '=') return exim_find_blank(cursor, at + (at == p));
  const char *behind = exim_skip_value(cursor, at + 1);
  if (at - name == 2 && name[0] == 'Q' && name[1] == 'T') out->queue_time_us = exim_read_interval(at + 1, behind);
  return behind;
}

/* What ends the fields of a line. */
enum fields_end { FIELDS_LINE, FIELDS_MESSAGE, FIELDS_DEFER };

/* Fields from p on (at a blank or at the ':' that ends them), up to the end of the line, the ": " of a message, or " defer (". Returns
 * where they end. */
static inline const char *read_fields(struct exim_cursor *cursor, const char *p, enum fields_end fields_end, struct fields *out) {
  const char *end = cursor->end;
  while (p < end) {
    if (fields_end == FIELDS_MESSAGE && STARTS_WITH(p, end, ": ")) {
      out->message = p + 2;
      return p;
    }
    if (fields_end == FIELDS_DEFER && STARTS_WITH(p, end, " defer (")) return p;
    const char *name = *p == ' ' ? p + 1 : p;
    p = read_field(cursor, p, name, out);
    if (fields_end == FIELDS_MESSAGE && p > name && p[-1] == ':' && p < end) p--;
  }
  return end;
}

/* ---- the lines -------------------------------------------------------------------------------------------------------------- */

/* With sender_on_delivery, the sender stands in the line: for a message whose beginning was not seen, or is still to come (">>"). */
static void add_sender(const struct exim_line *line, struct slice sender) {
  struct line *item = exim_add(line, LINE_SENDER);
  item->sender.address = sender;
  item->sender.size_bytes = U64_ABSENT;
}

static struct line *add_delivery(const struct exim_line *line, const struct fields *fields, const struct line *address,
                                 enum status status) {
  if (!slice_is_absent(fields->sender)) add_sender(line, fields->sender);
  struct line *item = exim_add(line, LINE_DELIVERY);
  item->service = fields->transport;
  item->delivery = (__typeof__(item->delivery)){
      .recipient = address->delivery.recipient,
      .orig_recipient = address->delivery.orig_recipient,
      .relay_host = fields->host,
      .relay_ip = fields->ip,
      .source_ip = fields->source_ip,
      .delay_us = fields->queue_time_us,
      .status = status,
  };
  return item;
}

unsigned exim_read_delivered(const struct exim_line *line, const char *p) {
  struct exim_cursor cursor = exim_cursor_at(p, line->end, line->walk->limit);
  struct fields fields = {.queue_time_us = DELAY_ABSENT};
  struct line address;
  p = read_address(&cursor, p, &address);
  if (!p) return READ_UNPARSED + UNPARSED_BODY;
  read_fields(&cursor, p, FIELDS_LINE, &fields);
  if (slice_starts_with(fields.transport, SLICE("**"))) fields.transport = SLICE_ABSENT; /* "**bypassed**": to /dev/null */
  if (slice_is_absent(fields.host)) fields.host = fields.transport;
  struct line *item = add_delivery(line, &fields, &address, STATUS_delivered);
  if (!slice_is_absent(fields.confirmation))
    exim_read_confirmation(line->walk, fields.confirmation, fields.is_confirmation_plain, item);
  return READ_DELIVERY;
}

/* "(-44)" at p; false when it is none. */
static bool read_errno(const char *p, const char *end, int *out, const char **behind) {
  if (end - p < 3 || *p != '(') return false;
  bool is_negative = *++p == '-';
  const char *digits = p += is_negative;
  for (*out = 0; p < end && ascii_is_digit(*p) && p - digits < 6; p++) *out = *out * 10 + (*p - '0');
  if (is_negative) *out = -*out;
  *behind = p + 1;
  return p > digits && p < end && *p == ')';
}

/* Without the " DT=3s" that deliver_time puts behind the text of a failure, and behind the error of a system call. */
static struct slice without_deliver_time(struct slice text) {
  const char *end = text.ptr + text.len, *blank = text.len ? memrchr(text.ptr, ' ', text.len) : NULL;
  bool is_one = blank && STARTS_WITH(blank, end, " DT=") && exim_read_interval(blank + 4, end) != DELAY_ABSENT;
  return is_one ? slice_between(text.ptr, blank) : text;
}

/* Behind "defer (N)": "[: system's error][ H=host [ip]][: text]". */
static struct slice read_reason(struct exim_cursor *cursor, const char *p, struct fields *fields) {
  const char *end = cursor->end;
  struct slice error = SLICE_ABSENT;
  if (STARTS_WITH(p, end, ": ")) {
    error = slice_between(p + 2, end);
    const char *colon = exim_find_pair(error.ptr, end, cursor->limit, ':', ' ');
    p = exim_find_pair(error.ptr, colon ? colon : end, cursor->limit, ' ', 'H');
    if (!p || !STARTS_WITH(p, end, " H=")) return without_deliver_time(error);
    error = slice_between(error.ptr, p);
  }
  read_fields(cursor, p, FIELDS_MESSAGE, fields);
  return fields->message ? slice_between(fields->message, end) : error;
}

unsigned exim_read_deferred(const struct exim_line *line, const char *p) {
  struct exim_cursor cursor = exim_cursor_at(p, line->end, line->walk->limit);
  struct fields fields = {.queue_time_us = DELAY_ABSENT};
  struct line address;
  int number;
  p = read_address(&cursor, p, &address);
  if (!p) return READ_UNPARSED + UNPARSED_BODY;
  p = read_fields(&cursor, p, FIELDS_DEFER, &fields);
  if (p == line->end || !read_errno(p + 7, line->end, &number, &p)) return READ_UNPARSED + UNPARSED_BODY;
  struct slice reason = read_reason(&cursor, p, &fields);
  struct line *item = add_delivery(line, &fields, &address, STATUS_deferred);
  item->delivery.is_put_off = number <= ERRNO_RETRY_BASE;
  exim_read_message(line->walk, reason, item);
  return READ_DELIVERY;
}

/* Texts of giving up. */
static bool is_giving_up(struct slice text) {
  return slice_ends_with(text, SLICE("retry timeout exceeded")) || slice_ends_with(text, SLICE("after a long failure period")) ||
         slice_starts_with(text, SLICE("all hosts have been failing for a long time")) ||
         (slice_starts_with(text, SLICE("all hosts for '")) &&
          slice_find(text, SLICE("' have been failing for a long time")) < text.len);
}

unsigned exim_read_failed(const struct exim_line *line, const char *p) {
  struct exim_cursor cursor = exim_cursor_at(p, line->end, line->walk->limit);
  struct fields fields = {.queue_time_us = DELAY_ABSENT};
  struct line address;
  p = read_address(&cursor, p, &address);
  if (!p) return READ_UNPARSED + UNPARSED_BODY;
  read_fields(&cursor, p, FIELDS_MESSAGE, &fields);
  struct slice text = fields.message ? without_deliver_time(slice_between(fields.message, line->end)) : SLICE_ABSENT;
  struct line *item = add_delivery(line, &fields, &address, is_giving_up(text) ? STATUS_expired : STATUS_bounced);
  exim_read_message(line->walk, text, item);
  return READ_DELIVERY;
}
