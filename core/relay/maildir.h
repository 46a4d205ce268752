/* One copy of a message into one Maildir: tmp/NAME, synced, renamed to new/NAME, new/ synced.
 *
 * NAME is "<seconds of acceptance>.<message id>.<hostname>", the same each time, so a repeat after a crash takes the
 * place of the copy it may have left behind. That works as long as the copy is in new/: once a mail reader has moved it to cur/ it has
 * flags in its name and can't be found without reading the whole folder, and the repeat is a second copy. A crash repeats only
 * what was in flight, so that is the price of at-least-once delivery, paid seldom.
 *
 * The text is stored as files have it: CRLF becomes LF, every other byte stays. In front of it goes what the caller puts
 * there (Return-Path, Delivered-To). */
#ifndef POSTERN_RELAY_MAILDIR_H
#define POSTERN_RELAY_MAILDIR_H

#include "core/base/buffer.h"
#include "core/relay/folder.h"
#include "core/relay/line_ends.h"

enum { MAILDIR_NAME_BYTES = 256, MAILDIR_HOST_BYTES = 200 };

struct maildir_copy;
/* `result` is 0 or a negative errno value; copy->failed says what failed. */
typedef void maildir_done(struct maildir_copy *copy, int32_t result);

/* What is copied; all of it stays as it is until the callback. */
struct maildir_message {
	const char *name;
	struct slice text;   /* in front of the large file, or all there is */
	int large_fd;        /* -1: none */
	uint64_t large_size; /* bytes to read from it */
};

/* Embedded in its owner. A finished copy can be started again. */
struct maildir_copy {
	struct folder_cache *folders;
	struct folder *folder;
	struct folder_request request;
	struct loop_op op;
	struct timer soon;
	struct iovec part;
	maildir_done *done;
	const struct maildir_message *message;
	const char *failed; /* "open", "write", …; NULL when all went well */
	const char *path;
	size_t base_bytes;
	struct slice text; /* not yet written */
	uint64_t large_at; /* read so far */
	uint64_t written;
	struct line_ends line_ends;
	uint8_t *chunk; /* LIMIT_DELIVERY_CHUNK_BYTES */
	size_t chunk_size;
	int fd;
	int32_t result;
	uint8_t step;
	bool cleared;      /* what was there in tmp/ has been removed */
	bool looked_twice; /* the folder was missing something once: it was opened anew */
	bool durable;      /* the one write that there is syncs too */
	char tmp_name[MAILDIR_NAME_BYTES + 4];
	char new_name[MAILDIR_NAME_BYTES + 4];
};

void maildir_copy_init(struct maildir_copy *copy, struct folder_cache *folders);

/* Starts the copy to the Maildir at `path`, of which the first `base_bytes` must exist. `chunk` has head_size bytes that go in
 * front of the text, at most LIMIT_DELIVERY_CHUNK_BYTES / 2; it and `path` are the copy's until the callback, which
 * comes once, from the loop. */
void maildir_copy_start(struct maildir_copy *copy, const struct maildir_message *message, const char *path,
			size_t base_bytes, uint8_t *chunk, size_t head_size, maildir_done *done);

/* The host's part of names: "/" and ":" are written as Maildir has them ("\057", "\072"). Cut where it is too long. */
void maildir_host(const char *hostname, char host[MAILDIR_HOST_BYTES]);

/* Fills `name`. */
void maildir_name(char name[MAILDIR_NAME_BYTES], int64_t accepted_unix_us, const char *id, const char *host);

#endif
