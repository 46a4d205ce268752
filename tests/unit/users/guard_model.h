/* The guard as a stupid list: what core/users/guard is compared with. It forgets nothing and has room for a small world only. */
#ifndef POSTERN_TESTS_GUARD_MODEL_H
#define POSTERN_TESTS_GUARD_MODEL_H

#include "core/users/guard.h"

enum { MODEL_LISTS = 256, MODEL_TIMES = 2048 };

/* Failures, as the times when each is forgiven, in order. */
struct model_list {
	char network[64]; /* "192.0.2.0/24", or the address of a source */
	char login[32];   /* "*": whatever login */
	bool is_source;
	int64_t signed_in_ms; /* of a source: 0: never */
	int64_t banned_until_ms;
	int tag;
	int64_t times[MODEL_TIMES];
	int count;
};

struct model {
	struct guard_settings settings; /* none are exempt by list */
	struct model_list lists[MODEL_LISTS];
	int count;
};

struct model_verdict {
	bool allowed;
	bool exempt;
	uint32_t delay_ms;
};

struct model_verdict model_ask(struct model *model, const struct guard_try *try, int64_t now_ms);
/* True: that is a ban. */
bool model_failed(struct model *model, const struct guard_try *try, int64_t now_ms);
void model_succeeded(struct model *model, const struct guard_try *try, int64_t now_ms);

#endif
