/* A scripted client's connection and bytes; see script.h. */
#include "tests/sim/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/script_parts.h"

enum {
	PIECE_MOST_BYTES = 3000,
	DEAF_MOST_MS = 100 * 1000,
	MAILS_MOST = 8,
};

/* --- life --- */

static bool chance(struct script *script, uint64_t one_in)
{
	return sim_random(script->sim, one_in) == 0;
}

struct script *script_create(const struct script_settings *settings)
{
	struct script *script = calloc(1, sizeof *script);
	ASSERT(script);
	script->settings = *settings;
	script->sim = settings->sim;
	script->hello_only = chance(script, 10) && !settings->signs_in;
	script->pipelines = !script->hello_only && chance(script, 2);
	script->chunks = !script->hello_only && chance(script, 3);
	script->pieces = chance(script, 3);
	script->runs_on = script->pipelines && chance(script, 2);
	script->mails_left = 1 + (unsigned)sim_random(script->sim, chance(script, 10) ? 5 * MAILS_MOST : MAILS_MOST);
	script->wrong_sign_ins = settings->signs_in && chance(script, 5) ? 1 + chance(script, 2) : 0;
	/* Early in most cases, or somewhere in a text. */
	script->bytes_left = 1 + sim_random(script->sim, chance(script, 3) ? 400 : 30000);
	if (settings->probe) {
		script->pieces = false;
		script->wrong_sign_ins = 0;
		script->mails_left = 1;
	}
	if (settings->start_ns)
		script_rest(script, settings->start_ns);
	return script;
}

void script_destroy(struct script *script)
{
	if (!script)
		return;
	sim_client_close(script->connection, false);
	free(script->out.data);
	free(script);
}

bool script_is_over(const struct script *script)
{
	return script->stage == STAGE_OVER;
}

bool script_is_proxied(const struct script *script)
{
	return script->proxied;
}

bool script_has_succeeded(const struct script *script)
{
	return script->accepted > 0;
}

void script_describe(const struct script *script)
{
	fprintf(stderr,
		"client %u: nature %d, stage %d, %zu replies awaited, %zu of %zu bytes said, rests until %llu ns\n",
		script->settings.number, script->settings.nature, script->stage, script->awaited_count,
		script->out_gone, script->out.size, (unsigned long long)script->not_before_ns);
}

static void go_away(struct script *script, bool reset)
{
	sim_client_close(script->connection, reset);
	script->connection = NULL;
	script->stage = STAGE_OVER;
}

void script_rest(struct script *script, uint64_t ns)
{
	script->not_before_ns = sim_now(script->sim)->monotonic_ns + ns;
	sim_wake_after(script->sim, ns);
}

/* --- saying --- */

void script_make_room(struct script *script, size_t more)
{
	size_t needed = script->out.size + more;
	if (needed <= script->out.capacity)
		return;
	script->out.data = realloc(script->out.data, 2 * needed);
	ASSERT(script->out.data);
	script->out.capacity = 2 * needed;
}

void script_mark_end(struct script *script, struct mail *mail)
{
	ASSERT(script->end_count < SCRIPT_ENDS);
	script->ends[script->end_count].at = script->out.size;
	script->ends[script->end_count++].mail = mail;
}

void script_await(struct script *script, enum awaited_kind kind, struct mail *mail, struct mail_recipient *recipient)
{
	ASSERT(script->awaited_count < SCRIPT_AWAITED);
	size_t at = (script->awaited_first + script->awaited_count++) % SCRIPT_AWAITED;
	script->awaited[at] = (struct awaited){ kind, mail, recipient };
}

/* Mails whose last byte has gone out may be in the server's hands from now on. */
static void note_ends(struct script *script)
{
	for (size_t i = 0; i < script->end_count; i++) {
		struct mail *mail = script->ends[i].mail;
		if (script->ends[i].at <= script->out_gone && mail && mail->fate == MAIL_SENDING)
			mail->fate = MAIL_SENT;
	}
	if (script->out_gone < script->out.size)
		return;
	buffer_clear(&script->out);
	script->out_gone = script->end_count = 0;
}

static bool has_limit(const struct script *script)
{
	return !script->shown && script->settings.nature != SCRIPT_LAWFUL && script->settings.nature != SCRIPT_LAWLESS;
}

/* It has said as much as it was to say before its nature shows. */
static void show_nature(struct script *script)
{
	script->shown = true;
	switch (script->settings.nature) {
	case SCRIPT_DYING:
		go_away(script, chance(script, 2));
		break;
	case SCRIPT_SILENT:
		if (chance(script, 4))
			sim_client_finish(script->connection);
		script->stage = STAGE_WAIT;
		break;
	case SCRIPT_DEAF:
		script_rest(script, NS_PER_MS * sim_random(script->sim, DEAF_MOST_MS));
		break;
	case SCRIPT_LAWFUL:
	case SCRIPT_LAWLESS:
	case SCRIPT_NATURES:
		break;
	}
}

static void send_some(struct script *script)
{
	struct slice rest = slice_skip(buffer_slice(&script->out), script->out_gone);
	if (script->pieces)
		rest.size = 1 + sim_random(script->sim, rest.size < PIECE_MOST_BYTES ? rest.size : PIECE_MOST_BYTES);
	if (has_limit(script) && rest.size > script->bytes_left)
		rest.size = script->bytes_left;
	script->bytes_left -= has_limit(script) ? rest.size : 0;
	if (rest.size)
		sim_client_send(script->connection, rest);
	script->out_gone += rest.size;
	note_ends(script);
	if (has_limit(script) && script->bytes_left == 0)
		show_nature(script);
	else if (script->pieces && chance(script, 4))
		script_rest(script, 1000 * (1 + sim_random(script->sim, chance(script, 20) ? 500000 : 200)));
}

/* --- hearing --- */

static void take_bytes(struct script *script, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		char byte = (char)bytes.data[i];
		if (script->line_size == sizeof script->line)
			sim_fail("client %u: a reply line without an end", script->settings.number);
		if (byte != '\n') {
			script->line[script->line_size++] = byte;
			continue;
		}
		if (script->line_size == 0 || script->line[script->line_size - 1] != '\r')
			sim_fail("client %u: a reply line that does not end with CRLF", script->settings.number);
		script->line[script->line_size - 1] = 0;
		script->line_size = 0;
		script_hear(script, script->line);
	}
}

static void receive(struct script *script)
{
	uint8_t bytes[2048];
	size_t size;
	while ((size = sim_client_receive(script->connection, bytes, sizeof bytes)))
		if (script->settings.nature != SCRIPT_LAWLESS)
			take_bytes(script, slice_of(bytes, size));
}

/* --- a step --- */

static void connect_or_fail(struct script *script)
{
	if (!script->connection) {
		script->connection = sim_connect(script->sim, script->settings.listen_fd);
		script_say_proxy_header(script);
		script_await(script, AWAITED_GREETING, NULL, NULL);
	}
}

void script_step(struct script *script)
{
	if (script->stage == STAGE_OVER || sim_now(script->sim)->monotonic_ns < script->not_before_ns)
		return;
	connect_or_fail(script);
	receive(script);
	bool gone = sim_client_is_broken(script->connection) || sim_client_is_ended(script->connection);
	if (gone || (script->closing && script->awaited_count == 0)) {
		go_away(script, false);
		return;
	}
	if (script->out_gone == script->out.size && (script->awaited_count == 0 || script->ahead))
		script_say(script);
	bool speaks = script->stage < STAGE_WAIT || script->settings.nature == SCRIPT_LAWLESS;
	if (script->connection && speaks && script->out_gone < script->out.size)
		send_some(script);
}
