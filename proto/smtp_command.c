/* The table of commands; see smtp_command.h. */
#include "proto/smtp_command.h"

#include <endian.h>

#include "proto/smtp_session_private.h"

enum {
	/* States in which a command line is read at all, but for the lines of an AUTH exchange. */
	ANY_STATE = 1 << SMTP_START | 1 << SMTP_READY | 1 << SMTP_MAIL | 1 << SMTP_RCPT | 1 << SMTP_CHUNKING,
	OUTSIDE_TRANSACTION = 1 << SMTP_START | 1 << SMTP_READY,
	ONE_WORD = COMMAND_HAS_NO_ARGUMENT,
};

#define AT(text, i) ((i) < sizeof(text) - 1 ? (uint64_t)(uint8_t)(text)[(i) < sizeof(text) ? (i) : 0] << 8 * (i) : 0)
#define VERB(text)                                                                                                     \
	(AT(text, 0) | AT(text, 1) | AT(text, 2) | AT(text, 3) | AT(text, 4) | AT(text, 5) | AT(text, 6) | AT(text, 7))

/* Those that come with every message first. */
static const struct smtp_command commands[] = {
	{ VERB("MAIL"), COMMAND_NEEDS_GREETING | COMMAND_NEEDS_SIGN_IN | COMMAND_NEEDS_ARGUMENT | COMMAND_IN_GROUP,
	  SMTP_IN_TRANSACTION, OUTSIDE_TRANSACTION, smtp_run_mail, NULL },
	{ VERB("RCPT"), COMMAND_NEEDS_GREETING | COMMAND_NEEDS_ARGUMENT | COMMAND_IN_GROUP, SMTP_NEEDS_SENDER,
	  1 << SMTP_MAIL | 1 << SMTP_RCPT, smtp_run_rcpt, NULL },
	{ VERB("BDAT"), COMMAND_NEEDS_EHLO | COMMAND_NEEDS_ARGUMENT | COMMAND_IN_GROUP, SMTP_NEEDS_SENDER,
	  1 << SMTP_RCPT | 1 << SMTP_CHUNKING, smtp_run_bdat, smtp_refuse_bdat },
	{ VERB("DATA"), COMMAND_NEEDS_GREETING | ONE_WORD, SMTP_NEEDS_SENDER, 1 << SMTP_RCPT, smtp_run_data, NULL },
	{ VERB("EHLO"), COMMAND_NEEDS_ARGUMENT, 0, ANY_STATE, smtp_run_ehlo, NULL },
	{ VERB("HELO"), COMMAND_NEEDS_ARGUMENT, 0, ANY_STATE, smtp_run_helo, NULL },
	{ VERB("STARTTLS"), COMMAND_NEEDS_EHLO | ONE_WORD, SMTP_IN_TRANSACTION, OUTSIDE_TRANSACTION, smtp_run_starttls,
	  NULL },
	{ VERB("AUTH"), COMMAND_NEEDS_EHLO | COMMAND_NEEDS_ARGUMENT | COMMAND_LONG_LINE, SMTP_IN_TRANSACTION,
	  OUTSIDE_TRANSACTION, smtp_run_auth, NULL },
	{ VERB("RSET"), ONE_WORD | COMMAND_IN_GROUP, 0, ANY_STATE, smtp_run_rset, NULL },
	{ VERB("NOOP"), 0, 0, ANY_STATE, smtp_run_noop, NULL },
	{ VERB("QUIT"), ONE_WORD, 0, ANY_STATE, smtp_run_quit, NULL },
	{ VERB("VRFY"), COMMAND_NEEDS_ARGUMENT, 0, ANY_STATE, smtp_run_vrfy, NULL },
	{ VERB("HELP"), 0, 0, ANY_STATE, smtp_run_help, NULL },
	{ VERB("EXPN"), 0, 0, ANY_STATE, smtp_run_not_offered, NULL },
	{ VERB("TURN"), 0, 0, ANY_STATE, smtp_run_not_offered, NULL },
	{ VERB("ETRN"), 0, 0, ANY_STATE, smtp_run_not_offered, NULL },
	/* A browser that was tricked into speaking to us would go on with its header fields. */
	{ VERB("GET"), 0, 0, ANY_STATE, smtp_run_foreign, NULL },
	{ VERB("PUT"), 0, 0, ANY_STATE, smtp_run_foreign, NULL },
	{ VERB("POST"), 0, 0, ANY_STATE, smtp_run_foreign, NULL },
	{ VERB("HEAD"), 0, 0, ANY_STATE, smtp_run_foreign, NULL },
	{ VERB("OPTIONS"), 0, 0, ANY_STATE, smtp_run_foreign, NULL },
	{ VERB("CONNECT"), 0, 0, ANY_STATE, smtp_run_foreign, NULL },
};

