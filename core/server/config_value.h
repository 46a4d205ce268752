/* The values of a configuration: sizes, durations, rates. */
#ifndef POSTERN_SERVER_CONFIG_VALUE_H
#define POSTERN_SERVER_CONFIG_VALUE_H

#include "core/base/error.h"
#include "core/base/slice.h"

/* "36M", "1K", "2G", "1T", or bare bytes; K is 1024. */
MUST_USE bool config_size_parse(const char *text, uint64_t *bytes);

enum config_duration_status { CONFIG_DURATION_OK, CONFIG_DURATION_NO_UNIT, CONFIG_DURATION_WRONG };

/* "500ms", "60s", "5min", "1h", "7d"; "0" alone needs no unit. */
MUST_USE enum config_duration_status config_duration_parse(const char *text, uint64_t *ms);

/* "30/min", "500/h", "100/10min": a number from 1 to `most`, and the time in which so many may come. */
MUST_USE bool config_rate_parse(const char *text, uint64_t most, uint64_t *count, uint64_t *period_ms);

/* The other way, in the largest unit that holds the number whole: "36M", "5min". */
enum { CONFIG_UNIT_TEXT_BYTES = 32 };
void config_size_format(uint64_t bytes, char text[CONFIG_UNIT_TEXT_BYTES]);
void config_duration_format(uint64_t ms, char text[CONFIG_UNIT_TEXT_BYTES]);

#endif
