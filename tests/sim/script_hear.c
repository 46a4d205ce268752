/* What a scripted client is told, and whether a server may tell it so; see script.h. */
#include <stdio.h>
#include <string.h>

#include "core/spool/spool.h"
#include "tests/sim/script_parts.h"

static unsigned code_of(const char *line)
{
	uint64_t code;
	return strlen(line) >= 3 && slice_parse_number(slice_of(line, 3), 999, &code) ? (unsigned)code : 0;
}

static bool is_one_of(unsigned code, const char *codes)
{
	char text[16];
	snprintf(text, sizeof text, "%u", code);
	return code >= 100 && strstr(codes, text) != NULL;
}

/* The codes that a server may answer with, 421 aside. 451 and 452: it has no memory, no space, or a failing disk. */
static const char *codes_for(const struct script *script, const struct awaited *awaited)
{
	switch (awaited->kind) {
	case AWAITED_GREETING:
		return "220";
	case AWAITED_HELLO:
		return "250";
	case AWAITED_SIGN_IN:
		return "235 454";
	case AWAITED_WRONG_SIGN_IN:
		return "535 454";
	case AWAITED_MAIL:
		return script->settings.signs_in && !script->signed_in ? "530" : "250 451 452 552";
	case AWAITED_RECIPIENT:
		return awaited->recipient->place == MAIL_NOWHERE ? "550 503 452" : "250 503 451 452";
	case AWAITED_DATA:
		return "354 503 451 452";
	case AWAITED_CHUNK:
	case AWAITED_FINAL:
		return awaited->mail->faulty ? "250 503 451 452 552 554" : "250 503 451 452 552";
	case AWAITED_GOODBYE:
		return "221";
	case AWAITED_ANYTHING:
		break;
	}
	return "2xx";
}

static void hear_final(struct script *script, struct mail *mail, unsigned code, const char *line)
{
	static const char queued[] = "250 2.0.0 OK, queued as ";
	if (code != 250) {
		ledger_refused(script->settings.ledger, mail, code);
		return;
	}
	uint64_t id;
	if (strncmp(line, queued, sizeof queued - 1) != 0 ||
	    !spool_id_parse(slice_from_text(line + sizeof queued - 1), &id))
		sim_fail("client %u: mail %u: not an answer to it: %s", script->settings.number, mail->number, line);
	if (mail->faulty)
		sim_fail("client %u: mail %u was accepted and is no text", script->settings.number, mail->number);
	if (mail->fate != MAIL_SENT)
		sim_fail("client %u: mail %u was accepted before it was sent whole", script->settings.number,
			 mail->number);
	script->accepted++;
	ledger_accepted(script->settings.ledger, mail, id);
}

static void hear(struct script *script, const struct awaited *awaited, unsigned code, const char *line)
{
	switch (awaited->kind) {
	case AWAITED_SIGN_IN:
		script->signed_in = code == 235;
		script->refused = !script->signed_in;
		break;
	case AWAITED_MAIL:
		script->sender_refused = code != 250;
		break;
	case AWAITED_RECIPIENT:
		awaited->recipient->refused = code != 250;
		break;
	case AWAITED_DATA:
		script->go_ahead = code == 354;
		break;
	case AWAITED_FINAL:
		hear_final(script, awaited->mail, code, line);
		break;
	case AWAITED_GREETING:
	case AWAITED_HELLO:
	case AWAITED_WRONG_SIGN_IN:
	case AWAITED_CHUNK:
	case AWAITED_ANYTHING:
	case AWAITED_GOODBYE:
		break;
	}
}

/* It closes: nothing more is answered. What was not answered with its own reply is not accepted. */
static void hear_closing(struct script *script)
{
	script->closing = true;
	if (script->awaited_count) {
		const struct awaited *next = &script->awaited[script->awaited_first];
		if (next->kind == AWAITED_FINAL)
			ledger_refused(script->settings.ledger, next->mail, 421);
	}
	script->awaited_count = 0;
}

void script_hear(struct script *script, const char *line)
{
	unsigned code = code_of(line);
	if (!code || (line[3] != ' ' && line[3] != '-'))
		sim_fail("client %u: not a reply: %s", script->settings.number, line);
	if (line[3] == '-')
		return;
	if (code == 421) {
		hear_closing(script);
		return;
	}
	if (script->closing || !script->awaited_count)
		sim_fail("client %u: a reply to nothing: %s", script->settings.number, line);
	struct awaited awaited = script->awaited[script->awaited_first];
	script->awaited_first = (script->awaited_first + 1) % SCRIPT_AWAITED;
	script->awaited_count--;
	if (awaited.kind != AWAITED_ANYTHING && !is_one_of(code, codes_for(script, &awaited)))
		sim_fail("client %u: a wrong reply to %s: %s", script->settings.number,
			 awaited.recipient ? awaited.recipient->path : "a command", line);
	hear(script, &awaited, code, line);
}
