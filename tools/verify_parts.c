/* What the checks of `postern verify` share; see verify.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/sasl.h"
#include "tools/verify.h"

void verify_tell(struct verify *at, enum verify_outcome outcome, const struct verify_case *what, const char *format,
		 ...)
{
	struct verify_report *report = at->report;
	struct verify_line *larger = realloc(report->lines, (report->count + 1) * sizeof *larger);
	if (!larger) {
		report->lost = true;
		return;
	}
	report->lines = larger;
	struct verify_line *line = &report->lines[report->count++];
	report->outcomes[outcome]++;
	line->outcome = outcome;
	line->check = at->check;
	snprintf(line->where, sizeof line->where, "%s", at->where);
	snprintf(line->tried, sizeof line->tried, "%s", what->tried);
	snprintf(line->expected, sizeof line->expected, "%s", what->expected);
	snprintf(line->rule, sizeof line->rule, "%s", what->rule);
	va_list args;
	va_start(args, format);
	vsnprintf(line->happened, sizeof line->happened, format, args);
	va_end(args);
}

const char *verify_rule(const struct verify *at, char text[VERIFY_TEXT_BYTES], const char *rule, const char *key,
			int line)
{
	if (!at->server)
		snprintf(text, VERIFY_TEXT_BYTES, "%s", rule);
	else if (line)
		snprintf(text, VERIFY_TEXT_BYTES, "%s%s%s (%s:%d)", rule, *rule ? "; " : "", key, at->server->file,
			 line);
	else
		snprintf(text, VERIFY_TEXT_BYTES, "%s%s%s (default; server at %s:%d)", rule, *rule ? "; " : "", key,
			 at->server->file, at->server->line);
	return text;
}

void verify_take_reply(const struct probe *probe, bool came, const struct error *error, struct verify_reply *reply)
{
	struct buffer text;
	reply->code = came ? probe->reply.code : 0;
	buffer_init(&text, reply->text, sizeof reply->text - 1);
	if (came)
		probe_reply_text(probe, &text);
	else
		buffer_append_text(&text, error->text);
	reply->text[text.size] = 0;
}

void verify_ask(struct probe *probe, const char *command, struct verify_reply *reply)
{
	struct error error = { "" };
	bool came = probe_ask(probe, command, &error);
	verify_take_reply(probe, came, &error, reply);
}

void verify_ask_recipient(struct probe *probe, const char *address, struct verify_reply *reply)
{
	char command[VERIFY_TEXT_BYTES];
	snprintf(command, sizeof command, "RCPT TO:<%.600s>", address);
	verify_ask(probe, command, reply);
}

/* The strongest password mechanism that both speak; 0: none. */
static unsigned choose_mechanism(unsigned offered)
{
	static const unsigned order[] = { SASL_SCRAM_SHA_256, SASL_PLAIN, SASL_LOGIN };
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (offered & order[i])
			return order[i];
	return 0;
}

bool verify_log_in(struct verify *at, struct probe *probe, unsigned mechanism, struct error *error)
{
	struct verify_reply reply;
	if (!mechanism)
		mechanism = choose_mechanism(probe->reply.mechanisms);
	if (!mechanism)
		return error_set(error, "no mechanism with a password is offered");
	if (!probe_sign_in(probe, mechanism, slice_from_text(at->request->user), at->password, error))
		return false;
	verify_take_reply(probe, true, error, &reply);
	return reply.code == 235 || error_set(error, "signing in as %s: %s", at->request->user, reply.text);
}

int64_t verify_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	while (ms > 0 && nanosleep(&left, &left) != 0)
		continue;
}

/* Some of what may come at once is left to others, who come from this machine too. */
static void pace(struct verify *at, const struct config_connect *connect)
{
	int64_t each_ms = (int64_t)(connect->rate_ms / connect->rate) + 1, now_ms = verify_now_ms();
	int64_t at_once = connect->rate - connect->rate / 4;
	if (at->paced_ms < now_ms)
		at->paced_ms = now_ms;
	sleep_ms(at->paced_ms - now_ms - (at_once - 1) * each_ms);
	at->paced_ms += each_ms;
}

bool verify_connect(struct verify *at, struct probe *probe, const struct probe_target *target, struct error *error)
{
	enum { FEW = 4, LEAVING_MS = 50 };
	const struct config_connect *connect = at->server ? &at->server->connect : NULL;
	if (connect && connect->rate)
		pace(at, connect);
	/* The one before has been closed, and the server is about to notice. */
	if (verify_connections(at, FEW) < FEW)
		sleep_ms(LEAVING_MS);
	return probe_connect(probe, target, error);
}

size_t verify_connections(const struct verify *at, size_t most)
{
	const struct config_connect *connect = at->server ? &at->server->connect : NULL;
	if (connect && connect->per_address && connect->per_address < most)
		most = connect->per_address;
	if (connect && connect->per_network && connect->per_network < most)
		most = connect->per_network;
	return most;
}

bool verify_has_login(const struct verify *at)
{
	unsigned mechanisms = at->server ? at->server->mechanisms : ~0u;
	return at->request->user && (mechanisms & (SASL_SCRAM_SHA_256 | SASL_WITH_PASSWORD));
}

bool verify_begin(struct verify *at, struct probe *probe, const struct probe_target *target, bool with_login,
		  const struct verify_case *what)
{
	struct error error = { "" };
	if (!verify_connect(at, probe, target, &error)) {
		verify_tell(at, VERIFY_FAILED, what, "%s", error.text);
		return false;
	}
	if (probe_introduce(probe, &error) && (!with_login || verify_log_in(at, probe, 0, &error)))
		return true;
	verify_tell(at, VERIFY_FAILED, what, "%s", error.text);
	probe_close(probe);
	return false;
}

const char *verify_recipient(const struct verify *at)
{
	const struct verify_request *request = at->request;
	if (request->recipient)
		return request->recipient;
	return request->user && strchr(request->user, '@') ? request->user : NULL;
}
