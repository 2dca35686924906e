/* The files that are generated from the .def lists and committed: what each of them says, as bytes. */
#ifndef SCHEMAS_GENERATE_GENERATE_H
#define SCHEMAS_GENERATE_GENERATE_H

#include "base/buf.h"

/* Each appends a whole file. */
void generate_clickhouse(struct buf *out); /* schemas/clickhouse.sql */
void generate_schemas(struct buf *out);    /* docs/schemas.md */
void generate_taxonomy(struct buf *out);   /* docs/taxonomy.md */

#endif
