/* A configuration as a process serves it: with the server blocks that were made of it. The supervisor has one, which its
 * children are forked with, and each worker the same.
 *
 * The first is made of the configuration's files. Those that come while the server runs are made of a parcel, which the keeper has
 * packed and the supervisor hands on to each worker. In both its descriptors are in this order:
 *     the configuration's text; the contents of all files of TLS (tls_contents.h);
 *     of each server block in turn: the rules of `connect` as an image, where it has list files; in a worker's also the memory
 *     that clients are counted in, where it counts them;
 *     the sockets of those listeners that were not there before (served_listener_before()): in the keeper's for one worker
 *     after the other, in a worker's its own. */
#ifndef POSTERN_SERVER_SERVED_H
#define POSTERN_SERVER_SERVED_H

#include "core/server/parcel.h"
#include "core/server/server_block.h"
#include "core/server/server_states.h"

struct served {
	uint64_t generation; /* SERVED_FIRST: that of the start */
	struct config *config;
	struct server_block *blocks; /* in the configuration's order */
};

enum { SERVED_FIRST = 1 };

/* --- listeners --- */

/* Of all blocks. */
size_t served_listeners(const struct config *config);

/* That one, counted over all blocks; NULL: there are fewer. In *block its server block, unless that is NULL. */
const struct config_listener *served_listener(const struct config *config, size_t listener, size_t *block);

/* Which listener of `before` has the same address as that one of `config`; -1: none. Its sockets go on then, with TLS or
 * without, in whatever block. */
int served_listener_before(const struct config *before, const struct config *config, size_t listener);

/* How many of `config` were not there. */
size_t served_new_listeners(const struct config *before, const struct config *config);

/* --- making --- */

/* The first one, with the files as they are. `config` is the struct's in any case. False and `error`: there is nothing to be freed. */
MUST_USE bool served_start(struct served *served, struct config *config,
			   const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES], struct error *error);

/* Of a PARCEL_CONFIG, whose descriptors stay its. `file` is the configuration's name. With `of_worker` the blocks have their slots and
 * count their clients; else served_go_on() sees to that. False and `error`: there is nothing to be freed. */
MUST_USE bool served_make(struct served *served, const struct parcel *parcel, bool of_worker, const char *file,
			  const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES], struct error *error);

/* In the supervisor: blocks go on with the slots and the counted clients of blocks of the same names in `before` (NULL: there
 * are none), others begin. False and `error`. */
MUST_USE bool served_go_on(struct served *served, const struct served *before, struct server_states *states,
			   struct error *error);

/* Certificates and keys as a PARCEL_TLS has them: of all blocks or, with `error`, of none. The descriptor stays the caller's. */
MUST_USE bool served_change_tls(struct served *served, int fd, struct error *error);

void served_finish(struct served *served);

/* In the supervisor: what a worker needs beside the sockets. They are in *parcel, which shares its descriptors with `from`, the keeper's, and
 * with the blocks; there is room for so many sockets behind them. Only its list is to be freed. False and `error`: no memory. */
MUST_USE bool served_pack(const struct served *served, const struct parcel *from, size_t sockets, struct parcel *parcel,
			  struct error *error);

/* How many descriptors a parcel has before its sockets. */
uint32_t served_files(const struct config *config, bool of_worker);

#endif
