/* What the files of the spool share: its state, and which file does what.
 *
 *   spool.c       opening and closing a lane
 *   id.c          message ids
 *   format.c      records as bytes              scan.c       walking a segment's records
 *   live.c        a live message's state         segment.c    the set of segments: what is in use, what is free
 *   supply.c      recycles and removes segment files, and has new ones made (supply_make.c), ahead of need
 *   writer.c      group commit                  append.c     what goes into it: messages and changes
 *   batch.c       the bytes of a commit         room.c       who may have the last room of a full lane
 *   find.c        what the index tells of messages
 *   recovery.c    replay at opening             harden.c     makes durable what was found
 *   resume.c      opening without space         compaction.c empties sparse segments
 *   large.c       large files                   read.c       reading one message back
 *
 * Reading a lane from outside has files and a header of its own: outside.h.
 *
 * The way down: append → writer → segment; the writer asks the supply for segments; the supply and compaction tell the
 * writer when it can go on. Everything runs in the loop's callbacks. */
#ifndef POSTERN_SPOOL_INTERNAL_H
#define POSTERN_SPOOL_INTERNAL_H

#include "core/base/map.h"
#include "core/spool/live.h"
#include "core/spool/scan.h"
#include "core/spool/spool.h"

/* --- segment.c --- */

/* Changes in one segment that are about messages in another, older one: they are needed as long as that one exists. */
struct reference {
	uint32_t generation;
	uint32_t bytes;
};

enum segment_state {
	SEGMENT_READY,    /* empty, waits for its turn */
	SEGMENT_CURRENT,  /* being written */
	SEGMENT_SEALED,   /* full, or ended early */
	SEGMENT_RETIRING, /* nothing in it is needed; the supply takes its name away */
};

struct segment {
	struct list link;     /* in the set's list of its state */
	struct map_node node; /* by generation, unless it is ready */
	uint32_t generation;
	uint32_t new_generation; /* retiring: it will be that one; 0: it is unlinked */
	uint32_t size;           /* of the file */
	uint32_t used;           /* behind the last durable record */
	uint32_t readers;
	int fd;        /* -1: closed */
	int direct_fd; /* for writing past the page cache, until it is sealed; -1: where that can't be */
	uint8_t state;
	bool direct_tried;
	bool begun;        /* its opening is durable */
	bool sealed_early; /* what is behind `used` does not count: written into new segments' openings */
	bool was_sparse;   /* at compaction's last look */
	bool evacuated;    /* by compaction: what is live in it is over soon, its changes are copied */
	bool renamed;      /* retiring: all but the folder's sync is done */
	bool kept;         /* no memory to know what its changes refer to: not free before the next recovery */
	uint64_t salt;
	uint64_t live_bytes;          /* records of live messages */
	uint64_t referring_bytes;     /* sum of the references' */
	struct reference *references; /* by generation */
	uint32_t reference_count;
	uint32_t reference_capacity;
};

struct segment_set {
	struct list used;     /* sealed ones by generation, the current one last */
	struct list ready;    /* by generation */
	struct list retiring; /* in the order in which they became free */
	struct map by_generation;
	struct segment *current;      /* may be NULL: after a failed write, and before the first */
	struct segment *newest_begun; /* carries the seals and the last id: never free */
	struct segment *stale;        /* compaction has copied from it and it still exists; one at a time */
	uint64_t file_bytes;          /* of all files */
	uint32_t ready_count;
	uint32_t open_count;      /* descriptors of used ones */
	uint32_t next_generation; /* for the next file that becomes ready */
};

MUST_USE bool segments_init(struct segment_set *set);
void segments_finish(struct spool *spool);

/* A segment in no list; NULL when memory has run out. */
struct segment *segment_create(uint32_t generation, uint32_t size, int fd);
void segment_destroy(struct spool *spool, struct segment *segment);

/* One that exists and is not ready, or NULL. */
struct segment *segment_find(const struct segment_set *set, uint32_t generation);

void segments_add_ready(struct segment_set *set, struct segment *segment);
void segments_add_used(struct segment_set *set, struct segment *segment);

/* Makes the first ready one current; the one before must be sealed. */
void segments_rotate(struct spool *spool);
void segments_seal_current(struct spool *spool, bool early);
/* Seals of all that ended early and still exist, the newest first; answers how many. */
uint32_t segments_seals(const struct segment_set *set, struct segment_seal seals[LIMIT_SEALS]);
/* The current one's opening has become durable. */
void segments_current_begun(struct spool *spool);

/* Notes that a change of `bytes` in `segment` is about a message in segment `generation` (0: in none). */
void segment_refer(const struct segment_set *set, struct segment *segment, uint32_t generation, uint32_t bytes);

/* Retires it if nothing in it is needed. Call whenever something may have become unneeded. */
void segment_settle(struct spool *spool, struct segment *segment);
void segments_settle_all(struct spool *spool);

