/* The spool: a lane's append-only log of checksummed records. What it says is done is on stable storage.
 *
 * One lane is one directory, locked by one process (flock on "lock"). It holds segments ("segments/0000000000000001"),
 * fixed-size files that are preallocated and recycled, and "large/" with the bodies that were too large for the log
 * (one file each, named by message id). The format is in format.h.
 *
 * Writing is a group commit: entries that come while a commit runs gather in the next one: one durable write, and
 * each entry's callback. At most one commit runs; entries are durable in the order in which they were appended.
 * Under load a commit waits up to SPOOL_COMMIT_INTERVAL_MS since the one before, so that it carries more. Commits go
 * past the page cache where the file system can (O_DIRECT): what is written once and mostly never read need not push
 * anything out of memory, and costs a third of the processor's time.
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
struct live;

enum spool_status {
	SPOOL_OK,
	SPOOL_FULL,  /* no space: 452 */
	SPOOL_ERROR, /* a write or sync failed: 451. The lane goes on with a new segment where it can */
};

/* Where a message's record is. Changes when compaction copies it: spool_moved below. */
struct spool_place {
	uint32_t segment;
	uint32_t offset;
	uint32_t size; /* of the record, header and all */
};

/* --- message ids --- */

/* Ids grow and carry the lane: 8 bits lane, 56 bits microseconds. One that any message in the log ever had is never
 * given again, whatever the clock does. */
enum { SPOOL_ID_TEXT_BYTES = 14 };
uint64_t spool_new_id(struct spool *spool);
/* When it was given, in microseconds since 1970 (later where the clock went back). */
int64_t spool_id_time(uint64_t id);
/* 13 characters of Crockford base 32 and a NUL; sorts like the number. */
void spool_id_format(uint64_t id, char text[SPOOL_ID_TEXT_BYTES]);
/* Takes small letters, and I, L and O for 1, 1 and 0. */
MUST_USE bool spool_id_parse(struct slice text, uint64_t *id);

/* --- opening and recovery --- */

/* What a message is to its owner (the queue). `envelope` is opaque to the spool here: see envelope.h. */
struct spool_message {
	uint64_t id;
	struct spool_place place;
	struct slice envelope; /* valid inside the callback only */
	/* Bit i of byte i/8: recipient i is finished; NULL: none is. Valid inside the callback only. */
	const uint8_t *done_bits;
	struct slice detail; /* of the last change that had one; valid inside the callback only */
	uint64_t size_bytes; /* of the message text */
	int64_t accepted_unix_us;
	uint32_t recipients; /* of the envelope; 0: unknown */
	bool held;           /* by the last HOLD or RELEASE record, or by how it was appended */
	bool large;
};

struct spool_settings {
	const char *directory;  /* the lane's; made when missing (its parent must exist) */
	unsigned lane;          /* 0 … 255 */
	uint64_t segment_bytes; /* 0: LIMIT_SEGMENT_BYTES */
	uint64_t most_bytes;    /* of disk for all segments; 0: until the disk is full */
	uint32_t compaction_ms; /* between looks for sparse segments; 0: SPOOL_COMPACTION_MS */
};

/* Each live message, once, in order of their ids: as they were accepted. */
typedef void spool_recovered(void *context, const struct spool_message *message);

/* A record was copied by compaction and is durable at the new place; the old one goes. */
typedef void spool_moved(void *context, uint64_t id, struct spool_place to);

/* Locks the lane, recovers it (turning the loop), makes the first segment ready. Where there is no space for one the
 * spool opens all the same, not writable yet. NULL and `error`: what is wrong and what to do; no message is touched. */
struct spool *spool_open(struct loop *loop, const struct spool_settings *settings, spool_recovered *recovered,
			 spool_moved *moved, void *context, struct error *error);

/* Commits what waits (turning the loop), unlocks. No step of a large message and no read may be running. */
void spool_close(struct spool *spool);

/* --- appending --- */

struct spool_entry;
typedef void spool_done(struct spool_entry *entry, enum spool_status status);

/* Embedded in its owner, untouched by it from append to callback. */
struct spool_entry {
	struct list link;
	spool_done *done;
	struct spool_place place; /* valid in the callback when SPOOL_OK */
	const struct iovec
		*parts; /* payload, in order; the memory must stay until the spool has taken it: NULL then, at the
	                              latest in the callback (often before the appending function returns) */
	uint32_t part_count;
	struct slice payload; /* in the callback, when SPOOL_OK: all of it, in one piece */
	uint32_t payload_size;
	uint64_t id;
	/* The rest is the spool's. */
	struct live *live;   /* what a message will be in the index; of a change: not NULL when it has one there */
	struct iovec detail; /* the part of a change */
	uint8_t status;      /* why it was refused */
	uint8_t header[64];  /* of the record */
};

