/* Reading a line of cases; see policy_case_line.h. */
#include "tools/policy_case_line.h"

#include <stdio.h>

#include "core/net/quote.h"
#include "proto/address.h"
#include "tools/policy_case.h"
#include "tools/policy_situation.h"

enum { WORDS_MOST = 16 };

/* --- words --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Ends the word that starts there and answers what is behind it. Blanks inside quotes are part of it, as a local part may
 * have some (RFC 5321 §4.1.2). */
static char *end_word(char *text)
{
	bool quoted = false;
	for (; *text && (quoted || !is_blank(*text)); text++) {
		if (*text == '"')
			quoted = !quoted;
		else if (*text == '\\' && quoted && text[1])
			text++;
	}
	if (*text)
		*text++ = 0;
	return text;
}

/* WORDS_MOST + 1: there are more. */
static size_t split(char *text, char *words[WORDS_MOST])
{
	for (size_t count = 0;; count++) {
		while (is_blank(*text))
			text++;
		if (!*text || *text == '#')
			return count;
		if (count == WORDS_MOST)
			return WORDS_MOST + 1;
		words[count] = text;
		text = end_word(text);
	}
}

static const char *quoted(const char *text, char quote[NET_QUOTE_BYTES])
{
	return net_quote(slice_from_text(text), quote);
}

/* --- the client --- */

static bool set_name(struct policy_case_line *line, char *value, struct error *error)
{
	if (!value[0])
		return error_set(error, "name= is a host's name, or unknown or failed");
	if (strcmp(value, "failed") == 0) {
		line->facts.name_state = POLICY_NAME_FAILED;
		return true;
	}
	return policy_read_name(strcmp(value, "unknown") == 0 ? "" : value, &line->facts, error);
}

static bool set_tls(struct policy_case_line *line, char *value, struct error *error)
{
	uint64_t bits;
	if (!slice_parse_number(slice_from_text(value), POLICY_BITS_MOST, &bits))
		return error_set(error, "tls= is a number of bits: 0 (no TLS), 128 or 256");
	line->tls_told = true;
	line->facts.tls_bits = (unsigned)bits;
	return true;
}

static bool set_user(struct policy_case_line *line, char *value, struct error *error)
{
	line->facts.signed_in = true;
	return value[0] || error_set(error, "user= is the name of a login");
}

static bool is_address(struct slice text)
{
	struct address address;
	return address_parse(text, true, &address) == ADDRESS_OK;
}

static bool set_sender(struct policy_case_line *line, char *value, struct error *error)
{
	struct slice sender = slice_from_text(value);
	char quote[NET_QUOTE_BYTES];
	if (line->last < POLICY_SENDER)
		line->last = POLICY_SENDER;
	return sender.size == 0 || slice_equal(sender, SLICE_LITERAL("<>")) || is_address(sender) ||
	       error_set(error, "from=%s is no address, as in from=alice@example.org; from=<> is a bounce's",
			 quoted(value, quote));
}

static bool set_recipient(struct policy_case_line *line, char *value, struct error *error)
{
	char quote[NET_QUOTE_BYTES];
	line->recipient = slice_from_text(value);
	line->last = POLICY_RECIPIENT;
	return slice_equal_nocase(line->recipient, SLICE_LITERAL("postmaster")) || is_address(line->recipient) ||
	       error_set(error, "to=%s is no address, as in to=bob@example.org", quoted(value, quote));
}

static const struct part {
	const char *name; /* with its = */
	bool (*set)(struct policy_case_line *line, char *value, struct error *error);
} parts[] = {
	{ "name=", set_name },   { "tls=", set_tls },      { "user=", set_user },
	{ "from=", set_sender }, { "to=", set_recipient },
};

enum { PARTS = sizeof parts / sizeof *parts };

static bool set_part(struct policy_case_line *line, char *word, bool told[PARTS], struct error *error)
{
	char quote[NET_QUOTE_BYTES];
	for (size_t i = 0; i < PARTS; i++) {
		size_t size = strlen(parts[i].name);
		if (strncmp(word, parts[i].name, size) != 0)
			continue;
		if (told[i])
			return error_set(error, "%s is there twice", parts[i].name);
		told[i] = true;
		return parts[i].set(line, word + size, error);
	}
	return error_set(error, "\"%s\" is not name=, tls=, user=, from= or to=, nor the -> before what is expected",
			 quoted(word, quote));
}