/* The retiring segment's name is gone, durably: what refers to it is unneeded now. It is out of all lists then. */
void segment_gone(struct spool *spool, struct segment *segment);

/* Bytes that compaction would have to copy. */
uint64_t segment_needed_bytes(const struct segment *segment);

/* True for one that compaction may empty. */
bool segment_may_be_emptied(const struct segment_set *set, const struct segment *segment);

/* Closes the oldest descriptors over LIMIT_OPEN_SEGMENTS. */
void segments_close_surplus(struct spool *spool);

/* --- batch.c --- */

/* What a commit's first block begins with: the end of the last commit, or a segment's opening, which may be longer. */
enum { HEAD_MOST_BYTES = SEGMENT_OPENING_BYTES };
_Static_assert((int)HEAD_MOST_BYTES >= (int)SPOOL_BLOCK_BYTES, "the end of a commit is less than a block");

/* Where a batch's records go. */
struct batch_target {
	uint32_t generation; /* of the segment */
	uint32_t at;         /* of the first record in it */
	uint32_t head_size;
	uint64_t salt; /* of the segment */
};

/* Records as they will be in the file, behind a head. */
struct batch {
	struct list entries; /* whose records they are, in order */
	uint32_t count;
	uint32_t changes;           /* of them: not messages */
	uint32_t size;              /* of the records */
	struct batch_target target; /* that they were made for */
	uint8_t *bytes; /* aligned to SPOOL_BLOCK_BYTES; what belongs to an entry is valid in its callback too */
};

MUST_USE bool batch_init(struct batch *batch);
void batch_finish(struct batch *batch);
/* Small enough to have room in any empty segment, together with what is there. */
MUST_USE bool batch_has_room(const struct batch *batch, const struct spool_entry *entry, uint32_t segment_bytes);
/* Copies the entry's record: its header, parts and sizes are filled. */
void batch_add(struct batch *batch, struct spool_entry *entry, const struct batch_target *target);
/* The entry's header in the batch. */
uint8_t *batch_header(const struct spool_entry *entry);
/* The records are going to this place, and are finished. Answers how many bytes are to be written: whole blocks, head and all. */
uint32_t batch_finish_records(struct spool *spool, struct batch *batch, const struct batch_target *target,
			      struct slice head);
void batch_clear(struct batch *batch);

/* --- writer.c --- */

struct writer {
	struct list waiting; /* entries that no batch has room for now, in the order of appending */
	uint64_t waiting_bytes;
	struct batch batches[2]; /* these take turns */
	struct batch *filling;   /* carries what is appended now */
	struct batch *running;   /* is being written; NULL: none */
	uint32_t end;            /* of its records in the segment */
	uint64_t write_at;       /* where in the segment its blocks go */
	uint32_t write_size;     /* of them */
	uint32_t written;
	uint32_t last_count; /* entries of the last commit */
	uint64_t started_ns; /* when it began */
	unsigned failures;   /* commits in a row */
	struct list refused; /* their callbacks come from the loop */
	struct timer refusing;
	struct timer pace;
	struct loop_op op;
	struct segment_opening opening;
	uint32_t head_size; /* of the next batch's head */
	uint8_t head[HEAD_MOST_BYTES];
	struct iovec part;
};

/* False when memory has run out; writer_finish() is due all the same. */
MUST_USE bool writer_init(struct writer *writer);
void writer_finish(struct writer *writer);
bool writer_is_idle(const struct writer *writer);
/* The entry's header, parts and sizes are filled. */
void writer_append(struct spool *spool, struct spool_entry *entry);
/* Lets the entry's callback come from the loop with this status. */
void writer_refuse(struct spool *spool, struct spool_entry *entry, enum spool_status status);
/* Begins a commit if there is reason to. */
void writer_kick(struct spool *spool);

/* --- room.c --- */

/* How many ready segments are kept for compaction: one, where there is something that it could empty. */
uint32_t room_kept_segments(const struct segment_set *set);
/* Whether the entry may have its place at `at` in the current segment. */
bool room_has(const struct spool *spool, const struct spool_entry *entry, uint32_t at);
/* Whether the entry (NULL: a batch that has no segment any more) may begin the next one. */
bool room_in_next(const struct spool *spool, const struct spool_entry *entry);
/* While there is no space: whether messages may have some of what is left. */
bool room_for_messages(const struct spool *spool);
/* While there is no space: the segment that is to be emptied into what is left; NULL: none is worth it, or none fits. */
struct segment *room_to_empty(const struct spool *spool);

/* --- append.c --- */

