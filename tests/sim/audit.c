/* See audit.h. */
#include "tests/sim/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "core/spool/envelope.h"
#include "core/spool/spool.h"
#include "tests/sim/failure.h"

enum { PATH_BYTES = 256, TRACE_MOST_BYTES = 1536, RESTART_TURNS_MOST = 60 };

/* A live message, as recovery tells it. */
struct found {
	uint64_t id;
	struct spool_place place;
	bool large;
	uint64_t size_bytes;
	size_t envelope_size;
	uint8_t *envelope;
	uint8_t done_bits[MAIL_RECIPIENTS / 8 + 1];
};

struct auditing {
	const struct audit_settings *settings;
	struct sim *sim;
	struct loop *loop;
	struct spool *spool;
	struct found *found;
	size_t found_count;
	struct audit_counts *counts;
};

#define FAIL(auditing, format, ...) sim_fail("%s: " format, (auditing)->settings->when, __VA_ARGS__)

/* --- whose it is --- */

static const char *describe(const struct mail *mail)
{
	static char text[256];
	char id[SPOOL_ID_TEXT_BYTES] = "";
	if (mail->id)
		spool_id_format(mail->id, id);
	snprintf(text, sizeof text, "mail %u of client %u in life %u (%s%s%s, %zu bytes, %zu recipients)", mail->number,
		 mail->client, mail->life, mail_fate_name(mail->fate), id[0] ? " as " : "", id, mail->text_size,
		 mail->recipient_count);
	return text;
}

static struct mail *identify(const struct auditing *auditing, struct slice reverse_path, const char *where)
{
	struct mail *mail = ledger_find(auditing->settings->ledger, reverse_path);
	if (!mail)
		FAIL(auditing, "%s has a mail of nobody: <%.*s>", where, SLICE_ARGS(reverse_path));
	if (mail->fate == MAIL_SENDING || mail->fate == MAIL_REFUSED)
		FAIL(auditing, "%s has %s, which must be nowhere", where, describe(mail));
	return mail;
}

/* The fields that the server puts in front, then the text as it was sent. */
static void check_text(const struct auditing *auditing, const struct mail *mail, struct slice stored, struct slice sent,
		       uint64_t id, const char *where)
{
	char text[SPOOL_ID_TEXT_BYTES];
	spool_id_format(id, text);
	if (stored.size < sent.size || stored.size - sent.size > TRACE_MOST_BYTES)
		FAIL(auditing, "%s has %zu bytes of %s", where, stored.size, describe(mail));
	struct slice trace = slice_first(stored, stored.size - sent.size);
	struct slice rest = slice_skip(stored, trace.size);
	for (size_t i = 0; i < rest.size; i++)
		if (rest.data[i] != sent.data[i])
			FAIL(auditing, "%s: byte %zu of %s is wrong", where, i, describe(mail));
	if (!slice_starts_with(trace, SLICE_LITERAL("Received: ")) || !memmem(trace.data, trace.size, text, 13))
		FAIL(auditing, "%s: the trace fields of %s are wrong: %.*s", where, describe(mail), SLICE_ARGS(trace));
}

/* --- the spool --- */

static void recovered(void *context, const struct spool_message *message)
{
	struct auditing *auditing = context;
	auditing->found = realloc(auditing->found, (auditing->found_count + 1) * sizeof(struct found));
	ASSERT(auditing->found);
	struct found *found = &auditing->found[auditing->found_count++];
	*found = (struct found){
		.id = message->id,
		.place = message->place,
		.large = message->large,
		.size_bytes = message->size_bytes,
		.envelope_size = message->envelope.size,
		.envelope = malloc(message->envelope.size + 1),
	};
	ASSERT(found->envelope);
	memcpy(found->envelope, message->envelope.data, message->envelope.size);
	size_t bits = (envelope_recipients(message->envelope) + 7) / 8;
	if (message->done_bits && bits <= sizeof found->done_bits)
		memcpy(found->done_bits, message->done_bits, bits);
}

