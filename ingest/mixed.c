/* Lines of several servers in one stream: each line goes to the format that recognises it.
 *
 *   Nov 24 08:15:07 mx1 postfix/smtp[1]: ...    \ a run of lines of one format: given to it at once
 *   Nov 24 08:15:07 mx1 postfix/smtp[1]: ...    /
 *   Nov 24 08:15:07 mx2 sm-mta[1]: ...          > the next run
 *   {"type":"Delivery","id":...}                > the next
 *
 * What no format recognises is given to Postfix, to which every program of syslog that is not its own is noise, and whatever has no
 * header unparsed. Which format has a line depends on the line alone, so what is read does not depend on where chunks begin.
 *
 * Join: keys are those that the formats make when they are alone. Ids of two servers on one host do not meet: Postfix has an
 * instance, which the others have not; Exim's ids have dashes, KumoMTA's and Halon's are of 32 digits and more, Sendmail's of 14, or
 * of capital letters, OpenSMTPD's of 8 or 16 small ones, and qmail's stand under a key of their own. */
#include "ingest/formats.h"
#include "ingest/recognise.h"

/* Lines of one format, one behind another. */
struct run {
  const struct format *format;
  const char *begin;
  uint32_t number; /* of its first line, in the chunk */
};

static bool is_without_lines(const struct parser *parser) {
  for (unsigned i = 0; i < parser->worker_count; i++)
    if (parser->lists[i].count) return false;
  return true;
}

/* A format forgets the texts that it decoded when it begins and no list points into them any more. Behind another format's lines that
 * would never be so: each may begin while all lists are empty. */
static void forget_texts(struct parser *parser, const struct batch *batch, const char *begin) {
  if (!is_without_lines(parser)) return;
  for (size_t i = 0; format_at(i); i++) {
    if (!parser->states[i]) continue;
    parser_use_format(parser, format_at(i));
    parser->format->parse(parser, batch, begin, begin, begin);
  }
}

static void parse_run(struct parser *parser, const struct batch *batch, const char *lookback, const struct run *run,
                      const char *end) {
  size_t counts[LIMIT_THREADS];
  parser_use_format(parser, run->format);
  for (unsigned i = 0; i < parser->worker_count; i++) counts[i] = parser->lists[i].count;
  run->format->parse(parser, batch, lookback, run->begin, end);
  if (!run->number) return;
  for (unsigned i = 0; i < parser->worker_count; i++) /* the format counted from 0 */
    for (struct line_list *list = &parser->lists[i]; counts[i] < list->count; counts[i]++)
      list->items[counts[i]].number += run->number;
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  const struct format *own = parser->format;
  const char *limit = batch->base + batch->len;
  struct recogniser recogniser;
  struct run run = {.begin = begin};
  uint32_t number = 0;
  recogniser_init(&recogniser);
  forget_texts(parser, batch, begin);
  for (const char *p = begin, *line_end; p < end; p = line_end + 1, number++) {
    line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end) line_end = end;
    if (p == line_end) continue; /* to every format it is an empty line */
    const struct format *format = recognise_line(&recogniser, p, line_end, limit);
    if (!format) format = &FORMAT_POSTFIX;
    if (format == run.format) continue;
    if (run.format) {
      parse_run(parser, batch, lookback, &run, p);
      run.begin = p;
      run.number = number;
    }
    run.format = format;
  }
  if (!run.format) run.format = &FORMAT_POSTFIX;
  parse_run(parser, batch, lookback, &run, end);
  parser_use_format(parser, own);
}

/* A parser of format auto that nobody chose a format for takes each line as it comes. */
const struct format FORMAT_AUTO = {.name = "auto", .parse = parse};
const struct format FORMAT_MIXED = {.name = "mixed", .parse = parse};
