/* Checks of line ends: only CRLF ends a line and only CRLF.CRLF a message, or somebody else's mail can be smuggled in behind a false end
 * (CVE-2023-51764 and its kin).
 *
 * A text is begun and its false end sent. A server that answers 250 took it for the end; one that waits, or refuses the text, did not.
 * The connection is closed then, so that no mail is delivered by a server that is right. */
#include <stdio.h>
#include <string.h>

#include "tools/verify.h"

static const struct false_end {
	struct slice bytes;
	const char *what;
} false_ends[] = {
	{ { (const uint8_t *)"\n.\n", 3 }, "LF . LF" },
	{ { (const uint8_t *)"\n.\r\n", 4 }, "LF . CRLF" },
	{ { (const uint8_t *)"\r\n.\n", 4 }, "CRLF . LF" },
	{ { (const uint8_t *)"\r.\r", 3 }, "CR . CR" },
	{ { (const uint8_t *)"\r.\r\n", 4 }, "CR . CRLF" },
	{ { (const uint8_t *)"\r\n.\r", 4 }, "CRLF . CR" },
	{ { (const uint8_t *)"\r.\n", 3 }, "CR . LF" },
	{ { (const uint8_t *)"\n.\r", 3 }, "LF . CR" },
	{ { (const uint8_t *)"\r\n.\r\r\n", 6 }, "CRLF . CR CRLF" },
	{ { (const uint8_t *)"\r\r\n.\n", 5 }, "CR CRLF . LF" },
	{ { (const uint8_t *)"\n\n.\r\n", 5 }, "LF LF . CRLF" },
	{ { (const uint8_t *)"\r\n .\r\n", 6 }, "CRLF blank . CRLF" },
	{ { (const uint8_t *)"\r\n.\0\r\n", 6 }, "CRLF . NUL CRLF" },
	{ { (const uint8_t *)"\r\n\0.\r\n", 6 }, "CRLF NUL . CRLF" },
};

/* Up to DATA's 354. */
static bool begin_text(struct verify *at, struct probe *probe, struct probe_target *target,
		       const struct verify_case *what)
{
	char command[VERIFY_TEXT_BYTES];
	const char *user = verify_has_login(at) ? at->request->user : NULL;
	struct verify_reply reply;
	*target = at->target;
	if (!verify_begin(at, probe, target, user != NULL, what))
		return false;
	snprintf(command, sizeof command, "MAIL FROM:<%s>", user && strchr(user, '@') ? user : "");
	verify_ask(probe, command, &reply);
	snprintf(command, sizeof command, "RCPT TO:<%s>", verify_recipient(at));
	if (reply.code == 250)
		verify_ask(probe, command, &reply);
	if (reply.code == 250)
		verify_ask(probe, "DATA", &reply);
	if (reply.code == 354)
		return true;
	verify_tell(at, VERIFY_NOT_TRIED, what, "no text is taken: %s", reply.text);
	probe_close(probe);
	return false;
}

/* As many texts as may be are begun before the first is waited for: a server that waits too would make it long. */
struct attempt {
	const struct false_end *end;
	struct probe probe;
	struct probe_target target;
	char tried[VERIFY_TEXT_BYTES];
	bool begun;
	struct error error;
};

static struct verify_case describe(const struct attempt *attempt)
{
	return (struct verify_case){ attempt->tried, "it does not end the text", "RFC 5321 §2.3.8, §4.1.1.4" };
}

static void begin_attempt(struct verify *at, struct attempt *attempt)
{
	struct probe *probe = &attempt->probe;
	snprintf(attempt->tried, sizeof attempt->tried, "a text with %s in it", attempt->end->what);
	const struct verify_case what = describe(attempt);
	attempt->begun = begin_text(at, probe, &attempt->target, &what);
	if (!attempt->begun)
		return;
	/* What can't be sent shows when the reply is awaited. */
	(void)!(probe_send(probe, SLICE_LITERAL("Subject: postern verify\r\n\r\nA false end follows."),
			   &attempt->error) &&
		probe_send(probe, attempt->end->bytes, &attempt->error));
}

static void end_attempt(struct verify *at, struct attempt *attempt, unsigned wait_ms)
{
	const struct verify_case what = describe(attempt);
	struct probe *probe = &attempt->probe;
	struct verify_reply reply;
	attempt->target.timeout_ms = wait_ms;
	bool came = probe_await(probe, &attempt->error);
	verify_take_reply(probe, came, &attempt->error, &reply);
	bool ended = reply.code >= 200 && reply.code < 300;
	if (came)
		verify_tell(at, ended ? VERIFY_FAILED : VERIFY_PASSED, &what, "%s%s",
			    ended ? "it did: " : "refused: ", reply.text);
	else
		verify_tell(at, VERIFY_PASSED, &what, "%s",
			    probe->silent ? "the server waits for the rest" : reply.text);
	probe_close(probe);
}

static void try_some(struct verify *at, struct attempt *attempts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		begin_attempt(at, &attempts[i]);
	int64_t begun = verify_now_ms();
	for (size_t i = 0; i < count; i++) {
		int64_t left = begun + VERIFY_TAKING_MS - verify_now_ms();
		if (attempts[i].begun)
			end_attempt(at, &attempts[i], left > 0 ? (unsigned)left : 0);
	}
}

void verify_smuggling(struct verify *at)
{
	static struct attempt attempts[sizeof false_ends / sizeof *false_ends];
	const size_t count = sizeof attempts / sizeof *attempts;
	/* Those of the round before may still be leaving when the next ones come. */
	const size_t room = verify_connections(at, 2 * count), at_once = room > 1 ? room / 2 : 1;
	for (size_t i = 0; i < count; i++)
		attempts[i].end = &false_ends[i];
	for (size_t i = 0; i < count; i += at_once)
		try_some(at, &attempts[i], count - i < at_once ? count - i : at_once);
}

void verify_command_ends(struct verify *at)
{
	static const struct verify_case what = { "NOOP that ends with LF alone", "it is no command: not answered 250",
						 "RFC 5321 §2.3.8" };
	struct probe probe;
	struct probe_target target = at->target;
	struct verify_reply reply;
	struct error error = { "" };
	if (!verify_begin(at, &probe, &target, false, &what))
		return;
	target.timeout_ms = VERIFY_SILENCE_MS;
	bool came = probe_send(&probe, SLICE_LITERAL("NOOP\n"), &error) && probe_await(&probe, &error);
	verify_take_reply(&probe, came, &error, &reply);
	verify_tell(at, reply.code == 250 ? VERIFY_FAILED : VERIFY_PASSED, &what, "%s",
		    probe.silent ? "the server waits for the rest" : reply.text);
	probe_close(&probe);
}
