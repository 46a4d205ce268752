/* SMTP smuggling: whatever looks like the end of a message to somebody else must not be one here, nor be let through.
 *
 * Each attack stands in the middle of a message with a second envelope behind it, and is fed whole, byte by byte and cut in
 * two at every place, by DATA and by BDAT, with bare LF refused and normalised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/proto/dialogue.h"

struct attack {
	struct slice end;
	const char *normalised; /* what it becomes where bare LF is normalised; NULL: refused there too */
};

#define END(text)                                                                                                      \
	{                                                                                                              \
		(const uint8_t *)(text), sizeof(text) - 1                                                              \
	}

static const struct attack attacks[] = {
	{ END("\n.\n"), "\r\n.\r\n" },
	{ END("\n.\r\n"), "\r\n.\r\n" },
	{ END("\r\n.\n"), "\r\n\r\n" }, /* the dot is stuffing: something stands behind it, and it is no CRLF */
	{ END("\n..\r\n"), "\r\n..\r\n" },
	{ END("\n..\n"), "\r\n..\r\n" },
	{ END("\n\n.\n\n"), "\r\n\r\n.\r\n\r\n" },
	{ END("\n.\n\r\n"), "\r\n.\r\n\r\n" },
	{ END("\r.\r"), NULL },
	{ END("\r\n.\r"), NULL },
	{ END("\r.\r\n"), NULL },
	{ END("\r\n.\r\r\n"), NULL },
	{ END("\r\r\n.\r\r\n"), NULL },
	{ END("\r\n\r.\r\n"), NULL },
	{ END("\r.\n"), NULL },
	{ END("\n.\r"), NULL },
	{ END("\n\r.\n\r"), NULL },
	{ END("\n\r.\r\n"), NULL },
	{ END("\r\n.\n\r"), NULL },
	{ END("\r\n.\r.\r\n"), NULL },
	{ END("\r\n.\0\r\n"), NULL },
	{ END("\r\n\0.\r\n"), NULL },
	{ END("\r\n.\r\0\n"), NULL },
	{ END("\r\0\n.\r\n"), NULL },
	{ END("\0\n.\n\0"), NULL },
	{ END("\0.\0"), NULL },
	{ END("\n\0.\n"), NULL },
	{ END("\n.\0\n"), NULL },
};

#define ENVELOPE "MAIL FROM:<evil@a.example>\r\nRCPT TO:<victim@b.example>\r\n"
#define FRONT    "EHLO x\r\nMAIL FROM:<m@a.example>\r\nRCPT TO:<r@b.example>\r\n"
#define HEAD     "Subject: x\r\n\r\nHi"
#define BEHIND   ENVELOPE "DATA\r\nSubject: forged\r\n\r\n"

static struct dialogue dialogue;
static uint8_t input_storage[4096];

/* A whole session. By BDAT the length says where the message ends, and everything up to there is text. */
static struct slice build(const struct attack *attack, bool by_chunk)
{
	struct buffer out;
	buffer_init(&out, input_storage, sizeof input_storage);
	buffer_append_text(&out, FRONT);
	if (by_chunk)
		buffer_append_format(&out, "BDAT %zu LAST\r\n", strlen(HEAD) + attack->end.size + strlen(BEHIND));
	else
		buffer_append_text(&out, "DATA\r\n");
	buffer_append_text(&out, HEAD);
	buffer_append(&out, attack->end);
	buffer_append_text(&out, BEHIND);
	buffer_append_text(&out, by_chunk ? "QUIT\r\n" : ".\r\nQUIT\r\n");
	assert_false(out.overflow);
	return buffer_slice(&out);
}

/* One message at most, and the forged envelope only as its text. */
static void check(const struct attack *attack, bool by_chunk, bool normalised)
{
	char codes[256], accepted[1024] = "";
	const char *text = normalised ? attack->normalised : NULL;
	/* The dots of a chunk are text. */
	bool dot_stays = by_chunk && text && slice_equal(attack->end, SLICE_LITERAL("\r\n.\n"));
	if (text)
		snprintf(accepted, sizeof accepted, "m@a.example>r@b.example:" HEAD "%s" BEHIND,
			 dot_stays ? "\r\n.\r\n" : text);
	snprintf(codes, sizeof codes, "250 | 250 2.1.0 | 250 2.1.5 | %s%s | 221 2.0.0", by_chunk ? "" : "354 | ",
		 text ? "250 2.0.0" : "554 5.6.0");
	if (slice_equal(buffer_slice(&dialogue.codes), slice_from_text(codes)) &&
	    slice_equal(buffer_slice(&dialogue.accepted), slice_from_text(accepted)))
		return;
	print_error("attack %zu, %s, %s: %.*s\n%.*s\n", (size_t)(attack - attacks), by_chunk ? "BDAT" : "DATA",
		    normalised ? "normalised" : "strict", SLICE_ARGS(buffer_slice(&dialogue.codes)),
		    SLICE_ARGS(buffer_slice(&dialogue.accepted)));
	fail();
}

static void run(const struct attack *attack, bool by_chunk, bool normalised)
{
	struct smtp_profile profile = dialogue_profile();
	profile.bare_lf_normalised = normalised;
	struct slice input = build(attack, by_chunk);
	for (size_t at = 0; at <= input.size; at++) {
		dialogue_run_cut(&dialogue, &profile, true, input, at);
		check(attack, by_chunk, normalised);
	}
	dialogue_run_bytes(&dialogue, &profile, true, input);
	check(attack, by_chunk, normalised);
}

static void nothing_is_smuggled(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
		run(&attacks[i], false, false);
		run(&attacks[i], true, false);
		run(&attacks[i], false, true);
		run(&attacks[i], true, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_smuggled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
