/* Mails: made up, sent, told about; see ledger.h. */
#include "tests/sim/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"

enum {
	TINY_MOST_BYTES = 300,
	SMALL_MOST_BYTES = 8 * 1024,
	LARGE_MOST_BYTES = 3 * LIMIT_INLINE_MESSAGE_BYTES,
	HEADER_MOST_BYTES = 1024,
	LONG_LINE_BYTES = 990,
	USUAL_LINE_BYTES = 78,
	NUMBER_DIGITS = 6,
};

void ledger_init(struct ledger *ledger, uint64_t seed)
{
	*ledger = (struct ledger){ .seed = seed };
}

void ledger_finish(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->count; i++) {
		free(ledger->mails[i]->text);
		free(ledger->mails[i]->file);
		free(ledger->mails[i]);
	}
	free(ledger->mails);
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);
	ASSERT(memory);
	return memory;
}

/* --- text --- */

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Lines of all lengths; many start with a dot, as those are what SMTP changes on the way. */
static void append_line(struct buffer *text, uint64_t *random, bool eight_bit)
{
	uint64_t kind = next_random(random) % 16;
	size_t size = next_random(random) % (kind == 0 ? LONG_LINE_BYTES : USUAL_LINE_BYTES);
	if (kind < 4)
		buffer_append_text(text, kind == 1 ? "." : "..");
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(' ' + next_random(random) % 95);
		if (eight_bit && byte == '~')
			byte = (uint8_t)(0x80 + next_random(random) % 128);
		buffer_append_byte(text, byte);
	}
	buffer_append_text(text, "\r\n");
}

static void append_header(struct buffer *text, const struct mail *mail, uint64_t *random)
{
	uint64_t fields = next_random(random);
	if (fields % 16 == 0)
		return; /* text that has none */
	buffer_append_format(text, "From: <%s>\r\nSubject: mail %u of client %u\r\n", mail->reverse_path, mail->number,
			     mail->client);
	if (fields & 16)
		buffer_append_text(text, "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n");
	if (fields & 32)
		buffer_append_format(text, "Message-ID: <%u@client.test>\r\n", mail->number);
	buffer_append_text(text, "\r\n");
}

static void make_text(struct mail *mail, uint64_t seed, size_t size)
{
	struct buffer text;
	size_t capacity = size + HEADER_MOST_BYTES + 2 * LONG_LINE_BYTES;
	uint64_t random = seed * 0x9e3779b97f4a7c15u + mail->number;
	buffer_init(&text, allocate(capacity), capacity);
	append_header(&text, mail, &random);
	while (text.size < size)
		append_line(&text, &random, mail->eight_bit);
	ASSERT(!text.overflow);
	mail->text = text.data;
	mail->text_size = text.size;
}

/* A line end that is half of one, or a byte that no text has. */
static void spoil_text(struct mail *mail, struct sim *sim)
{
	static const uint8_t faults[] = { '\r', '\n', 0 };
	size_t at = sim_random(sim, mail->text_size - 2);
	while (at && (mail->text[at] == '\n' || mail->text[at + 1] == '\n' || mail->text[at - 1] == '\r'))
		at--;
	mail->text[at] = faults[sim_random(sim, sizeof faults)];
}

/* As a file has it: LF. */
static void make_file(struct mail *mail)
{
	mail->file = allocate(mail->text_size + 1);
	for (size_t i = 0; i < mail->text_size; i++)
		if (mail->text[i] != '\r')
			mail->file[mail->file_size++] = mail->text[i];
}

/* --- envelope --- */

static void make_recipient(struct mail_recipient *recipient, struct sim *sim, unsigned number, unsigned held_percent)
{
	bool odd = sim_random(sim, 20) == 0;
	recipient->user = (unsigned)sim_random(sim, MAIL_USERS);
	recipient->place = sim_random(sim, 100) < held_percent ? MAIL_HOLDS : odd ? MAIL_NOWHERE : MAIL_MAILDIR;
	switch (recipient->place) {
	case MAIL_HOLDS:
		snprintf(recipient->path, sizeof recipient->path, "h%u@hold.test", number);
		break;
	case MAIL_MAILDIR:
		/* Names that differ in case are the same Maildir's. */
		snprintf(recipient->path, sizeof recipient->path,
			 sim_random(sim, 10) == 0 ? "U%u@BOX.test" : "u%u@box.test", recipient->user);
		break;
	case MAIL_NOWHERE:
		snprintf(recipient->path, sizeof recipient->path, "n%u@nowhere.test", number);
		break;
	}
}

