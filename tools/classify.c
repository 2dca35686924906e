/* bouncemill classify: one reply a line in, in the same order one verdict a line out. */
#include "classify/classify.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "schemas/verdict.h"
#include "tools/command.h"
#include "tools/rule_options.h"

#define READ_BYTES (64u << 10)
#define WRITE_BYTES (64u << 10)

struct classify_options {
  struct rule_options rules;
  const char *path;
  bool json, has_status;
  enum status status;
};

/* Replies of one read, classified together: each is a line of `input`. */
struct classify_run {
  const struct classify_options *options;
  struct classify_context *context;
  struct buf input, output;
  struct slice lines[LIMIT_STAGE]; /* as they stand in the input; a delivery's reply is without the words around it */
  struct delivery deliveries[LIMIT_STAGE];
  size_t count;
};

static void print_help(void) {
  printf(
      "usage: bouncemill classify [--json] [--status delivered|deferred|bounced] [--user-rules DIR] [--rules DIR] [FILE]\n\n"
      "Reads replies of mail servers, one a line, from FILE or standard input, and writes one verdict a line, in the same order:\n"
      "with --json an object with reply, smtp_code, dsn, cause, group, outcome, bounce_class, fault, last_cause, provider, "
      "blocklist,\n"
      "rule and via; else cause, outcome, provider, rule and reply with tabs between (- for what there is none of).\n\n"
      "  --json           JSON\n"
      "  --status STATUS  what became of the message; else by the reply's code: 2xx delivered, 4xx deferred, all others "
      "bounced\n" RULE_HELP
      "\n"
      "Exit codes: 0 done, 2 usage or rules, 3 cannot read or write.\n");
}

static void write_cell(struct buf *out, struct slice cell, char end) {
  if (slice_is_absent(cell)) cell = SLICE("-");
  size_t from = out->len;
  buf_append_slice(out, cell);
  for (size_t i = from; i < out->len; i++)
    if (out->ptr[i] == '\t') out->ptr[i] = ' ';
  buf_append_byte(out, end);
}

static bool classify_flush(struct classify_run *run, struct error *err) {
  struct verdict verdicts[LIMIT_STAGE];
  classify_deliveries(run->context, run->deliveries, run->count, verdicts);
  for (size_t i = 0; i < run->count; i++) {
    const struct delivery *d = &run->deliveries[i];
    if (run->options->json) {
      verdict_write_json(&verdicts[i], run->lines[i], d->smtp_code, d->dsn, &run->output);
      continue;
    }
    write_cell(&run->output, cause_name(verdicts[i].cause), '\t');
    write_cell(&run->output, outcome_name(verdicts[i].outcome), '\t');
    write_cell(&run->output, verdicts[i].provider, '\t');
    write_cell(&run->output, verdicts[i].rule, '\t');
    write_cell(&run->output, run->lines[i], '\n');
  }
  run->count = 0;
  if (run->output.len < WRITE_BYTES) return true;
  bool done = command_write(buf_slice(&run->output), err);
  buf_clear(&run->output);
  return done;
}

static bool take_reply(struct classify_run *run, struct slice line, struct error *err) {
  if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
  struct delivery *d = &run->deliveries[run->count++];
  delivery_init(d);
  run->lines[run->count - 1] = line;
  d->reply = reply_unwrap(line, &d->relay_host);
  reply_read_codes(d->reply, &d->smtp_code, &d->dsn);
  unsigned class = d->smtp_code / 100;
  d->status = class == 2 ? STATUS_delivered : class == 4 ? STATUS_deferred : STATUS_bounced;
  if (run->options->has_status) d->status = run->options->status;
  return run->count < LIMIT_STAGE || classify_flush(run, err);
}

/* Takes the whole lines of the input; the rest moves to its front. At the end of the input the rest is a line too. */
static bool take_lines(struct classify_run *run, bool is_end, struct error *err) {
  struct slice rest = buf_slice(&run->input);
  while (rest.len) {
    size_t newline = slice_find_byte(rest, '\n');
    if (newline == rest.len && !is_end) break;
    if (!take_reply(run, slice_of(rest.ptr, newline), err)) return false;
    rest = newline < rest.len ? slice_skip(rest, newline + 1) : slice_of(rest.ptr, 0);
  }
  if (!classify_flush(run, err)) return false;
  memmove(run->input.ptr, rest.ptr, rest.len);
  run->input.len = rest.len;
  return true;
}

static bool run_over(struct classify_run *run, int file, const char *name, struct error *err) {
  for (;;) {
    ssize_t got = read(file, buf_reserve(&run->input, READ_BYTES), READ_BYTES);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", name);
    run->input.len += (size_t)got;
    if (!take_lines(run, got == 0, err)) return false;
    if (got == 0) return command_write(buf_slice(&run->output), err);
  }
}

static int classify_replies(const struct classify_options *options) {
  struct error err;
  const char *name = options->path ? options->path : "standard input";
  int file = options->path ? open(options->path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (file < 0) {
    error_set_errno(&err, ERROR_INPUT, errno, "%s: cannot open", name);
    return command_fail(&err);
  }
  struct classifier *classifier = rule_options_load(&options->rules, false, NULL, &err);
  struct classify_run *run = memory_zeroed(sizeof *run);
  run->options = options;
  run->context = classifier ? classify_context_new(classifier, &err) : NULL;
  bool done = run->context && run_over(run, file, name, &err);
  classify_context_free(run->context);
  classifier_free(classifier);
  buf_deinit(&run->input);
  buf_deinit(&run->output);
  free(run);
  if (options->path) close(file);
  return done ? EXIT_OK : command_fail(&err);
}

int classify_main(int argc, char **argv) {
  static const struct option LONG[] = {{"help", no_argument, NULL, 'h'},
                                       {"json", no_argument, NULL, 'j'},
                                       {"status", required_argument, NULL, 's'},
                                       RULE_LONG_OPTIONS,
                                       {NULL, 0, NULL, 0}};
  struct classify_options options = {0};
  int option;
  while ((option = getopt_long(argc, argv, "h", LONG, NULL)) != -1) {
    switch (option) {
      case 'h': print_help(); return EXIT_OK;
      case 'j': options.json = true; break;
      case 's':
        options.has_status = true;
        if (!status_from_name(slice_from_cstr(optarg), &options.status) || options.status > STATUS_bounced)
          return command_usage("classify", "--status: '%s' is none of delivered, deferred, bounced", optarg);
        break;
      default:
        if (!rule_options_take(&options.rules, option, optarg)) return command_usage("classify", "bad option");
    }
  }
  if (argc - optind > 1) return command_usage("classify", "one file at most");
  bool is_stdin = optind == argc || strcmp(argv[optind], "-") == 0;
  options.path = is_stdin ? NULL : argv[optind];
  return classify_replies(&options);
}
