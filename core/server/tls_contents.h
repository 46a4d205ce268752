/* The contents of all files of TLS that a configuration names, as one file in memory: read by who has the right to, used by processes that
 * have not. It holds keys, so it is in no core dump and goes only to processes of the server's own. */
#ifndef POSTERN_SERVER_TLS_CONTENTS_H
#define POSTERN_SERVER_TLS_CONTENTS_H

#include "core/server/server_block.h"

/* Calls `with` for each file, always in the same order; one that several blocks use comes several times. False: `with` has
 * said so. */
bool tls_contents_each_file(const struct config *config, server_block_with_file *with, void *context);

/* Reads all. Answers the descriptor, or -1 and `error`, also where a file changes meanwhile. */
int tls_contents_write(const struct config *config, struct error *error);

/* What a process makes TLS contexts of. */
struct tls_contents {
	struct tls_copy *copies;
	size_t count, room;
};

/* Of the same configuration as it was written for. The descriptor stays the caller's. False and `error`; tls_contents_close() then too. */
MUST_USE bool tls_contents_open(struct tls_contents *contents, const struct config *config, int fd,
				struct error *error);
void tls_contents_close(struct tls_contents *contents);

/* A server_block_find_file, whose context is the struct. */
const char *tls_contents_find(void *contents, const char *path);

#endif