struct mail *ledger_add(struct ledger *ledger, struct sim *sim, unsigned life, unsigned client, bool large)
{
	if (ledger->count == ledger->capacity) {
		ledger->capacity = ledger->capacity ? 2 * ledger->capacity : 64;
		ledger->mails = realloc(ledger->mails, ledger->capacity * sizeof(struct mail *));
		ASSERT(ledger->mails);
	}
	struct mail *mail = allocate(sizeof *mail);
	mail->number = (unsigned)ledger->count;
	mail->life = life;
	mail->client = client;
	mail->eight_bit = sim_random(sim, 4) == 0;
	snprintf(mail->reverse_path, sizeof mail->reverse_path, "m%0*u@sender.test", NUMBER_DIGITS, mail->number);
	bool many = sim_random(sim, 8) == 0;
	mail->recipient_count = 1 + sim_random(sim, many ? MAIL_RECIPIENTS : 3);
	for (unsigned i = 0; i < mail->recipient_count; i++)
		make_recipient(&mail->recipients[i], sim, i, ledger->held_percent);
	size_t size = large ? LIMIT_INLINE_MESSAGE_BYTES + sim_random(sim, LARGE_MOST_BYTES)
			    : 100 + sim_random(sim, sim_random(sim, 3) ? SMALL_MOST_BYTES : TINY_MOST_BYTES);
	make_text(mail, ledger->seed, size);
	mail->faulty = sim_random(sim, 25) == 0;
	if (mail->faulty)
		spoil_text(mail, sim);
	make_file(mail);
	ledger->mails[ledger->count++] = mail;
	return mail;
}

/* --- what was told --- */

void ledger_begin(struct ledger *ledger, struct mail *mail)
{
	mail->begun = ++ledger->step;
}

/* A mail of the same life that was begun after a failed write, and is durable, stands in a later segment, which says
 * that nothing counts behind the failure. */
static void refute_deferred(const struct ledger *ledger, const struct mail *accepted)
{
	for (size_t i = 0; i < ledger->count; i++) {
		struct mail *mail = ledger->mails[i];
		if (mail->fate == MAIL_DEFERRED && mail->life == accepted->life && mail->deferred < accepted->begun)
			mail->fate = MAIL_REFUSED;
	}
}

void ledger_accepted(struct ledger *ledger, struct mail *mail, uint64_t id)
{
	ledger->step++;
	ledger->accepted++;
	mail->fate = MAIL_ACCEPTED;
	mail->id = id;
	refute_deferred(ledger, mail);
}

void ledger_refused(struct ledger *ledger, struct mail *mail, unsigned code)
{
	bool stored_perhaps = (code == 451 || code == 452) && mail->fate == MAIL_SENT;
	mail->fate = stored_perhaps ? MAIL_DEFERRED : MAIL_REFUSED;
	mail->deferred = ++ledger->step;
	ledger->deferred += stored_perhaps;
}

void ledger_settle(struct ledger *ledger, bool durable)
{
	for (size_t i = 0; i < ledger->count; i++) {
		struct mail *mail = ledger->mails[i];
		mail->over |= durable && mail->fate == MAIL_ACCEPTED && !mail->found;
		if (mail->fate != MAIL_SENT && mail->fate != MAIL_DEFERRED)
			continue;
		ledger->unanswered += mail->fate == MAIL_SENT;
		if (!mail->found_id) {
			mail->fate = MAIL_REFUSED;
		} else if (durable) {
			mail->fate = MAIL_ACCEPTED;
			mail->id = mail->found_id;
		}
	}
}

/* --- finding --- */

struct mail *ledger_find(const struct ledger *ledger, struct slice reverse_path)
{
	uint64_t number;
	if (reverse_path.size < 1 + NUMBER_DIGITS)
		return NULL;
	struct slice digits = slice_first(slice_skip(reverse_path, 1), NUMBER_DIGITS);
	if (!slice_parse_number(digits, UINT32_MAX, &number) || number >= ledger->count)
		return NULL;
	struct mail *mail = ledger->mails[number];
	return slice_equal(reverse_path, slice_from_text(mail->reverse_path)) ? mail : NULL;
}

size_t ledger_count(const struct ledger *ledger, enum mail_fate fate)
{
	size_t count = 0;
	for (size_t i = 0; i < ledger->count; i++)
		count += ledger->mails[i]->fate == fate;
	return count;
}

const char *mail_fate_name(enum mail_fate fate)
{
	static const char *const names[MAIL_FATES] = {
		[MAIL_SENDING] = "not sent whole", [MAIL_SENT] = "not answered", [MAIL_ACCEPTED] = "accepted",
		[MAIL_DEFERRED] = "deferred",      [MAIL_REFUSED] = "refused",
	};
	return names[fate];
}
