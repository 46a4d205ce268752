/* What the files of the keeper share: keeper.c (the supervisor's side, and the process), keeper_tls.c (files that are looked at),
 * keeper_pack.c (the child that checks a configuration and packs it). */
#ifndef POSTERN_SERVER_KEEPER_PARTS_H
#define POSTERN_SERVER_KEEPER_PARTS_H

#include "core/server/file_watch.h"
#include "core/server/keeper.h"

/* --- keeper_tls.c --- */

struct file_watches {
	struct file_watch *list;
	size_t count, room;
};

/* Of all files of TLS. As they are now they are in use. The configuration outlives the watches. False: no memory. */
MUST_USE bool tls_watches_begin(struct file_watches *watches, const struct config *config);

/* The same of all other files that the configuration names: lists and helpers. */
MUST_USE bool other_watches_begin(struct file_watches *watches, const struct config *config);

/* Has any changed and stayed so since the last look? Then each change is answered once. */
bool file_watches_take(struct file_watches *watches);

void file_watches_finish(struct file_watches *watches);

enum tls_change { TLS_UNCHANGED, TLS_CHANGED, TLS_WRONG };

/* Looks at the files; with `pressed` they count as changed. TLS_CHANGED: *fd has their contents, as tls_contents_write() answers them;
 * TLS_WRONG: `error`. Each change is answered once. */
enum tls_change tls_watches_look(struct file_watches *watches, const struct config *config, bool pressed, int *fd,
				 struct error *error);

/* --- keeper_pack.c --- */

struct packing {
	const char *text;            /* the configuration's */
	int text_fd;                 /* the same as a file */
	const struct config *before; /* that is served now */
	uint64_t generation;
	int socket;
};

/* In a process of its own: sends PARCEL_CONFIG or PARCEL_REFUSED. Answers the exit status, not 0 where neither was sent. */
int keeper_pack(const struct packing *packing);

/* Sends PARCEL_REFUSED with that text. */
MUST_USE bool keeper_refuse(int socket, uint64_t generation, const char *text, struct error *error);

/* A file in memory, -1: there is none. */
int keeper_file_of(const char *name, const char *text);

#endif
