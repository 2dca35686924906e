/* Who still reads files that a swap took out of the store: marks on STORE/readers.
 *
 *   Every file that is taken out gets the next number (table `retired` of the catalog). A reader sets a shared lock on the byte of the
 *   highest number that it sees, and takes its snapshot after that. A file of number n may be deleted once no byte before n is locked:
 *   whoever comes later locks n or more, and its snapshot has the file no longer.
 *
 *       byte    0    1    2    3    4    5
 *                         R         R              files 1 and 2 may go; 3, 4, ... may be open in the reader of 2
 *
 * The locks are of the open file description (F_OFD_SETLK, Linux 3.15): they end with the reader, however it ends. */
#ifndef AGGREGATE_READERS_H
#define AGGREGATE_READERS_H

#include <stdbool.h>
#include <stdint.h>

/* Sets a mark at `number`; a descriptor to be given to readers_unmark. -1: it cannot be set (no such file, a file system without
 * locks), and files may go while they are read. */
int readers_mark(const char *path, uint64_t number);
void readers_unmark(int mark);

/* Whether no reader has a mark before `number`. `fd`: the file, open for reading and writing. */
bool readers_are_past(int fd, uint64_t number);

#endif
