/* A Maildir that is open or being opened. Private to folder.c and folder_open.c. */
#ifndef POSTERN_RELAY_FOLDER_STATE_H
#define POSTERN_RELAY_FOLDER_STATE_H

#include "core/relay/folder.h"

/* From a path to an open folder. The steps between LOOK_UP and OPEN_NEW are taken only where something is missing, or may
 * not be durable. */
enum folder_step {
	FOLDER_LOOK_UP,
	FOLDER_MAKE_PARENT, /* each component behind the base in turn, the Maildir itself last */
	FOLDER_OPEN_PARENT, /* the folder that it is in, */
	FOLDER_SYNC_PARENT, /* so that its name lasts */
	FOLDER_MAKE_TMP,
	FOLDER_MAKE_NEW,
	FOLDER_MAKE_CUR,
	FOLDER_SYNC_NAMES,
	FOLDER_OPEN_NEW,
	FOLDER_OPEN,
};

struct folder {
	struct map_node node;
	struct list link; /* cache->recent */
	struct folder_cache *cache;
	struct loop_op op;   /* opening, then syncing new/ */
	struct list waiting; /* requests: for the opening, then for the next sync */
	struct list syncing; /* those that the running sync is for */
	uint64_t opened_ns;
	uint32_t users;
	int directory_fd;
	int new_fd;
	int parent_fd;
	uint8_t step;
	bool repair;    /* make the folders in the Maildir */
	bool made;      /* parents were made and are durable: what is missing now stays missing */
	bool found;     /* the component was there already */
	bool forgotten; /* in no list and map; ends with its last use */
	size_t base_bytes;
	size_t prefix_bytes; /* of the path, up to the component that is being made */
	char *path;
	char *prefix; /* a copy that is cut to what an operation is about */
};

/* folder_open.c: from LOOK_UP to OPEN. Ends with folder_end_opening(), from the loop; `result` is 0 or a negative errno value. */
void folder_start_opening(struct folder *folder);
void folder_end_opening(struct folder *folder, int32_t result);

/* Is the name known to be durable? folder_note_lasting(): it is. */
bool folder_is_lasting(const struct folder_cache *cache, const char *path);
void folder_note_lasting(struct folder_cache *cache, const char *path);

/* Closes the descriptor if there is one. */
void folder_close(const struct folder *folder, int *fd);

#endif
