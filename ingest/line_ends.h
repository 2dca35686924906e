/* Finds the newlines of many lines at once. A search for each line's own costs a call, and a branch that is mispredicted as often as
 * lines differ in length; together that was 13 of the 80 ns that a line of Exim took. */
#ifndef INGEST_LINE_ENDS_H
#define INGEST_LINE_ENDS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that are looked through at once, and the room that the places of all their newlines need. */
#define LINE_ENDS_WINDOW_BYTES 4096u
#define LINE_ENDS_ROOM (LINE_ENDS_WINDOW_BYTES + 2)

/* Writes the places of the newlines of [p, p+len), len <= LINE_ENDS_WINDOW_BYTES, and returns how many there are. Bytes up to `limit`
 * may be read. */
typedef size_t line_ends_finder(const char *p, size_t len, const char *limit, uint16_t places[LINE_ENDS_ROOM]);

line_ends_finder line_ends_find_v2, line_ends_find_v3, line_ends_find_v4;

#endif
