/* Counting and adding up: see results.h. */
#include "bench/results.h"

#include <stdio.h>

const char *results_phase_name(enum results_phase phase)
{
	static const char *const names[PHASE_COUNT] = {
		[PHASE_CONNECT] = "connect+TLS",
		[PHASE_SIGN_IN] = "sign-in",
		[PHASE_MESSAGE] = "message",
		[PHASE_TOTAL] = "total",
	};
	return names[phase];
}

/* Replies are one kind when place and codes are the same (texts may carry ids), other failures when the text is. */
static bool same_kind(const struct results_failure *a, const struct results_failure *b)
{
	if (strcmp(a->where, b->where) != 0 || a->code != b->code)
		return false;
	return a->code ? memcmp(a->enhanced, b->enhanced, sizeof a->enhanced) == 0 : strcmp(a->text, b->text) == 0;
}

static void add(struct results *results, const struct results_failure *failure)
{
	results->failed += failure->count;
	for (size_t i = 0; i < RESULTS_FAILURES; i++) {
		struct results_failure *slot = &results->failures[i];
		if (slot->count == 0)
			*slot = *failure;
		else if (same_kind(slot, failure))
			slot->count += failure->count;
		else
			continue;
		return;
	}
	results->failures_untold += failure->count;
}

void results_add_reply(struct results *results, const char *where, const struct smtp_client_reply *reply)
{
	struct results_failure failure = {
		.where = where,
		.code = reply->code,
		.enhanced = { reply->enhanced_class, reply->enhanced_subject, reply->enhanced_detail },
		.count = 1,
	};
	slice_to_text(smtp_client_reply_text(reply), failure.text, sizeof failure.text);
	add(results, &failure);
}

void results_add_failure(struct results *results, const char *where, const char *what)
{
	struct results_failure failure = { .where = where, .count = 1 };
	snprintf(failure.text, sizeof failure.text, "%s", what);
	add(results, &failure);
}

void results_merge(struct results *to, const struct results *from)
{
	for (size_t i = 0; i < PHASE_COUNT; i++)
		histogram_merge(&to->phases[i], &from->phases[i]);
	to->operations += from->operations;
	to->connections += from->connections;
	to->resumed += from->resumed;
	to->sent_bytes += from->sent_bytes;
	to->cpu_ns += from->cpu_ns;
	to->waited_ns += from->waited_ns;
	if (from->last_ns > to->last_ns)
		to->last_ns = from->last_ns;
	if (!to->tls[0])
		memcpy(to->tls, from->tls, sizeof to->tls);
	for (size_t i = 0; i < RESULTS_FAILURES && from->failures[i].count; i++)
		add(to, &from->failures[i]);
	to->failures_untold += from->failures_untold;
	to->failed += from->failures_untold;
}
