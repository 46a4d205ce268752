/* The last refusals of a worker: a ring of records in a file of its lane, written through the loop.
 *
 * Memory and disk are bounded: where refusals come faster than the file takes them, some have an id and a line in the log but
 * no record. Nothing is synced: a crash of the machine may lose the last ones. A file that can't be written is told in the log
 * and tried again a minute later, and harms nothing else. */
#ifndef POSTERN_SERVER_REFUSAL_FILE_H
#define POSTERN_SERVER_REFUSAL_FILE_H

#include "core/io/loop.h"
#include "core/server/refusal.h"

struct refusal_file;

#define REFUSAL_FILE_NAME "refusals"

/* NULL: no memory. The file is made with the first record. */
struct refusal_file *refusal_file_create(struct loop *loop, const char *lane_directory, unsigned lane);

/* Waits until nothing is being written. NULL is allowed. */
void refusal_file_destroy(struct refusal_file *file);

/* Gives the refusal its id and time, and keeps a copy. */
void refusal_file_add(struct refusal_file *file, struct refusal *refusal);

/* An id alone, for one that is not kept. */
uint64_t refusal_file_pass(struct refusal_file *file);

/* For the command line: finds the record in a lane's folder. False, with `error`: it can't be read, or is not there (any more). */
MUST_USE bool refusal_file_find(const char *lane_directory, uint64_t id, struct refusal *refusal, struct error *error);

#endif
