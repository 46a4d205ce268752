/* Certificates, keys and the other files of TLS, while the server runs: a renewed certificate is served without a restart.
 *
 * A process of its own, the keeper, still has the rights that the server was started with, so it can read a key that only root
 * can. It looks at the files a few times a second and speaks with nobody. When some have changed and all of them, as they are
 * then, would do for a start, it puts their contents into memory that all processes share (shared_image.h), and each worker
 * makes new TLS contexts from these within half a second: new sessions get them, running ones end on what they began with.
 * When something is wrong the keeper tells what and where, and what was served before is served on. */
#ifndef POSTERN_SERVER_TLS_FILES_H
#define POSTERN_SERVER_TLS_FILES_H

#include <sys/types.h>

#include "core/server/server_block.h"
#include "core/server/shared_image.h"

enum { TLS_FILES_LOOK_MS = 250 };

struct tls_files {
	const struct config *config;
	struct shared_image contents; /* of all files, in the configuration's order */
	pid_t keeper;                 /* 0: it does not run */
	int keeper_pipe[2];           /* the keeper reads: a byte has it look at once; its end is the keeper's end */
};

/* --- the supervisor --- */

/* Before privileges are given up, and before the first worker: starts the keeper, unless no server block has TLS. The blocks
 * are made with the files as they are. False and `error` otherwise. */
MUST_USE bool tls_files_start(struct tls_files *files, const struct config *config, struct error *error);
void tls_files_stop(struct tls_files *files);

/* The keeper reads all files anew. False: there is none. */
bool tls_files_look_now(struct tls_files *files);

/* Was that child the keeper? Then it is told that nothing is watched any more. */
bool tls_files_reap(struct tls_files *files, pid_t pid);

void tls_files_expect_worker(struct tls_files *files, unsigned worker);
void tls_files_forget_worker(struct tls_files *files, unsigned worker);

/* --- a worker, and a hasher that has nothing to do with it --- */

void tls_files_leave(struct tls_files *files);

/* Changes over to contents that were published since; `generation` is what the worker uses, at first SHARED_IMAGE_FIRST.
 * Between two turns. `blocks` are the worker's own. */
void tls_files_adopt(struct tls_files *files, struct server_block *blocks, unsigned worker, uint64_t *generation);

#endif
