/* The guard as a stupid list; see guard_model.h. */
#include "tests/unit/users/guard_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prefixes in which an IPv6 client is counted, and against how many times the limits. */
enum { STEPS = 3 };
static const struct {
	unsigned length;
	uint32_t times;
} steps[STEPS] = { { 64, 1 }, { 56, 4 }, { 48, 16 } };

static int steps_of(const struct guard_try *try)
{
	return try->client.family == 4 ? 1 : STEPS;
}

static struct guard_limit times(struct guard_limit limit, uint32_t by)
{
	return (struct guard_limit){ limit.count * by, limit.period_ms };
}

static void write_network(const struct net_address *client, bool is_source, int step, char text[64])
{
	unsigned length = client->family == 4 ? (is_source ? 32 : 24) : steps[step].length;
	struct net_prefix prefix = net_prefix_around(client, length);
	net_prefix_format(&prefix, text);
}

static struct model_list *list_of(struct model *model, const struct guard_try *try, bool is_source, bool all_logins,
				  int step)
{
	struct model_list wanted = { .is_source = is_source };
	write_network(&try->client, is_source, step, wanted.network);
	(void)!slice_to_text(try->login, wanted.login, sizeof wanted.login);
	if (all_logins)
		strcpy(wanted.login, "*");
	for (int i = 0; i < model->count; i++) {
		struct model_list *list = &model->lists[i];
		if (list->is_source == is_source && strcmp(list->network, wanted.network) == 0 &&
		    strcasecmp(list->login, wanted.login) == 0)
			return list;
	}
	if (model->count == MODEL_LISTS)
		abort();
	model->lists[model->count] = wanted;
	return &model->lists[model->count++];
}

static uint32_t failures(struct model_list *list, int64_t now_ms)
{
	int kept = 0;
	for (int i = 0; i < list->count; i++)
		if (list->times[i] > now_ms)
			list->times[kept++] = list->times[i];
	list->count = kept;
	return (uint32_t)kept;
}

/* Full ones begin anew with all that may be there. */
static bool add_failure(struct model_list *list, struct guard_limit limit, int64_t now_ms)
{
	int64_t interval = (int64_t)(limit.period_ms / limit.count);
	if (failures(list, now_ms) == limit.count) {
		for (uint32_t i = 0; i < limit.count; i++)
			list->times[i] = now_ms + interval * (i + 1);
		return true;
	}
	int64_t last = list->count ? list->times[list->count - 1] : now_ms;
	list->times[list->count++] = last + interval;
	return failures(list, now_ms) == limit.count;
}

static bool is_exempt(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	struct model_list *source = list_of(model, try, true, false, 0);
	return source->signed_in_ms && now_ms < source->signed_in_ms + (int64_t)model->settings.memory_ms &&
	       failures(source, now_ms) < times(model->settings.per_login, 10).count;
}

static uint32_t delay(struct model_list *list, struct guard_limit limit, uint64_t most_ms, int64_t now_ms)
{
	return guard_delay_ms(failures(list, now_ms), limit.count, most_ms);
}

struct model_verdict model_ask(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	const struct guard_settings *settings = &model->settings;
	struct model_verdict verdict = { .allowed = true, .exempt = is_exempt(model, try, now_ms) };
	if (verdict.exempt)
		return verdict;
	for (int step = 0; step < steps_of(try); step++) {
		struct model_list *pair = list_of(model, try, false, false, step);
		struct model_list *all = list_of(model, try, false, true, step);
		struct guard_limit limits[2] = { times(settings->per_login, steps[step].times),
						 times(settings->per_network, steps[step].times) };
		verdict.allowed &= now_ms >= pair->banned_until_ms && now_ms >= all->banned_until_ms;
		uint32_t of_pair = delay(pair, limits[0], settings->delay_ms, now_ms);
		uint32_t of_all = delay(all, limits[1], settings->delay_ms, now_ms);
		verdict.delay_ms = of_pair > verdict.delay_ms ? of_pair : verdict.delay_ms;
		verdict.delay_ms = of_all > verdict.delay_ms ? of_all : verdict.delay_ms;
	}
	if (!verdict.allowed)
		verdict.delay_ms = 0;
	return verdict;
}

static bool is_same(struct model_list *list, int tag)
{
	bool same = tag && list->tag == tag;
	list->tag = tag;
	return same;
}

bool model_failed(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	struct model_list *source = list_of(model, try, true, false, 0), *banned = NULL;
	bool for_all = false;
	if (is_exempt(model, try, now_ms)) {
		if (!is_same(source, try->tag))
			(void)add_failure(source, times(model->settings.per_login, 10), now_ms);
		return false;
	}
	for (int step = 0; step < steps_of(try); step++) {
		struct model_list *pair = list_of(model, try, false, false, step);
		struct model_list *all = list_of(model, try, false, true, step);
		if (is_same(pair, try->tag))
			break;
		bool pair_is_full = add_failure(pair, times(model->settings.per_login, steps[step].times), now_ms);
		bool all_is_full = add_failure(all, times(model->settings.per_network, steps[step].times), now_ms);
		if (all_is_full || (pair_is_full && !for_all))
			banned = all_is_full ? all : pair;
		for_all |= all_is_full;
	}
	if (banned)
		banned->banned_until_ms = now_ms + (int64_t)model->settings.ban_ms;
	return banned != NULL;
}

/* A success is noted again after ten seconds, to the second. */
void model_succeeded(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	struct model_list *source = list_of(model, try, true, false, 0);
	if (source->signed_in_ms + 10000 <= now_ms / 1000 * 1000)
		source->signed_in_ms = now_ms / 1000 * 1000;
}
