/* What a scripted client says next; see script.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "tests/sim/script_parts.h"

enum {
	LINE_MOST_BYTES = 512,
	LARGE_ONE_IN = 30,
	CHUNKS_MOST = 6,
	GROUP_MOST = 8 + MAIL_RECIPIENTS + CHUNKS_MOST, /* replies to what is said at once */
};

static bool chance(struct script *script, uint64_t one_in)
{
	return sim_random(script->sim, one_in) == 0;
}

static void PRINTF_LIKE(2, 3) say(struct script *script, const char *format, ...)
{
	char line[LINE_MOST_BYTES];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	ASSERT(size > 0 && (size_t)size < sizeof line);
	script_make_room(script, (size_t)size + 2);
	buffer_append(&script->out, slice_of(line, (size_t)size));
	buffer_append_text(&script->out, "\r\n");
}

/* --- before mail --- */

static void say_hello(struct script *script)
{
	say(script, "%s client%u.test", script->hello_only ? "HELO" : "EHLO", script->settings.number);
	script_await(script, AWAITED_HELLO, NULL, NULL);
	script->stage = script->settings.signs_in ? STAGE_SIGN_IN : STAGE_IDLE;
}

/* The hashers of the world know which passwords are right. */
static void say_sign_in(struct script *script)
{
	char login[64], storage[128];
	bool wrong = script->wrong_sign_ins > 0;
	int size = snprintf(login, sizeof login, "%cuser%u@sim.test%c%s", 0, script->settings.number % MAIL_USERS, 0,
			    wrong ? "wrong" : "right");
	struct buffer text;
	buffer_init(&text, storage, sizeof storage);
	base64_encode(&text, slice_of(login, (size_t)size));
	say(script, "AUTH PLAIN %.*s", SLICE_ARGS(buffer_slice(&text)));
	script_await(script, wrong ? AWAITED_WRONG_SIGN_IN : AWAITED_SIGN_IN, NULL, NULL);
	script->wrong_sign_ins -= wrong;
	script->stage = wrong ? STAGE_SIGN_IN : STAGE_IDLE;
}

/* --- one mail --- */

static void say_sender(struct script *script)
{
	struct mail *mail = script->mail;
	char size[32] = "";
	if (!script->hello_only && chance(script, 3))
		snprintf(size, sizeof size, " SIZE=%zu", mail->text_size);
	ledger_begin(script->settings.ledger, mail);
	mail->eight_bit &= !script->hello_only;
	say(script, "MAIL FROM:<%s>%s%s", mail->reverse_path, mail->eight_bit ? " BODY=8BITMIME" : "", size);
	script_await(script, AWAITED_MAIL, mail, NULL);
}

static void say_recipient(struct script *script, struct mail_recipient *recipient)
{
	say(script, "RCPT TO:<%s>", recipient->path);
	script_await(script, AWAITED_RECIPIENT, script->mail, recipient);
}

/* The text as DATA has it: dots at the beginning of lines are doubled, and a dot alone ends it. */
static void say_text(struct script *script)
{
	const struct mail *mail = script->mail;
	bool at_start = true;
	script_make_room(script, 2 * mail->text_size + 8);
	for (size_t i = 0; i < mail->text_size; i++) {
		if (at_start && mail->text[i] == '.')
			buffer_append_byte(&script->out, '.');
		buffer_append_byte(&script->out, mail->text[i]);
		at_start = mail->text[i] == '\n';
	}
	buffer_append_text(&script->out, ".\r\n");
	script_mark_end(script, script->mail);
	script_await(script, AWAITED_FINAL, script->mail, NULL);
}

/* The next chunk, sometimes an empty one; `last`: the rest. */
static void say_chunk(struct script *script, bool last)
{
	struct mail *mail = script->mail;
	size_t rest = mail->text_size - script->text_sent;
	size_t size = last ? rest : sim_random(script->sim, rest + 1);
	say(script, "BDAT %zu%s", size, last ? " LAST" : "");
	script_make_room(script, size);
	buffer_append(&script->out, slice_of(mail->text + script->text_sent, size));
	script->text_sent += size;
	if (last)
		script_mark_end(script, mail);
	script_await(script, last ? AWAITED_FINAL : AWAITED_CHUNK, mail, NULL);
}

static void give_mail_up(struct script *script)
{
	script->stage = STAGE_IDLE;
	say(script, "RSET");
	script_await(script, AWAITED_ANYTHING, NULL, NULL);
}

static void say_chunks(struct script *script)
{
	for (uint64_t i = sim_random(script->sim, CHUNKS_MOST); i > 0; i--)
		say_chunk(script, false);
	if (script->text_sent && chance(script, 15))
		give_mail_up(script);
	else
		say_chunk(script, true);
}

/* All that needs no answer in between. */
static void say_group(struct script *script)
{
	struct mail *mail = script->mail;
	/* The one before may have been refused half-way. */
	say(script, "RSET");
	script_await(script, AWAITED_ANYTHING, NULL, NULL);
	say_sender(script);
	for (size_t i = 0; i < mail->recipient_count; i++)
		say_recipient(script, &mail->recipients[i]);
	if (script->chunks) {
		say_chunks(script);
		script->ahead = script->runs_on && script->awaited_count + GROUP_MOST < SCRIPT_AWAITED;
		return;
	}
	script->go_ahead = false;
	say(script, "DATA");
	script_await(script, AWAITED_DATA, mail, NULL);
	script->stage = STAGE_TEXT;
}

