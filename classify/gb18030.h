/* Chinese literals in the other encoding that Chinese servers answer in: GB18030, of which GBK and GB2312 are parts.
 *
 *   "用户不存在"     e7 94 a8 e6 88 b7 ...   what stands in a rule, UTF-8
 *                    d3 c3 bb a7 b2 bb ...   what a server may send
 *
 * A literal is converted once, when rules are loaded; replies are never converted: they are compared as bytes. */
#ifndef CLASSIFY_GB18030_H
#define CLASSIFY_GB18030_H

#include "base/slice.h"

struct gb18030;

/* NULL where the system's iconv doesn't know GB18030: literals are then looked for in UTF-8 alone. */
struct gb18030 *gb18030_new(void);
void gb18030_free(struct gb18030 *converter);

/* Writes `literal` (UTF-8) in GB18030 to `out`, which has room for as many bytes, and returns their number. 0: it has less than two Chinese
 * characters or is not Chinese, or replies are normalised so that those bytes can't be in one. */
size_t gb18030_from_literal(struct gb18030 *converter, struct slice literal, char *out);

#endif
