/* The spool: a lane's append-only log of checksummed records. What it says is done is on stable storage.
 *
 * One lane is one directory, locked by one process (flock on "lock"). It holds segments ("segments/0000000000000001"),
 * fixed-size files that are preallocated and recycled, and "large/" with the bodies that were too large for the log
 * (one file each, named by message id). The format is in format.h.
 *
 * Writing is a group commit: entries that come while a commit runs wait, then go together: one durable write, and
 * each entry's callback. At most one commit runs; entries are durable in the order in which they were appended.
 * Under load a commit waits up to SPOOL_COMMIT_INTERVAL_MS since the one before, so that it carries more.
 *
 * All I/O goes through the loop. Nothing here knows SMTP or delivery: a message is an id, a list of recipients'
 * states and bytes. */
#ifndef POSTERN_SPOOL_SPOOL_H
#define POSTERN_SPOOL_SPOOL_H

#include <sys/uio.h>

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/io/loop.h"

struct spool;

enum spool_status {
	SPOOL_OK,
	SPOOL_FULL,  /* no space: 452 */
	SPOOL_ERROR, /* a write or sync failed: 451. The lane goes on with a new segment where it can */
};

/* Where a message's record is. Moves when compaction copies it: spool_moved below. */
struct spool_place {
	uint32_t segment;
	uint32_t offset;
	uint32_t size; /* of the record, header and all */
};

/* --- message ids --- */

/* Ids grow, never repeat in a lane's life, and carry the lane: 8 bits lane, 56 bits microseconds. */
enum { SPOOL_ID_TEXT_BYTES = 14 };
uint64_t spool_new_id(struct spool *spool);
/* 13 characters of Crockford base 32 and a NUL; sorts like the number. */
void spool_id_format(uint64_t id, char text[SPOOL_ID_TEXT_BYTES]);
MUST_USE bool spool_id_parse(struct slice text, uint64_t *id);

/* --- opening and recovery --- */

/* What a message is to its owner (the queue). `envelope` is opaque to the spool here: see envelope.h. */
struct spool_message {
	uint64_t id;
	struct spool_place place;
	struct slice envelope; /* valid inside the callback only */
	const uint8_t *
		done_bits; /* bit i of byte i/8: recipient i is finished; NULL: none is. Valid inside the callback only */
	uint64_t size_bytes; /* of the message text */
	int64_t accepted_unix_us;
	bool held; /* by the last HOLD or RELEASE record, or by how it was appended */
	bool large;
};

struct spool_settings {
	const char *directory;  /* the lane's; made when missing (its parent must exist) */
	unsigned lane;          /* 0 … 255 */
	uint64_t segment_bytes; /* 0: LIMIT_SEGMENT_BYTES */
	uint64_t most_bytes;    /* of disk for all segments; 0: until the disk is full */
};

/* Each live message, once, in order of acceptance. */
typedef void spool_recovered(void *context, const struct spool_message *message);

/* A record was copied by compaction and is durable at the new place; the old one goes. */
typedef void spool_moved(void *context, uint64_t id, struct spool_place to);

/* Locks the lane, recovers it (turning the loop), makes the first segment ready. NULL and `error`: what is wrong and
 * what to do; the lane is left as it was. */
struct spool *spool_open(struct loop *loop, const struct spool_settings *settings, spool_recovered *recovered,
			 spool_moved *moved, void *context, struct error *error);

/* Commits what waits (turning the loop), unlocks. */
void spool_close(struct spool *spool);

/* --- appending --- */

struct spool_entry;
typedef void spool_done(struct spool_entry *entry, enum spool_status status);

/* Embedded in its owner, untouched by it from append to callback. */
struct spool_entry {
	struct list link;
	spool_done *done;
	struct spool_place place;  /* valid in the callback when SPOOL_OK */
	const struct iovec *parts; /* payload, in order; the memory must stay until the callback */
	uint32_t part_count;
	uint32_t payload_size;
	uint64_t id;
	uint8_t header[64]; /* the record's, filled by the spool */
	uint8_t padding[8];
};

