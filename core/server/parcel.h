/* What one process of the server hands to another that was started before it: files in memory, memory that is shared, sockets.
 * Over a socket pair of type SOCK_SEQPACKET that both have since then; in order, whole or not at all.
 *
 * From the keeper (keeper.h) to the supervisor, and from the supervisor to each worker. */
#ifndef POSTERN_SERVER_PARCEL_H
#define POSTERN_SERVER_PARCEL_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/limits.h"

enum parcel_kind {
	PARCEL_CONFIG = 1, /* a configuration to be served from now on; served.h has the order of its descriptors */
	PARCEL_TLS,        /* the files of TLS as they are now (tls_contents.h): one descriptor */
	PARCEL_LISTS,      /* the rules of `server` as its list files are now (policy/rules_image.h): one descriptor */
	PARCEL_REFUSED,    /* from the keeper: a file in memory with what is wrong, a line each */
	PARCEL_CHANGED,    /* from the keeper: the configuration's file has changed; no descriptors */
	PARCEL_AGAIN,      /* from the keeper: files that a refused configuration names have changed; no descriptors */
};

struct parcel {
	uint32_t kind;                /* enum parcel_kind */
	uint32_t server;              /* PARCEL_LISTS: the place of the block in the configuration */
	uint64_t generation;          /* of the configuration that it is about */
	uint8_t slots[LIMIT_SERVERS]; /* PARCEL_CONFIG to a worker: of its blocks (server_states.h) */
	uint32_t count;
	int *fds; /* `count` of them, malloc'ed; owned, -1: taken over by somebody */
};

/* Closes what was not taken over. */
void parcel_finish(struct parcel *parcel);

/* The descriptor in that place, which is the caller's now. */
int parcel_take(struct parcel *parcel, uint32_t place);

/* What the file in that place holds, as a text that is malloc'ed. NULL: it is not there, or no memory is. */
char *parcel_text(const struct parcel *parcel, uint32_t place);

/* The parcel stays the caller's. Waits a few seconds for room, where the peer is slow. False and `error`: it did not arrive. */
MUST_USE bool parcel_send(int socket, const struct parcel *parcel, struct error *error);

/* A parcel that has come in part. Begins as { 0 }. Where another begins before its end, it is given up. */
struct parcel_reader {
	struct parcel parcel;
	uint32_t total; /* descriptors that it has in all; meaningful once `begun` */
	bool begun;
};

enum parcel_state {
	PARCEL_WHOLE, /* `parcel` is the caller's */
	PARCEL_LATER, /* the rest has not come yet; a socket that blocks never answers this */
	PARCEL_ENDED, /* the peer has closed */
	PARCEL_BROKEN /* `error`: that one is lost; the next may come whole */
};

enum parcel_state parcel_receive(int socket, struct parcel_reader *reader, struct parcel *parcel, struct error *error);

/* Closes what has come in part. */
void parcel_reader_finish(struct parcel_reader *reader);

#endif
