/* The list of offset changes of a zone: those of its TZif file, and behind the last of them those that the file's POSIX TZ rule
 * (its footer) makes until ZONE_LAST_YEAR. A lookup is a binary search. */
#include "ingest/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
#define ZONE_LAST_YEAR 2100
/* The largest file of tzdata 2024 has 3.6 kB. */
#define ZONE_FILE_BYTES (64u << 10)
#define ZONE_RULE_CHANGES (2u * 200u)

struct zone_change {
  int64_t at;     /* seconds since 1970 UTC */
  int32_t offset; /* seconds east of UTC from then on */
};

struct zone {
  int32_t first_offset; /* before the first change */
  size_t count;
  struct zone_change changes[];
};

static int64_t read_big_endian(const unsigned char *p, size_t width) {
  uint64_t value = p[0] & 0x80 ? ~UINT64_C(0) : 0;
  for (size_t i = 0; i < width; i++) value = value << 8 | p[i];
  return (int64_t)value;
}

static int32_t zone_offset_at(const struct zone *zone, int64_t utc) {
  size_t low = 0, high = zone->count; /* changes below `low` are not after utc */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (zone->changes[middle].at <= utc)
      low = middle + 1;
    else
      high = middle;
  }
  return low ? zone->changes[low - 1].offset : zone->first_offset;
}

int64_t zone_utc_from_local(const struct zone *zone, int64_t local_seconds) {
  if (!zone) return local_seconds;
  int32_t before = zone_offset_at(zone, local_seconds - SECONDS_PER_DAY);
  if (zone_offset_at(zone, local_seconds - before) == before) return local_seconds - before;
  int32_t after = zone_offset_at(zone, local_seconds + SECONDS_PER_DAY);
  if (zone_offset_at(zone, local_seconds - after) == after) return local_seconds - after;
  return local_seconds - before;
}

/* ---- the POSIX rule: "CET-1CEST,M3.5.0,M10.5.0/3" ------------------------------------------------------------------------------ */

/* When the clock changes in a year: `M` month.week.day, `J` day 1-365 without 29 Feb, or day 0-365 (form 0); at seconds of local time. */
struct zone_rule_date {
  char form;
  int month, week, day;
  int32_t seconds;
};

static bool rule_number(const char **p, int *out) {
  if (!ascii_is_digit(**p)) return false;
  int value = 0;
  while (ascii_is_digit(**p) && value < 100000) value = value * 10 + *(*p)++ - '0';
  *out = value;
  return true;
}

/* [+-]h[h][:mm[:ss]] */
static bool rule_seconds(const char **p, int32_t *out) {
  int sign = **p == '-' ? -1 : 1, value, part[3] = {0};
  if (**p == '-' || **p == '+') (*p)++;
  for (int i = 0; i < 3; i++) {
    if (!rule_number(p, &value) || value > 167) return false;
    part[i] = value;
    if (**p != ':') break;
    (*p)++;
  }
  *out = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
  return true;
}

