/* Days and months. See partition.h. */
#include "aggregate/partition.h"

#include "base/clock.h"

#define DAY_US (SECONDS_PER_DAY * US_PER_SECOND)

const struct retention RETENTION_DEFAULT = {.minute_days = 3, .hour_days = 90, .keep_days = 1826};

static int64_t first_of_month(int64_t year, unsigned month) { return clock_days_from_civil(year, month, 1) * DAY_US; }

void partition_at(const struct retention *retention, const struct dataset *dataset, int64_t now_us, int64_t time_us,
                  struct partition *out) {
  int64_t day = time_us / DAY_US, year;
  unsigned month, day_of_month;
  clock_civil_from_days(day, &year, &month, &day_of_month);
  int64_t month_end = month == 12 ? first_of_month(year + 1, 1) : first_of_month(year, month + 1);
  if (month_end <= now_us - retention->hour_days * DAY_US) {
    *out = (struct partition){
        .from_us = first_of_month(year, month), .to_us = month_end, .resolution_s = SECONDS_PER_DAY, .origin = SEGMENT_FROM_MONTH};
  } else {
    *out = (struct partition){.from_us = day * DAY_US, .to_us = (day + 1) * DAY_US, .resolution_s = 60, .origin = SEGMENT_FROM_DAY};
    if (out->to_us <= now_us - retention->minute_days * DAY_US) out->resolution_s = 3600;
  }
  uint32_t unit_s = dataset_time_unit_s(dataset);
  if (out->resolution_s < unit_s) out->resolution_s = unit_s;
  out->is_expired = retention->keep_days && out->to_us <= now_us - retention->keep_days * DAY_US;
}

bool partition_is_made_by(const struct partition *partition, const struct segment_record *segment) {
  return segment->writer == (uint32_t)partition->origin && segment->resolution_s == partition->resolution_s &&
         segment->from_us >= partition->from_us && segment->to_us <= partition->to_us;
}
