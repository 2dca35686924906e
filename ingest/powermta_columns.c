/* Which column is which. A file of PowerMTA begins with a header; where none is known (lines that come through Kafka) the columns are those
 * that PowerMTA writes when nothing is configured, of which old versions lack the last ones. */
#include "ingest/csv_line.h"
#include "ingest/powermta_internal.h"

static const char DEFAULT_HEADER[] =
    "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,dlvSourceIp,"
    "dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,vmtaPool";

static unsigned column_named(struct slice name) {
  static const struct slice names[] = {
#define X(name, text) SLICE(text),
      POWERMTA_COLUMNS(X)
#undef X
  };
  if (name.len >= 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"') name = slice_of(name.ptr + 1, name.len - 2);
  for (unsigned i = 0; i < COLUMN_COUNT; i++)
    if (slice_equal_nocase(name, names[i])) return i;
  return COLUMN_COUNT;
}

void powermta_columns_read(struct powermta_columns *columns, struct slice header) {
  bool is_default = !powermta_is_header(header);
  if (is_default) header = slice_from_cstr(DEFAULT_HEADER);
  const char *ends[POWERMTA_COLUMNS_MAX], *begin = header.ptr, *limit = header.ptr + header.len;
  memset(columns->at, COLUMN_MISSING, sizeof columns->at);
  size_t count = csv_line_split(begin, limit, limit, ends, POWERMTA_COLUMNS_MAX);
  for (size_t i = 0; i < count && count <= POWERMTA_COLUMNS_MAX; i++) {
    unsigned column = column_named(slice_between(begin, ends[i]));
    if (column < COLUMN_COUNT && columns->at[column] == COLUMN_MISSING) columns->at[column] = (uint8_t)i;
    begin = ends[i] + 1;
  }
  columns->count = is_default ? 0 : (unsigned)count; /* too many: none is known, and no line will have as many */
}