static bool read_client(struct policy_case_line *line, char **words, size_t count, struct error *error)
{
	bool told[PARTS] = { false };
	if (count == 0)
		return error_set(error,
				 "a case begins with the client's address: 192.0.2.1 to=bob@example.org -> allow");
	if (!net_address_parse(slice_from_text(words[0]), &line->facts.client, error))
		return false;
	for (size_t i = 1; i < count; i++)
		if (!set_part(line, words[i], told, error))
			return false;
	return true;
}

/* --- what is expected --- */

static const char how[] =
	"-> allow, refuse, defer or needs-name; then may come the reply's code and the stage: connection, "
	"sender or recipient";

static bool set_outcome(struct policy_case_line *line, const char *word)
{
	static const char *const outcomes[] = { "allow", "refuse", "defer", "needs-name" };
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		line->expected.outcome = (enum policy_outcome)i;
		if (strcmp(word, outcomes[i]) == 0)
			return true;
	}
	return false;
}

static bool set_code(struct policy_case_line *line, const char *word)
{
	uint64_t code;
	if (!slice_parse_number(slice_from_text(word), 599, &code) || code < 200)
		return false;
	line->expected.code = (unsigned)code;
	return line->expected.outcome != POLICY_NEEDS_NAME;
}

static bool set_stage(struct policy_case_line *line, const char *word)
{
	for (enum policy_stage stage = POLICY_CONNECTION; stage < POLICY_STAGES; stage++) {
		line->expected.stage = stage;
		if (strcmp(word, policy_stage_name(stage)) == 0)
			return true;
	}
	return false;
}

/* Closes the gaps between the words, so that they are one text. */
static void join(char **words, size_t count)
{
	char *end = words[0] + strlen(words[0]);
	for (size_t i = 1; i < count; i++) {
		size_t size = strlen(words[i]);
		*end++ = ' ';
		memmove(end, words[i], size + 1);
		end += size;
	}
}

static bool read_expected(struct policy_case_line *line, char **words, size_t count, struct error *error)
{
	size_t next = 1;
	line->expected.stage = POLICY_STAGES;
	if (count == 0 || !set_outcome(line, words[0]))
		return error_set(error, "what is expected is written %s", how);
	if (next < count && words[next][0] >= '0' && words[next][0] <= '9' && !set_code(line, words[next++]))
		return error_set(error, "no such reply; what is expected is written %s", how);
	if (next < count && !set_stage(line, words[next++]))
		return error_set(error, "what is expected is written %s", how);
	if (next < count)
		return error_set(error, "there is too much behind the ->; what is expected is written %s", how);
	if (line->expected.stage != POLICY_STAGES && line->expected.stage > line->last)
		return error_set(error, "without %s= the client does not come to the %s",
				 line->expected.stage == POLICY_SENDER ? "from" : "to", words[next - 1]);
	join(words, count);
	line->expected.text = words[0];
	return true;
}

/* --- the line --- */

static bool read_case(struct policy_case_line *line, char **words, size_t count, struct error *error)
{
	size_t arrow = 0;
	while (arrow < count && strcmp(words[arrow], "->") != 0)
		arrow++;
	if (!read_client(line, words, arrow, error))
		return false;
	if (arrow == count)
		return error_set(error, "it is not said what is expected: %s", how);
	return read_expected(line, words + arrow + 1, count - arrow - 1, error);
}

enum policy_line policy_case_line_parse(char *text, struct policy_case_line *line, struct error *error)
{
	char *words[WORDS_MOST];
	size_t count = split(text, words);
	*line = (struct policy_case_line){ .last = POLICY_CONNECTION };
	if (count == 0)
		return POLICY_LINE_EMPTY;
	if (count > WORDS_MOST) {
		(void)error_set(error, "there are more words than a case can have");
		return POLICY_LINE_WRONG;
	}
	if (strcmp(words[0], "server") == 0) {
		if (count != 2) {
			(void)error_set(error, "a server is named by: server NAME");
			return POLICY_LINE_WRONG;
		}
		line->server = words[1];
		return POLICY_LINE_SERVER;
	}
	return read_case(line, words, count, error) ? POLICY_LINE_CASE : POLICY_LINE_WRONG;
}
