/* The log's word on a format that was chosen. See format_log.h. */
#include "tools/format_log.h"

#include <inttypes.h>

#include "base/log.h"

void format_log(const struct source *source, uint32_t input, const struct format_choice *choice) {
  struct input_position position;
  struct slice name = SLICE("-");
  char input_text[512], reason[128];
  if (source_position(source, input, 0, &position)) name = position.name;
  log_value(input_text, sizeof input_text, name);
  log_value(reason, sizeof reason, slice_from_cstr(choice->reason));
  if (choice->line)
    log_event(LOG_INFO, "format", "input=%s format=%s line=%" PRIu64 " reason=%s", input_text, choice->format->name, choice->line,
              reason);
  else
    log_event(LOG_INFO, "format", "input=%s format=%s reason=%s", input_text, choice->format->name, reason);
}