static void begin_mail(struct script *script)
{
	const struct script_settings *settings = &script->settings;
	bool large = !settings->probe && chance(script, script->runs_on ? 4 * LARGE_ONE_IN : LARGE_ONE_IN);
	script->mails_left--;
	script->mail = ledger_add(settings->ledger, script->sim, settings->life, settings->number, large);
	if (script->signed_in)
		snprintf(script->mail->login, sizeof script->mail->login, "user%u@sim.test",
			 settings->number % MAIL_USERS);
	script->next_recipient = script->text_sent = 0;
	script->sender_refused = false;
	if (script->pipelines) {
		say_group(script);
		return;
	}
	say_sender(script);
	script->stage = STAGE_RECIPIENTS;
}

static bool has_recipient(const struct mail *mail)
{
	for (size_t i = 0; i < mail->recipient_count; i++)
		if (!mail->recipients[i].refused)
			return true;
	return false;
}

static void say_next_recipient(struct script *script)
{
	struct mail *mail = script->mail;
	if (script->sender_refused) {
		script->stage = STAGE_IDLE;
	} else if (script->next_recipient < mail->recipient_count) {
		say_recipient(script, &mail->recipients[script->next_recipient++]);
	} else if (!has_recipient(mail) || chance(script, 20)) {
		give_mail_up(script);
	} else if (script->chunks) {
		script->stage = STAGE_CHUNKS;
		say_chunk(script, false);
	} else {
		script->go_ahead = false;
		say(script, "DATA");
		script_await(script, AWAITED_DATA, mail, NULL);
		script->stage = STAGE_TEXT;
	}
}

static void say_next_chunk(struct script *script)
{
	if (chance(script, 30)) {
		give_mail_up(script);
		return;
	}
	bool last = chance(script, 3);
	say_chunk(script, last);
	script->stage = last ? STAGE_IDLE : STAGE_CHUNKS;
}

static void answer_go_ahead(struct script *script)
{
	if (!script->go_ahead) {
		give_mail_up(script);
		return;
	}
	script->stage = STAGE_IDLE;
	say_text(script);
	script->ahead = script->runs_on;
}

/* --- between mails --- */

static void say_aside(struct script *script)
{
	static const char *const asides[] = {
		"NOOP",
		"RSET",
		"VRFY <u1@box.test>",
		"HELP",
		"XYZZY",
		"MAIL FROM:<no body>",
		"DATA",
		"RCPT TO:<u1@box.test>",
	};
	say(script, "%s", asides[sim_random(script->sim, sizeof asides / sizeof *asides)]);
	script_await(script, AWAITED_ANYTHING, NULL, NULL);
}

static void say_goodbye(struct script *script)
{
	script->stage = STAGE_WAIT;
	if (chance(script, 8)) {
		sim_client_finish(script->connection);
		return;
	}
	say(script, "QUIT");
	script_await(script, AWAITED_GOODBYE, NULL, NULL);
	script->stage = STAGE_QUIT;
}

static void say_idle(struct script *script)
{
	if (script->mails_left == 0 || script->refused)
		say_goodbye(script);
	else if (!script->pipelines && chance(script, 8))
		say_aside(script);
	else
		begin_mail(script);
}

/* --- lawless --- */

static void say_nonsense(struct script *script)
{
	static const char *const openings[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"EHLO x\nMAIL FROM:<m000000@sender.test>\nRCPT TO:<u1@box.test>\nDATA\n\n.\n",
		"EHLO x\r\nMAIL FROM:<m000000@sender.test>\r\nRCPT TO:<u1@box.test>\r\nDATA\r\na\rb\r\n.\r\n",
		"BDAT 99999999999999999999 LAST\r\n",
		"BDAT 1000000\r\n",
		"EHLO x\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\nRSET\r\nBDAT 10 LAST\r\n",
	};
	script_make_room(script, 8192);
	size_t which = sim_random(script->sim, sizeof openings / sizeof *openings + 1);
	if (which < sizeof openings / sizeof *openings)
		buffer_append_text(&script->out, openings[which]);
	for (uint64_t size = sim_random(script->sim, 4096); size > 0; size--)
		buffer_append_byte(&script->out, (uint8_t)sim_random(script->sim, 256));
	if (chance(script, 4))
		script->stage = STAGE_WAIT;
	else
		script_rest(script, 1000 * (1 + sim_random(script->sim, 10000)));
}

void script_say(struct script *script)
{
	script->ahead = false;
	if (script->settings.nature == SCRIPT_LAWLESS && script->stage <= STAGE_IDLE) {
		script->stage = STAGE_IDLE;
		script->ahead = true;
		say_nonsense(script);
		return;
	}
	switch (script->stage) {
	case STAGE_GREETING:
	case STAGE_HELLO:
		say_hello(script);
		break;
	case STAGE_SIGN_IN:
		say_sign_in(script);
		break;
	case STAGE_IDLE:
		say_idle(script);
		break;
	case STAGE_RECIPIENTS:
		say_next_recipient(script);
		break;
	case STAGE_TEXT:
		answer_go_ahead(script);
		break;
	case STAGE_CHUNKS:
		say_next_chunk(script);
		break;
	case STAGE_QUIT:
	case STAGE_WAIT:
	case STAGE_OVER:
		break;
	}
}
