/* Telling what a run came to: as text for people, or as JSON. */
#ifndef POSTERN_BENCH_REPORT_H
#define POSTERN_BENCH_REPORT_H

#include <stdio.h>

#include "bench/outcome.h"

/* The percentiles that are reported, in 1/1000. */
enum { REPORT_PERCENTILES = 4 };
extern const unsigned report_percentiles[REPORT_PERCENTILES];

/* "connect+TLS", …; a whole operation by the scenario's word. */
const char *report_phase_name(const struct outcome *outcome, enum results_phase phase);

/* "535 5.7.8 wrong", or what happened where there was no reply. */
void report_failure_text(const struct results_failure *failure, char *text, size_t capacity);

void report_text(const struct outcome *outcome, FILE *out);

/* One object. Numbers that are not known are left out. False when memory has run out. */
MUST_USE bool report_json(const struct outcome *outcome, FILE *out);

/* What a reader should know before believing the numbers, one sentence each, NULL at the end. */
enum { REPORT_NOTES_MOST = 7 };
void report_notes(const struct outcome *outcome, const char *notes[REPORT_NOTES_MOST + 1]);

#endif