static void moved(void *context, uint64_t id, struct spool_place to)
{
	struct auditing *auditing = context;
	for (size_t i = 0; i < auditing->found_count; i++)
		if (auditing->found[i].id == id)
			auditing->found[i].place = to;
}

static void open_spool(struct auditing *auditing)
{
	const struct audit_settings *settings = auditing->settings;
	struct error error;
	struct spool_settings spool = { .directory = settings->lane_directory,
					.segment_bytes = settings->segment_bytes };
	auditing->loop = sim_loop_create(auditing->sim);
	auditing->spool = spool_open(auditing->loop, &spool, recovered, moved, auditing, &error);
	if (!auditing->spool)
		FAIL(auditing, "recovery failed: %s", error.text);
}

static void turn(struct auditing *auditing)
{
	struct error error;
	if (!loop_turn(auditing->loop, true, &error))
		FAIL(auditing, "%s", error.text);
}

/* The recipients of the envelope are those of the mail that were not refused, in order. */
static void check_recipients(const struct auditing *auditing, struct mail *mail, struct envelope *envelope,
			     const struct found *found)
{
	struct slice path;
	size_t at = 0;
	for (uint32_t i = 0; i < envelope->recipients; i++) {
		while (at < mail->recipient_count && mail->recipients[at].refused)
			at++;
		if (!envelope_next(envelope, &path) || at == mail->recipient_count ||
		    !slice_equal(path, slice_from_text(mail->recipients[at].path)))
			FAIL(auditing, "the spool has %s with a wrong recipient", describe(mail));
		mail->recipients[at].pending = !(found->done_bits[i / 8] >> i % 8 & 1);
		at++;
	}
	while (at < mail->recipient_count && mail->recipients[at].refused)
		at++;
	if (at < mail->recipient_count)
		FAIL(auditing, "the spool has %s without <%s>", describe(mail), mail->recipients[at].path);
}

static struct mail *check_envelope(const struct auditing *auditing, const struct found *found)
{
	struct envelope envelope;
	if (!envelope_read(&envelope, slice_of(found->envelope, found->envelope_size)))
		FAIL(auditing, "the spool has an envelope that can't be read (%zu bytes)", found->envelope_size);
	struct mail *mail = identify(auditing, envelope.reverse_path, "the spool");
	if (mail->found++ > 0)
		FAIL(auditing, "the spool has %s twice", describe(mail));
	if (mail->fate == MAIL_ACCEPTED && mail->id != found->id)
		FAIL(auditing, "the spool has %s with another id", describe(mail));
	if (!slice_equal(envelope.login, slice_from_text(mail->login)) ||
	    !(envelope.flags & ENVELOPE_8BITMIME) != !mail->eight_bit)
		FAIL(auditing, "the spool has %s with a wrong login or flags", describe(mail));
	if (mail->found_id && mail->found_id != found->id)
		FAIL(auditing, "the spool has %s, a copy of which was delivered with another id", describe(mail));
	mail->found_id = found->id;
	check_recipients(auditing, mail, &envelope, found);
	return mail;
}

struct reading {
	struct spool_read read;
	enum spool_status status;
	bool done;
};

static void was_read(struct spool_read *read, enum spool_status status)
{
	struct reading *reading = CONTAINER_OF(read, struct reading, read);
	reading->status = status;
	reading->done = true;
}

/* What goes in front of a large file and the file are one text. */
static void check_stored(const struct auditing *auditing, const struct mail *mail, const struct found *found,
			 struct slice front)
{
	char path[PATH_BYTES], id[SPOOL_ID_TEXT_BYTES];
	struct slice sent = slice_of(mail->text, mail->text_size), file = { NULL, 0 };
	if (!found->large) {
		check_text(auditing, mail, front, sent, found->id, "the spool");
		return;
	}
	spool_id_format(found->id, id);
	snprintf(path, sizeof path, "%s/large/%s", auditing->settings->lane_directory, id);
	if (!sim_read_file(auditing->sim, path, &file))
		FAIL(auditing, "the large file of %s is missing", describe(mail));
	uint8_t *whole = malloc(front.size + file.size);
	ASSERT(whole);
	memcpy(whole, front.data, front.size);
	if (file.size)
		memcpy(whole + front.size, file.data, file.size);
	check_text(auditing, mail, slice_of(whole, front.size + file.size), sent, found->id, "the spool");
	free(whole);
}

