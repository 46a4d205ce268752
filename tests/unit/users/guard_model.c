/* The guard as a stupid list; see guard_model.h. */
#include "tests/unit/users/guard_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_network(const struct net_address *client, bool is_source, char text[64])
{
	unsigned length = client->family == 4 ? (is_source ? 32 : 24) : 64;
	struct net_prefix prefix = net_prefix_around(client, length);
	net_prefix_format(&prefix, text);
}

static struct model_list *list_of(struct model *model, const struct guard_try *try, bool is_source, bool all_logins)
{
	struct model_list wanted = { .is_source = is_source };
	write_network(&try->client, is_source, wanted.network);
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

static struct guard_limit own_limit(const struct model *model)
{
	return (struct guard_limit){ model->settings.per_login.count * 10, model->settings.per_login.period_ms };
}

static bool is_exempt(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	struct model_list *source = list_of(model, try, true, false);
	return source->signed_in_ms && now_ms < source->signed_in_ms + (int64_t)model->settings.memory_ms &&
	       failures(source, now_ms) < own_limit(model).count;
}

static uint32_t delay(struct model_list *list, struct guard_limit limit, uint64_t most_ms, int64_t now_ms)
{
	return guard_delay_ms(failures(list, now_ms), limit.count, most_ms);
}

struct model_verdict model_ask(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	const struct guard_settings *settings = &model->settings;
	struct model_list *pair = list_of(model, try, false, false), *network = list_of(model, try, false, true);
	struct model_verdict verdict = { .allowed = true, .exempt = is_exempt(model, try, now_ms) };
	if (verdict.exempt)
		return verdict;
	verdict.allowed = now_ms >= pair->banned_until_ms && now_ms >= network->banned_until_ms;
	if (!verdict.allowed)
		return verdict;
	uint32_t of_pair = delay(pair, settings->per_login, settings->delay_ms, now_ms);
	uint32_t of_network = delay(network, settings->per_network, settings->delay_ms, now_ms);
	verdict.delay_ms = of_pair > of_network ? of_pair : of_network;
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
	struct model_list *pair = list_of(model, try, false, false), *network = list_of(model, try, false, true);
	struct model_list *source = list_of(model, try, true, false);
	if (is_exempt(model, try, now_ms)) {
		if (!is_same(source, try->tag))
			(void)add_failure(source, own_limit(model), now_ms);
		return false;
	}
	if (is_same(pair, try->tag))
		return false;
	bool pair_is_full = add_failure(pair, model->settings.per_login, now_ms);
	bool network_is_full = add_failure(network, model->settings.per_network, now_ms);
	if (network_is_full)
		network->banned_until_ms = now_ms + (int64_t)model->settings.ban_ms;
	else if (pair_is_full)
		pair->banned_until_ms = now_ms + (int64_t)model->settings.ban_ms;
	return network_is_full || pair_is_full;
}

/* A success is noted again after ten seconds, to the second. */
void model_succeeded(struct model *model, const struct guard_try *try, int64_t now_ms)
{
	struct model_list *source = list_of(model, try, true, false);
	if (source->signed_in_ms + 10000 <= now_ms / 1000 * 1000)
		source->signed_in_ms = now_ms / 1000 * 1000;
}
