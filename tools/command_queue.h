/* What the files of `postern queue` share. */
#ifndef POSTERN_TOOLS_COMMAND_QUEUE_H
#define POSTERN_TOOLS_COMMAND_QUEUE_H

#include <stdint.h>

#include "tools/command.h"

enum { QUEUE_LANES = 256, QUEUE_IDS = 1024 };

struct queue_request {
	const struct config *config;
	const char *lanes; /* the folder "lanes" in the data folder */
	bool json;
	bool all;
	uint64_t ids[QUEUE_IDS];
	size_t id_count;
};

/* The lanes that exist, in order. False, told on standard error, when the folder can't be read. One that is not there yet has no
 * lanes. */
MUST_USE bool queue_find_lanes(const struct queue_request *request, unsigned lanes[QUEUE_LANES], size_t *count);

/* "<data>/lanes/N", malloc'ed; ends the program where there is no memory. */
char *queue_lane_directory(const struct queue_request *request, unsigned lane);
unsigned queue_lane_of(uint64_t id);

/* queue_list.c and queue_order.c: the actions. Each answers the exit status. */
int queue_list(const struct queue_request *request);
int queue_show(const struct queue_request *request);
int queue_give_order(const struct queue_request *request, const char *order);

#endif