static void check_message(struct auditing *auditing, const struct found *found)
{
	struct reading reading = { .done = false };
	struct mail *mail = check_envelope(auditing, found);
	spool_read_start(auditing->spool, &reading.read, found->id, found->place, found->large, was_read);
	while (!reading.done)
		turn(auditing);
	if (reading.status != SPOOL_OK)
		FAIL(auditing, "the spool can't read %s", describe(mail));
	if (!slice_equal(reading.read.envelope, slice_of(found->envelope, found->envelope_size)))
		FAIL(auditing, "the envelope of %s is not what recovery has told", describe(mail));
	check_stored(auditing, mail, found, reading.read.text);
	spool_read_finish(&reading.read);
	auditing->counts->live++;
}

static void check_spool(struct auditing *auditing)
{
	for (size_t i = 0; i < auditing->found_count; i++)
		check_message(auditing, &auditing->found[i]);
	spool_close(auditing->spool);
	for (size_t i = 0; i < auditing->found_count; i++)
		free(auditing->found[i].envelope);
	free(auditing->found);
}

/* --- Maildirs --- */

struct folder_listing {
	struct auditing *auditing;
	unsigned user;
	char path[PATH_BYTES];
};

/* A field that stands first in the file, without its name and end; it is skipped. */
static bool take_field(struct slice *file, const char *name, struct slice *value)
{
	struct slice start = slice_from_text(name);
	size_t end = slice_find(*file, '\n');
	if (!slice_starts_with(*file, start) || end == file->size)
		return false;
	*value = slice_skip(slice_first(*file, end), start.size);
	*file = slice_skip(*file, end + 1);
	return true;
}

/* Names of copies are "SECONDS.ID.HOST". */
static uint64_t id_of_name(const char *name)
{
	const char *dot = strchr(name, '.');
	uint64_t id;
	if (!dot || strlen(dot) < SPOOL_ID_TEXT_BYTES || !spool_id_parse(slice_of(dot + 1, 13), &id))
		return 0;
	return id;
}

/* Those of the mail whose Maildir it is. */
static unsigned note_copy(struct mail *mail, unsigned user)
{
	unsigned noted = 0;
	for (size_t i = 0; i < mail->recipient_count; i++) {
		struct mail_recipient *recipient = &mail->recipients[i];
		if (recipient->place != MAIL_MAILDIR || recipient->refused || recipient->user != user)
			continue;
		recipient->copies++;
		noted++;
	}
	return noted;
}

static void check_copy(void *context, const char *name)
{
	struct folder_listing *listing = context;
	struct auditing *auditing = listing->auditing;
	char path[2 * PATH_BYTES];
	struct slice file, value;
	snprintf(path, sizeof path, "%s/%s", listing->path, name);
	if (!sim_read_file(auditing->sim, path, &file))
		FAIL(auditing, "%s can't be read", path);
	if (!take_field(&file, "Return-Path: ", &value) || value.size < 2)
		FAIL(auditing, "%s does not start with Return-Path (%zu bytes)", path, file.size);
	struct mail *mail = identify(auditing, slice_first(slice_skip(value, 1), value.size - 2), path);
	unsigned delivered = 0;
	while (take_field(&file, "Delivered-To: ", &value))
		delivered++;
	check_text(auditing, mail, file, slice_of(mail->file, mail->file_size), id_of_name(name), path);
	unsigned meant = note_copy(mail, listing->user);
	if (delivered == 0 || delivered > meant)
		FAIL(auditing, "%s is a copy of %s for %u recipients, of %u that have this Maildir", path,
		     describe(mail), delivered, meant);
	if (mail->fate == MAIL_ACCEPTED && mail->id != id_of_name(name))
		FAIL(auditing, "%s is a copy of %s with another id", path, describe(mail));
	if (mail->found_id && mail->found_id != id_of_name(name))
		FAIL(auditing, "%s is a copy of %s, which was found with another id too", path, describe(mail));
	mail->found_id = id_of_name(name);
	auditing->counts->copies++;
}

