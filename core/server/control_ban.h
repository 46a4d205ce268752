/* The control socket's requests about bans; see control.h. */
#ifndef POSTERN_SERVER_CONTROL_BAN_H
#define POSTERN_SERVER_CONTROL_BAN_H

#include <jansson.h>

#include "core/users/guard.h"

enum control_ban_kind { CONTROL_BAN_LIST, CONTROL_BAN_ADD, CONTROL_BAN_REMOVE };

struct control_ban {
	enum control_ban_kind kind;
	uint32_t from;        /* CONTROL_BAN_LIST: a place, 0 or what the answer before said */
	uint64_t for_ms;      /* CONTROL_BAN_ADD: UINT64_MAX: for ever */
	struct guard_ban ban; /* CONTROL_BAN_ADD; CONTROL_BAN_REMOVE: prefix and login */
};

/* Is the order about bans? Then *fault is NULL, or what is wrong: a literal. */
MUST_USE bool control_ban_parse(json_t *object, const char *order, struct control_ban *request, const char **fault);

/* The answer; NULL: no memory for it, but done it is. `guard` may be NULL: it is off. */
json_t *control_ban_do(const struct control_ban *request, struct guard *guard, uint32_t worker, int64_t now_ms);

#endif