static bool rule_name(const char **p) {
  const char *begin = *p;
  if (**p == '<') {
    while (**p && **p != '>') (*p)++;
    if (!**p) return false;
    (*p)++;
  } else {
    while ((**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z')) (*p)++;
  }
  return *p > begin;
}

static bool rule_date(const char **p, struct zone_rule_date *out) {
  *out = (struct zone_rule_date){.seconds = 7200};
  if (**p == 'M') {
    (*p)++;
    out->form = 'M';
    if (!rule_number(p, &out->month) || *(*p)++ != '.' || !rule_number(p, &out->week) || *(*p)++ != '.') return false;
    if (!rule_number(p, &out->day) || out->month < 1 || out->month > 12 || out->week < 1 || out->week > 5 || out->day > 6)
      return false;
  } else {
    if (**p == 'J') out->form = *(*p)++;
    if (!rule_number(p, &out->day) || out->day > 366) return false;
  }
  if (**p != '/') return true;
  (*p)++;
  return rule_seconds(p, &out->seconds);
}

/* Seconds of local time at which the rule strikes in `year`. */
static int64_t rule_date_in(const struct zone_rule_date *rule, int64_t year) {
  int64_t days = clock_days_from_civil(year, 1, 1);
  if (rule->form == 'J') {
    bool is_leap = clock_days_from_civil(year + 1, 1, 1) - days == 366;
    days += rule->day - 1 + (is_leap && rule->day >= 60);
  } else if (rule->form == 'M') {
    int64_t first = clock_days_from_civil(year, (unsigned)rule->month, 1);
    int64_t next =
        rule->month == 12 ? clock_days_from_civil(year + 1, 1, 1) : clock_days_from_civil(year, (unsigned)rule->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    days = first + (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
    if (days >= next) days -= 7;
  } else {
    days += rule->day;
  }
  return days * SECONDS_PER_DAY + rule->seconds;
}

static void zone_add(struct zone *zone, int64_t at, int32_t offset) {
  if (zone->count && at <= zone->changes[zone->count - 1].at) return;
  zone->changes[zone->count++] = (struct zone_change){at, offset};
}

/* Adds what `rule` (NUL-terminated) says behind the last change of the file. There is room for ZONE_RULE_CHANGES. */
static bool zone_add_rule(struct zone *zone, const char *rule) {
  int32_t standard, summer;
  struct zone_rule_date start, end;
  if (!*rule) return true;
  if (!rule_name(&rule) || !rule_seconds(&rule, &standard)) return false;
  standard = -standard; /* POSIX counts west of Greenwich */
  if (!*rule) {
    if (!zone->count) zone->first_offset = standard;
    return true;
  }
  summer = standard + 3600;
  if (!rule_name(&rule)) return false;
  if (*rule != ',') {
    if (!rule_seconds(&rule, &summer)) return false;
    summer = -summer;
  }
  if (*rule++ != ',' || !rule_date(&rule, &start) || *rule++ != ',' || !rule_date(&rule, &end) || *rule) return false;
  int64_t year = 1970;
  if (zone->count) {
    unsigned month, day;
    clock_civil_from_days(zone->changes[zone->count - 1].at / SECONDS_PER_DAY, &year, &month, &day);
  }
  if (year < ZONE_LAST_YEAR - 190) year = ZONE_LAST_YEAR - 190;
  for (; year <= ZONE_LAST_YEAR; year++) {
    int64_t to_summer = rule_date_in(&start, year) - standard, to_standard = rule_date_in(&end, year) - summer;
    if (to_summer < to_standard) {
      zone_add(zone, to_summer, summer);
      zone_add(zone, to_standard, standard);
    } else {
      zone_add(zone, to_standard, standard);
      zone_add(zone, to_summer, summer);
    }
  }
  return true;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------------ */

/* The counts of a TZif header, and the bytes of the block behind it for a width of times of 4 or 8. */
struct tzif_counts {
  uint64_t utc_flags, standard_flags, leaps, times, types, names;
};

static bool tzif_header(const unsigned char *p, const unsigned char *end, struct tzif_counts *out) {
  if (end - p < 44 || memcmp(p, "TZif", 4) != 0) return false;
  uint64_t counts[6];
  for (size_t i = 0; i < 6; i++) counts[i] = (uint64_t)read_big_endian(p + 20 + 4 * i, 4) & 0xffffffff;
  *out = (struct tzif_counts){counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
  return out->types > 0;
}

static uint64_t tzif_block_len(const struct tzif_counts *c, size_t width) {
  return c->times * (width + 1) + c->types * 6 + c->names + c->leaps * (width + 4) + c->standard_flags + c->utc_flags;
}

static struct zone *zone_from_block(const unsigned char *p, const struct tzif_counts *c, size_t width) {
  struct zone *zone = memory_zeroed(sizeof *zone + (c->times + ZONE_RULE_CHANGES) * sizeof *zone->changes);
  const unsigned char *indexes = p + c->times * width, *types = indexes + c->times;
  zone->first_offset = (int32_t)read_big_endian(types, 4);
  for (size_t i = 0; i < c->times; i++) {
    if (indexes[i] >= c->types) {
      free(zone);
      return NULL;
    }
    zone_add(zone, read_big_endian(p + i * width, width), (int32_t)read_big_endian(types + 6 * indexes[i], 4));
  }
  return zone;
}

/* `bytes` is followed by a NUL. NULL when damaged. */
static struct zone *zone_from_bytes(const unsigned char *bytes, size_t len) {
  const unsigned char *p = bytes, *end = bytes + len;
  struct tzif_counts counts;
  if (!tzif_header(p, end, &counts)) return NULL;
  size_t width = 4;
  if (p[4] >= '2') { /* the block with 32-bit times comes first and is of no use */
    uint64_t skip = 44 + tzif_block_len(&counts, 4);
    if ((uint64_t)(end - p) < skip) return NULL;
    p += skip;
    if (!tzif_header(p, end, &counts)) return NULL;
    width = 8;
  }
  p += 44;
  uint64_t block_len = tzif_block_len(&counts, width);
  if ((uint64_t)(end - p) < block_len) return NULL;
  struct zone *zone = zone_from_block(p, &counts, width);
  p += block_len;
  if (!zone || width == 4 || p == end || *p != '\n') return zone;
  char rule[128];
  const unsigned char *rule_end = memchr(p + 1, '\n', (size_t)(end - p - 1));
  if (!rule_end || (size_t)(rule_end - p) > sizeof rule) return zone;
  size_t rule_len = (size_t)(rule_end - p - 1);
  memcpy(rule, p + 1, rule_len);
  rule[rule_len] = 0;
  size_t count = zone->count;
  if (!zone_add_rule(zone, rule)) zone->count = count;
  return zone;
}

struct zone *zone_new(const char *name, struct error *err) {
  char path[256];
  int path_len = snprintf(path, sizeof path, ZONE_DIRECTORY "%s", name);
  if (!*name || *name == '/' || strstr(name, "..") || path_len >= (int)sizeof path) {
    error_set(err, ERROR_USAGE, "zone '%s' is no IANA name such as Europe/Berlin", name);
    return NULL;
  }
  FILE *file = fopen(path, "rb");
  if (!file) {
    error_set_errno(err, ERROR_USAGE, errno, "zone '%s': %s", name, path);
    return NULL;
  }
  unsigned char *bytes = memory_alloc(ZONE_FILE_BYTES + 1);
  size_t len = fread(bytes, 1, ZONE_FILE_BYTES, file);
  fclose(file);
  bytes[len] = 0;
  struct zone *zone = zone_from_bytes(bytes, len);
  free(bytes);
  if (!zone) error_set(err, ERROR_USAGE, "zone '%s': %s is no time zone file", name, path);
  return zone;
}

void zone_free(struct zone *zone) { free(zone); }

const struct zone *zone_once_read(struct zone_once *once, const char *name) {
  if (!once->is_read && name) once->zone = zone_new(name, NULL);
  once->is_read = true;
  return once->zone;
}

void zone_once_deinit(struct zone_once *once) {
  zone_free(once->zone);
  *once = (struct zone_once){0};
}