static void check_maildirs(struct auditing *auditing)
{
	for (unsigned user = 0; user < MAIL_USERS; user++) {
		struct folder_listing listing = { .auditing = auditing, .user = user };
		snprintf(listing.path, sizeof listing.path, "/mail/box.test/u%u/new", user);
		if (!sim_list_directory(auditing->sim, listing.path, check_copy, &listing))
			continue; /* nothing was delivered there yet */
	}
}

/* --- what must be there --- */

static void check_recipient(const struct auditing *auditing, const struct mail *mail,
			    const struct mail_recipient *recipient)
{
	if (recipient->copies > 1)
		FAIL(auditing, "<%s> has %u copies of %s", recipient->path, recipient->copies, describe(mail));
	if (mail->fate != MAIL_ACCEPTED || mail->removal != MAIL_KEPT)
		return;
	if (!recipient->pending && recipient->copies == 0)
		FAIL(auditing, "<%s> has lost %s", recipient->path, describe(mail));
	if (auditing->settings->all_delivered && recipient->place == MAIL_MAILDIR && recipient->copies == 0)
		FAIL(auditing, "<%s> did not get %s", recipient->path, describe(mail));
}

static void check_mail(const struct auditing *auditing, const struct mail *mail)
{
	struct audit_counts *counts = auditing->counts;
	if (mail->over && mail->found)
		FAIL(auditing, "%s had left the spool and has come back", describe(mail));
	if (mail->removal == MAIL_REMOVED && mail->found)
		FAIL(auditing, "%s was removed and has come back", describe(mail));
	for (size_t i = 0; i < mail->recipient_count; i++)
		if (!mail->recipients[i].refused)
			check_recipient(auditing, mail, &mail->recipients[i]);
	counts->unanswered += mail->fate == MAIL_SENT && mail->found_id;
	counts->deferred += mail->fate == MAIL_DEFERRED && mail->found_id;
}

static void forget_findings(const struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->count; i++) {
		struct mail *mail = ledger->mails[i];
		mail->found = 0;
		mail->found_id = 0;
		for (size_t j = 0; j < mail->recipient_count; j++) {
			/* A refusal may not have been read. */
			if (mail->recipients[j].place == MAIL_NOWHERE)
				mail->recipients[j].refused = true;
			mail->recipients[j].pending = false;
			mail->recipients[j].copies = 0;
		}
	}
}

/* The server has started on this disk and gone on for a moment: what if the power failed then? */
static void audit_again(struct auditing *auditing)
{
	struct audit_settings settings = *auditing->settings;
	char when[PATH_BYTES];
	snprintf(when, sizeof when, "%s, started again, and if the power failed then", settings.when);
	settings.when = when;
	settings.restarts = false;
	settings.all_delivered = false;
	for (uint64_t turns = sim_random(auditing->sim, RESTART_TURNS_MOST); turns > 0; turns--)
		turn(auditing);
	audit(sim_fork(auditing->sim, sim_random(auditing->sim, UINT32_MAX), true), &settings, auditing->counts);
}

void audit(struct sim *fork, const struct audit_settings *settings, struct audit_counts *counts)
{
	struct auditing auditing = { .settings = settings, .sim = fork, .counts = counts };
	open_spool(&auditing);
	if (settings->restarts)
		audit_again(&auditing);
	counts->audits++;
	forget_findings(settings->ledger);
	check_maildirs(&auditing);
	check_spool(&auditing);
	for (size_t i = 0; i < settings->ledger->count; i++)
		check_mail(&auditing, settings->ledger->mails[i]);
	loop_destroy(auditing.loop);
	sim_destroy(fork);
}
