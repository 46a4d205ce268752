/* What the files of `postern queue` share. */
#ifndef POSTERN_TOOLS_COMMAND_QUEUE_H
#define POSTERN_TOOLS_COMMAND_QUEUE_H

#include <stdint.h>

#include "tools/arguments.h"
#include "tools/command.h"

struct queue_request {
	const struct config *config;
	const char *lanes; /* the folder "lanes" in the data folder */
	const char *order; /* "release", "hold" or "remove"; NULL where nothing is to change */
	bool json;
	bool all;
	uint64_t ids[ARGUMENT_LIST_MOST];
	size_t id_count;
};

unsigned queue_lane_of(uint64_t id);

/* queue_list.c and queue_order.c: the actions. Each answers the exit status. */
int queue_list(const struct queue_request *request);
int queue_show(const struct queue_request *request);
int queue_give_order(const struct queue_request *request);

#endif