/* A message: parts are the envelope (envelope_size bytes, format in envelope.h), then the text. `large`: the text is in the
 * lane's large file of this id, which must be finished; parts are the envelope and whatever text goes in front of it. */
void spool_append_message(struct spool *spool, struct spool_entry *entry, uint64_t id, const struct iovec *parts,
			  uint32_t part_count, uint32_t envelope_size, uint64_t text_size, bool held, bool large,
			  spool_done *done);

/* Changes of a message's state. */
enum spool_change {
	SPOOL_RECIPIENT_DONE, /* `recipient` is delivered, failed for good, or removed */
	SPOOL_MESSAGE_DONE,   /* all recipients: the record and the large file are free */
	SPOOL_HOLD,
	SPOOL_RELEASE,
	SPOOL_ATTEMPT, /* a try failed for now: `detail` bytes say what the queue wants to know after a restart */
};
void spool_append_change(struct spool *spool, struct spool_entry *entry, uint64_t id, enum spool_change change,
			 uint32_t recipient, struct slice detail, spool_done *done);

/* After SPOOL_MESSAGE_DONE is durable: the message's bytes are dead (the owner gives the place it knows). */
void spool_forget(struct spool *spool, uint64_t id, struct spool_place place, bool large);

/* True while entries should not be added: the commit queue is over LIMIT_COMMIT_BYTES × 2. Sources pause and ask again
 * after their next callback. */
bool spool_is_busy(const struct spool *spool);

/* False while the disk is known to be full or failing: MAIL can be answered 452 early. Tries again by itself each second. */
bool spool_is_writable(const struct spool *spool);

/* --- large messages: a body file that is written while the message comes in --- */

struct spool_large;
typedef void spool_large_done(struct spool_large *large, enum spool_status status);

struct spool_large {
	struct spool *spool;
	uint64_t id;
	uint64_t size_bytes;
	int fd;
	uint8_t step;
	struct loop_op op;
	spool_large_done *done;
	char path[40];
};

/* Each starts one step and calls back once. Open: creates. Write: appends the parts, whole. Finish: syncs file and directory and
 * closes; then the message record may be appended. */
void spool_large_open(struct spool *spool, struct spool_large *large, uint64_t id, spool_large_done *done);
void spool_large_write(struct spool_large *large, const struct iovec *parts, uint32_t count, spool_large_done *done);
void spool_large_finish(struct spool_large *large, spool_large_done *done);
/* The message won't come: closes and unlinks. No step may be running. Files with no message record are removed at recovery too. */
void spool_large_abandon(struct spool_large *large, spool_large_done *done);

/* --- reading back, for delivery and for people --- */

struct spool_read;
typedef void spool_read_done(struct spool_read *read, enum spool_status status);

struct spool_read {
	struct spool *spool;
	struct loop_op op;
	struct iovec part;
	uint8_t *record;       /* freed by spool_read_finish() */
	struct slice envelope; /* after the callback */
	struct slice text;     /* inline text; for a large one what goes in front of the file */
	int large_fd;          /* open for reading, or -1 */
	uint64_t large_size;
	uint64_t id;
	struct spool_place place;
	uint8_t step;
	spool_read_done *done;
	char path[40];
};

/* Loads a live message and checks it (checksum, id). The place must stay valid until the callback. */
void spool_read_start(struct spool *spool, struct spool_read *read, uint64_t id, struct spool_place place, bool large,
		      spool_read_done *done);
void spool_read_finish(struct spool_read *read);

/* For `postern queue list`: walks a lane's files read-only, without the lock, while a server may be writing. Messages come as they
 * are found (those that are finished later in the log are told apart first: one quick pass over headers). */
typedef bool spool_listed(void *context, const struct spool_message *message); /* false: stop */
MUST_USE bool spool_list(const char *directory, spool_listed *listed, void *context, struct error *error);

/* One message's bytes by id, read-only as above: the envelope and the text are malloc'ed, the caller frees. */
struct spool_copy {
	struct spool_message message;
	uint8_t *envelope;
	size_t envelope_size;
	uint8_t *text;
	size_t text_size;
};
MUST_USE bool spool_copy_message(const char *directory, uint64_t id, struct spool_copy *copy, struct error *error);

#endif