bool entry_is_change(const struct spool_entry *entry);
/* A message, or what the lane can do without where it is full. */
bool entry_is_dispensable(const struct spool_entry *entry);
/* Fills in which segment a change refers to, in its batch; when its place is known. */
void append_refer(const struct spool *spool, struct spool_entry *entry);
/* What a durable entry means for the index and the accounting; called for each before its callback. */
void append_apply(struct spool *spool, struct spool_entry *entry);
/* What a refused or failed one leaves behind. */
void append_undo(struct spool *spool, struct spool_entry *entry);
/* Appends a record of compaction's, as it is. The header's generation and checksums are filled in later. */
void append_record(struct spool *spool, struct spool_entry *entry, const struct record_header *header,
		   const struct iovec *parts, uint32_t part_count, spool_done *done);

/* --- find.c --- */

/* As spool_find() tells it. */
struct spool_message live_message(const struct live *live);

/* --- supply.c --- */

enum { SUPPLY_PARTS = 16 };

struct supply {
	struct loop_op op;
	struct timer retry;
	bool running;
	bool wanted;              /* the writer waits for a segment */
	bool first;               /* nothing is ready and the start waits: a small one does */
	enum spool_status status; /* not OK: no more segments can be had, `retry` runs */
	bool retiring_blocked;    /* it failed; `retry` runs */
	struct segment *retiring; /* at work on it */
	struct segment *opening;  /* or on this one */
	int fd;                   /* of the new file */
	int direct_fd;            /* the same past the page cache, or -1 */
	uint32_t size;
	uint32_t written;
	struct iovec zeros[SUPPLY_PARTS];
	char name[SEGMENT_NAME_BYTES];
	char new_name[SEGMENT_NAME_BYTES];
};

void supply_init(struct supply *supply);
/* Does what there is to do: retires what is free, and makes a segment when one will be needed. */
void supply_run(struct spool *spool);
/* Waits SPOOL_RETRY_MS before the next segment is used: the disk fails. */
void supply_pause(struct spool *spool, enum spool_status status);
enum spool_status supply_status_of(int error);

/* --- supply_make.c, and what it tells supply.c --- */

/* Begins to make a segment. */
void supply_make(struct spool *spool);
/* None could be made: tries again later. */
void supply_failed(struct spool *spool, int error);
/* An empty file has its name, durably. */
void supply_add_ready(struct spool *spool, struct segment *segment);
/* Goes on with what is next. */
void supply_finished(struct spool *spool);
/* Closing: only what the last commits need is done. */
bool supply_is_over(const struct spool *spool);

/* --- compaction.c --- */

enum { COMPACTION_COPIES = 32 };

struct compaction_copy {
	struct spool_entry entry;
	struct spool *spool;
	uint32_t old_offset;
	bool moves; /* a message; else a change */
	struct iovec parts[2];
	uint8_t *state;
};

struct compaction {
	struct timer timer;
	struct loop_op op;
	struct segment *segment; /* being emptied; NULL: none */
	struct scan scan;
	struct iovec room;
	uint32_t copy_count;
	uint32_t in_flight;
	uint32_t pass;
	bool failed;
	bool goes_on; /* one was emptied just now: the next of the last look follows */
	bool running; /* an operation or entries are under way */
	char name[SEGMENT_NAME_BYTES];
	struct compaction_copy copies[COMPACTION_COPIES];
};

void compaction_init(struct spool *spool);
/* Begins to look for work. */
void compaction_start(struct spool *spool);
/* The lane is full: looks at once, and each second. */
void compaction_hurry(struct spool *spool);
void compaction_finish(struct spool *spool);

/* --- recovery.c --- */

MUST_USE bool recovery_run(struct spool *spool, spool_recovered *recovered, void *context, struct error *error);

/* --- harden.c --- */

/* Both at opening, turning the loop. The newest segment is the one with the newest records, as far as they count. */
MUST_USE bool harden_folder(struct spool *spool, int fd, const char *path, struct error *error);
MUST_USE bool harden_newest(struct spool *spool, struct error *error);

/* --- resume.c --- */

/* At opening, when no segment can be had: makes the newest one current again, if it has room. */
void resume_newest(struct spool *spool);

/* --- spool.c --- */

struct spool {
	struct loop *loop;
	char *directory;
	unsigned lane;
	uint32_t segment_bytes;
	uint64_t most_bytes;
	uint32_t compaction_ms;
	spool_moved *moved;
	void *context;
	int folder_fd;
	int lock_fd;
	int segments_fd;
	int large_fd;
	uint64_t last_id;
	uint32_t removals; /* of large files, that run */
	bool closing;
	bool ready_to_write; /* there was memory for the writer */
	struct loop_op op;   /* for loop_await() at opening */
	struct live_index index;
	struct segment_set segments;
	struct supply supply;
	struct writer writer;
	struct compaction compaction;
};

/* At opening: the result of an operation on spool->op that was just started. */
int32_t spool_await(struct spool *spool);

/* --- large.c --- */

/* Unlinks a message's large file, some time. */
void large_remove(struct spool *spool, uint64_t id);

#endif