/* A message, of at most LIMIT_SPOOL_RECORD_BYTES here: parts are the envelope (envelope_size bytes, format in
 * envelope.h), then the text. `large`: the text is in the lane's large file of this id, which must be
 * finished; parts are the envelope and whatever text goes in front of it. */
void spool_append_message(struct spool *spool, struct spool_entry *entry, uint64_t id, const struct iovec *parts,
			  uint32_t part_count, uint32_t envelope_size, uint64_t text_size, bool held, bool large,
			  spool_done *done);

/* Changes of a message's state. */
enum spool_change {
	SPOOL_RECIPIENT_DONE, /* `recipient` is delivered, failed for good, or removed */
	SPOOL_MESSAGE_DONE,   /* all recipients: the record and the large file are free */
	SPOOL_HOLD,
	SPOOL_RELEASE,
	SPOOL_ATTEMPT, /* a try failed for now */
};
/* The message must be durable. `detail` of a hold, a release or an attempt is what the queue wants to know after a restart,
 * for people: spool_message gives the last one back. Its bytes must stay until the callback; what is over LIMIT_CHANGE_DETAIL_BYTES is
 * cut off. The owner's callback comes when the change is durable. On a full lane one may be refused (SPOOL_FULL) while
 * compaction makes room: the owner tries again. Attempts are refused as soon as messages are. */
void spool_append_change(struct spool *spool, struct spool_entry *entry, uint64_t id, enum spool_change change,
			 uint32_t recipient, struct slice detail, spool_done *done);

/* After SPOOL_MESSAGE_DONE is durable, or all recipients are: the message's bytes are dead. The owner gives the place it
 * knows, and reads it no more. Without this call they stay until the next recovery. */
void spool_forget(struct spool *spool, uint64_t id, struct spool_place place, bool large);

/* True while entries should not be added: over LIMIT_COMMIT_BACKLOG_BYTES wait for a commit. Sources pause and ask again
 * after their next callback. */
bool spool_is_busy(const struct spool *spool);

/* False while the disk is known to be full or failing: MAIL can be answered 452 early. Tries again by itself each second. */
bool spool_is_writable(const struct spool *spool);

/* --- what is held, which its owner need not keep in mind --- */

/* A live message by its id, as far as the index knows it: no envelope, no size, and accepted when its id was given. False: there is
 * none. */
MUST_USE bool spool_find(const struct spool *spool, uint64_t id, struct spool_message *message);

/* Tells all that are held in the order of their ids, a stretch of the index at a time: *after is the id that was looked at last, and
 * 0 at first. False: that was all. What comes behind is told too. The callback must not append or forget. */
MUST_USE bool spool_next_held(const struct spool *spool, uint64_t *after, spool_recovered *told, void *context);

/* --- large messages: a body file that is written while the message comes in --- */

struct spool_large;
typedef void spool_large_done(struct spool_large *large, enum spool_status status);

struct spool_large {
	struct spool *spool;
	uint64_t id;
	uint64_t size_bytes; /* written so far */
	/* The rest is the spool's. */
	int fd;
	struct loop_op op;
	spool_large_done *done;
	const struct iovec *parts; /* being written */
	uint32_t part_count;
	uint32_t part_at;  /* the first that is not written whole */
	size_t part_taken; /* bytes of it that are */
	struct iovec rest; /* of it */
	char name[SPOOL_ID_TEXT_BYTES];
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

enum { SPOOL_READ_NAME_BYTES = 24 };

struct spool_read {
	struct spool *spool;
	uint64_t id;
	struct spool_place place;
	struct slice envelope; /* after the callback */
	struct slice text;     /* inline text; for a large one what goes in front of the file */
	int large_fd;          /* open for reading, or -1 */
	uint64_t large_size;
	/* The rest is the spool's. */
	struct loop_op op;
	spool_read_done *done;
	uint8_t *record; /* freed by spool_read_finish() */
	uint32_t record_filled;
	int segment_fd; /* opened for this read, or -1 */
	bool large;
	struct iovec part;
	char name[SPOOL_READ_NAME_BYTES]; /* of the file being opened */
};

/* Loads a live message and checks it (checksum, id). The place must be the message's now; compaction may move the
 * message while it is being read. spool_read_finish() is due after the callback, whatever the status. */
void spool_read_start(struct spool *spool, struct spool_read *read, uint64_t id, struct spool_place place, bool large,
		      spool_read_done *done);
void spool_read_finish(struct spool_read *read);

/* For `postern queue list`: walks a lane's files read-only, without the lock, while a server may be writing. The newest
 * segment comes first, its messages in order, and so on to the oldest: what became of a message stands in its own
 * segment or in newer ones, so each can be told as soon as its segment was read, and memory holds only the changes of
 * messages in older ones. One that compaction moves meanwhile may be missed or come twice. */
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