/* As many of eight bytes as there are, the first one lowest. Loads that overlap, where a copy of a size that is not known would go
 * through memory in pieces, and be waited for. */
static uint64_t load_verb(const uint8_t *from, size_t size)
{
	uint32_t low = 0, high;
	if (size < sizeof low) {
		for (size_t i = 0; i < size; i++)
			low |= (uint32_t)from[i] << (8 * i);
		return low;
	}
	memcpy(&low, from, sizeof low);
	memcpy(&high, from + size - sizeof high, sizeof high);
	return le32toh(low) | (uint64_t)le32toh(high) << (8 * (size - sizeof high));
}

/* A verb as one number; 0: longer than any there is. Without the bit that tells small letters no byte but these becomes a
 * capital one, and there are no others in the table. */
static uint64_t verb_key(struct slice verb)
{
	const uint64_t small_bits = 0x2020202020202020;
	return verb.size > sizeof small_bits ? 0 : load_verb(verb.data, verb.size) & ~small_bits;
}

const struct smtp_command *smtp_command_find(struct slice verb)
{
	uint64_t key = verb_key(verb);
	for (size_t i = 0; key && i < sizeof commands / sizeof commands[0]; i++)
		if (commands[i].verb == key)
			return &commands[i];
	return NULL;
}

static bool may_sign_in(const struct smtp_session *session)
{
	return session->tls || session->profile->plaintext_sign_in;
}

unsigned smtp_command_mechanisms(const struct smtp_session *session)
{
	if (!may_sign_in(session))
		return 0;
	return session->profile->mechanisms & ~session->withheld & (session->tls ? ~0U : ~(unsigned)SASL_INSIDE_TLS);
}

/* What is wrong with the order of things: with the most telling reason first. */
static enum smtp_status check_state(const struct smtp_command *command, const struct smtp_session *session)
{
	if (command->states & 1u << session->state)
		return SMTP_OK;
	if (session->state == SMTP_CHUNKING)
		return SMTP_IN_CHUNKS;
	if (session->state == SMTP_MAIL && command->out_of_order == SMTP_NEEDS_SENDER)
		return SMTP_NEEDS_RECIPIENT;
	return (enum smtp_status)command->out_of_order;
}

enum smtp_status smtp_command_may(const struct smtp_command *command, const struct smtp_session *session,
				  struct slice argument)
{
	unsigned flags = command->flags;
	if (session->state == SMTP_START && flags & (COMMAND_NEEDS_GREETING | COMMAND_NEEDS_EHLO))
		return SMTP_NEEDS_GREETING;
	if (flags & COMMAND_NEEDS_EHLO && !session->esmtp)
		return SMTP_NEEDS_EHLO;
	if (flags & COMMAND_NEEDS_SIGN_IN && session->profile->sign_in_required && !session->signed_in)
		return may_sign_in(session) ? SMTP_SIGN_IN_REQUIRED : SMTP_NEEDS_TLS;
	enum smtp_status status = check_state(command, session);
	if (status != SMTP_OK)
		return status;
	if (flags & COMMAND_NEEDS_ARGUMENT && argument.size == 0)
		return SMTP_ARGUMENT_MISSING;
	if (flags & COMMAND_HAS_NO_ARGUMENT && argument.size)
		return SMTP_NO_ARGUMENT_ALLOWED;
	return SMTP_OK;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

void smtp_command_split(struct slice line, struct slice *verb, struct slice *argument)
{
	ASSERT(line.size >= 2);
	struct slice text = slice_first(line, line.size - 2);
	while (text.size && is_blank(text.data[text.size - 1]))
		text.size--;
	*verb = slice_first(text, slice_find(text, ' '));
	*argument = slice_skip(text, verb->size);
	while (argument->size && argument->data[0] == ' ')
		*argument = slice_skip(*argument, 1);
}
