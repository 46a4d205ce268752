/* A delivery session: one try of one message.
 *
 * Reads the message from the spool, copies it to one Maildir after the other, and tells the spool how each ended. Records
 * of recipients that are done go out beside the next copies, one at a time; where the whole message is done one record
 * says it all, so a message with one recipient costs one. What the spool could not record is known in memory and
 * recorded with the message's end; a crash before repeats those copies, to the same names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/relay/queue_state.h"

static void next_copy(struct delivery *delivery);
static void record_next(struct delivery *delivery);

/* --- log --- */

static int64_t age_us(const struct delivery *delivery)
{
	return loop_now(delivery->queue->loop)->unix_us - delivery->message->accepted_unix_us;
}

static void log_outcome(const struct delivery *delivery, const char *event, const struct recipient *recipient,
			const char *reason)
{
	struct log_line line;
	if (!log_begin(&line, reason ? LOG_WARN : LOG_INFO, event))
		return;
	log_text(&line, "id", delivery->id);
	if (recipient)
		log_slice(&line, "recipient", recipient->path);
	if (recipient && recipient->route) {
		struct buffer route;
		char storage[256];
		buffer_init(&route, storage, sizeof storage);
		buffer_append_text(&route, recipient->route->file);
		buffer_append_byte(&route, ':');
		buffer_append_number(&route, (uint64_t)recipient->route->line);
		log_slice(&line, "route", buffer_slice(&route));
	}
	log_number(&line, "delay_ms", age_us(delivery) / 1000);
	if (reason)
		log_text(&line, "reason", reason);
	log_end(&line);
}

/* Answers how many recipients are in this state. */
static uint32_t log_all(const struct delivery *delivery, enum recipient_state state, const char *event,
			const char *reason)
{
	const struct recipients *recipients = &delivery->recipients;
	uint32_t count = 0;
	uint32_t at = recipients_find(recipients, state, 0);
	for (; at != RECIPIENT_NONE; at = recipients_find(recipients, state, at + 1)) {
		log_outcome(delivery, event, &recipients->list[at], reason);
		count++;
	}
	return count;
}

/* --- the end --- */

static void finish_reading(struct delivery *delivery)
{
	if (delivery->read_is_open)
		spool_read_finish(&delivery->read);
	delivery->read_is_open = false;
	recipients_finish(&delivery->recipients);
}

static void end(struct delivery *delivery)
{
	finish_reading(delivery);
	queue_delivery_ended(delivery->queue, delivery);
}

/* A change that the spool could not record is no reason to stop: the queue knows it, the next record says it too. */
static void log_unrecorded(const struct delivery *delivery, enum spool_status status)
{
	if (status != SPOOL_OK)
		log_message(LOG_WARN, "unrecorded", "%s: the spool can't record how its delivery went (%s)",
			    delivery->id, status == SPOOL_FULL ? "no space" : "write error");
}

static void recipient_recorded(struct spool_entry *entry, enum spool_status status)
{
	struct delivery *delivery = CONTAINER_OF(entry, struct delivery, entry);
	delivery->entry_runs = false;
	log_unrecorded(delivery, status);
	delivery->recipients.list[delivery->recording].state = RECIPIENT_DONE;
	record_next(delivery);
}

static void message_recorded(struct spool_entry *entry, enum spool_status status)
{
	struct delivery *delivery = CONTAINER_OF(entry, struct delivery, entry);
	delivery->entry_runs = false;
	log_unrecorded(delivery, status);
	if (status != SPOOL_OK && delivery->outcome == DELIVERY_DONE) {
		/* Nobody is left: the next try only records that. */
		for (uint32_t i = 0; i < delivery->message->recipients; i++)
			queue_mark_done(delivery->message, i);
		delivery->outcome = DELIVERY_DEFERRED;
	}
	end(delivery);
}

static void append_change(struct delivery *delivery, enum spool_change change, uint32_t recipient, const char *detail,
			  spool_done *done)
{
	delivery->entry_runs = true;
	spool_append_change(delivery->queue->spool, &delivery->entry, queue_message_id(delivery->message), change,
			    recipient, slice_from_text(detail), done);
}

/* Appends the next record if none is under way: those of recipients first, the message's when all copies are made. */
static void record_next(struct delivery *delivery)
{
	if (delivery->entry_runs)
		return;
	bool over = delivery->step == DELIVERY_RECORDING;
	if (over && delivery->outcome == DELIVERY_DONE) {
		append_change(delivery, SPOOL_MESSAGE_DONE, 0, "", message_recorded);
		return;
	}
	uint32_t delivered = recipients_find(&delivery->recipients, RECIPIENT_DELIVERED, 0);
	if (delivered != RECIPIENT_NONE) {
		delivery->recording = delivered;
		queue_mark_done(delivery->message, delivered);
		append_change(delivery, SPOOL_RECIPIENT_DONE, delivered, "", recipient_recorded);
	} else if (over && delivery->outcome == DELIVERY_DEFERRED) {
		append_change(delivery, SPOOL_ATTEMPT, 0, delivery->reason, message_recorded);
	} else if (over && delivery->outcome == DELIVERY_HELD) {
		append_change(delivery, SPOOL_HOLD, 0, delivery->reason, message_recorded);
	} else if (over) {
		end(delivery);
	}
}

static enum delivery_outcome judge(const struct delivery *delivery)
{
	const struct recipients *recipients = &delivery->recipients;
	if (recipients_find(recipients, RECIPIENT_WAITING, 0) != RECIPIENT_NONE)
		return DELIVERY_INTERRUPTED;
	if (recipients_find(recipients, RECIPIENT_DEFERRED, 0) != RECIPIENT_NONE)
		return schedule_is_over(age_us(delivery)) ? DELIVERY_HELD : DELIVERY_DEFERRED;
	if (recipients_find(recipients, RECIPIENT_HELD, 0) != RECIPIENT_NONE ||
	    recipients_find(recipients, RECIPIENT_FAILED, 0) != RECIPIENT_NONE)
		return DELIVERY_HELD;
	return DELIVERY_DONE;
}

/* Bounces are not sent: who can't be reached stays in the spool, and the log says why. */
static void log_held(const struct delivery *delivery)
{
	log_all(delivery, RECIPIENT_HELD, "held", "the route holds it");
	uint32_t failed = log_all(delivery, RECIPIENT_FAILED, "failed", "no route, or its name makes no safe Maildir");
	failed += log_all(delivery, RECIPIENT_DEFERRED, "failed", "tried long enough; the message is held now");
	delivery->queue->counts.failed += failed;
}

/* All copies are made that can be made now. */
static void conclude(struct delivery *delivery, enum delivery_outcome outcome)
{
	delivery->step = DELIVERY_RECORDING;
	delivery->outcome = (uint8_t)outcome;
	if (outcome == DELIVERY_HELD)
		log_held(delivery);
	/* Records of recipients that are under way or to come still need their states. */
	if (outcome == DELIVERY_DONE && !delivery->entry_runs)
		finish_reading(delivery);
	queue_take_back_chunk(delivery->queue, delivery);
	record_next(delivery);
}

/* The try fails as a whole, for all recipients. */
static void conclude_unread(struct delivery *delivery, enum delivery_outcome outcome, const char *reason)
{
	bool over = outcome == DELIVERY_DEFERRED && schedule_is_over(age_us(delivery));
	snprintf(delivery->reason, sizeof delivery->reason, "%s", reason);
	log_outcome(delivery, outcome == DELIVERY_DEFERRED && !over ? "deferred" : "failed", NULL, reason);
	recipients_finish(&delivery->recipients);
	conclude(delivery, over ? DELIVERY_HELD : outcome);
}

/* --- copies --- */

static void set_states(struct delivery *delivery, enum recipient_state state, const char *event, const char *reason)
{
	struct recipient *list = delivery->recipients.list;
	for (uint32_t at = delivery->current; at != RECIPIENT_NONE; at = list[at].next) {
		list[at].state = (uint8_t)state;
		log_outcome(delivery, event, &list[at], reason);
		if (state == RECIPIENT_DELIVERED)
			delivery->queue->counts.delivered++;
		else
			delivery->queue->counts.deferred++;
	}
}

static void copied(struct maildir_copy *copy, int32_t result)
{
	struct delivery *delivery = CONTAINER_OF(copy, struct delivery, copy);
	if (result == 0) {
		set_states(delivery, RECIPIENT_DELIVERED, "delivered", NULL);
	} else {
		snprintf(delivery->reason, sizeof delivery->reason, "%s: %s", copy->failed, strerror(-result));
		set_states(delivery, RECIPIENT_DEFERRED, "deferred", delivery->reason);
	}
	next_copy(delivery);
}

static void append_field(struct buffer *head, const char *name, const char *before, struct slice value,
			 const char *after)
{
	if (strlen(name) + strlen(before) + value.size + strlen(after) > buffer_room(head))
		return;
	buffer_append_text(head, name);
	buffer_append_text(head, before);
	buffer_append(head, value);
	buffer_append_text(head, after);
}

/* What final delivery puts in front (RFC 5321 §4.4): the reverse path, and for whom this copy is. */
static size_t write_head(struct delivery *delivery)
{
	struct buffer head;
	buffer_init(&head, delivery->chunk, LIMIT_DELIVERED_TO_BYTES);
	append_field(&head, "Return-Path: ", "<", delivery->envelope.reverse_path, ">\n");
	const struct recipient *list = delivery->recipients.list;
	for (uint32_t at = delivery->current; at != RECIPIENT_NONE; at = list[at].next)
		append_field(&head, "Delivered-To: ", "", list[at].path, "\n");
	return head.size;
}

static void start_copy(struct delivery *delivery)
{
	const struct recipient *recipient = &delivery->recipients.list[delivery->current];
	bool fits = recipient_maildir(recipient, delivery->routing.hostname, delivery->path, sizeof delivery->path);
	ASSERT(fits); /* recipients_read() tried */
	maildir_copy_start(&delivery->copy, &delivery->source, delivery->path, route_maildir_base(recipient->route),
			   delivery->chunk, write_head(delivery), copied);
}

static uint32_t find_next_copy(const struct delivery *delivery)
{
	const struct recipients *recipients = &delivery->recipients;
	uint32_t at = recipients_find(recipients, RECIPIENT_WAITING, delivery->current);
	while (at != RECIPIENT_NONE && !recipients->list[at].first)
		at = recipients_find(recipients, RECIPIENT_WAITING, at + 1);
	return at;
}

static void next_copy(struct delivery *delivery)
{
	bool interrupted = delivery->queue->stopping || delivery->message->ordered;
	uint32_t next = interrupted ? RECIPIENT_NONE : find_next_copy(delivery);
	if (next == RECIPIENT_NONE) {
		conclude(delivery, judge(delivery));
		return;
	}
	delivery->current = next;
	record_next(delivery);
	start_copy(delivery);
}

/* --- reading --- */

static bool is_same_place(struct spool_place a, struct spool_place b)
{
	return a.segment == b.segment && a.offset == b.offset;
}

static void start_reading(struct delivery *delivery);

static void message_read(struct spool_read *read, enum spool_status status)
{
	struct delivery *delivery = CONTAINER_OF(read, struct delivery, read);
	struct queue_message *message = delivery->message;
	if (status != SPOOL_OK && !is_same_place(delivery->read_place, message->place)) {
		/* Compaction moved it meanwhile. */
		finish_reading(delivery);
		start_reading(delivery);
		return;
	}
	if (status != SPOOL_OK) {
		conclude_unread(delivery, DELIVERY_DEFERRED, "its record in the spool can't be read");
		return;
	}
	if (!envelope_read(&delivery->envelope, read->envelope) ||
	    delivery->envelope.recipients != message->recipients) {
		conclude_unread(delivery, DELIVERY_HELD, "its envelope in the spool is damaged");
		return;
	}
	delivery->routing = delivery->queue->recipients;
	switch (recipients_read(&delivery->recipients, &delivery->envelope, message->done_bits, &delivery->routing)) {
	case RECIPIENTS_MALFORMED:
		conclude_unread(delivery, DELIVERY_HELD, "its envelope in the spool is damaged");
		return;
	case RECIPIENTS_NO_MEMORY:
		conclude_unread(delivery, DELIVERY_DEFERRED, "out of memory");
		return;
	case RECIPIENTS_OK:
		break;
	}
	/* The index may know the time less exactly, and a repeated delivery must find the name of the first. */
	message->accepted_unix_us = delivery->envelope.accepted_unix_us;
	maildir_name(delivery->name, message->accepted_unix_us, delivery->id, delivery->queue->host);
	delivery->source = (struct maildir_message){ delivery->name, read->text, read->large_fd, read->large_size };
	delivery->step = DELIVERY_COPYING;
	next_copy(delivery);
}

static void start_reading(struct delivery *delivery)
{
	struct queue_message *message = delivery->message;
	delivery->read_place = message->place;
	delivery->read_is_open = true;
	spool_read_start(delivery->queue->spool, &delivery->read, queue_message_id(message), message->place,
			 message->large, message_read);
}

void delivery_start(struct delivery *delivery, struct queue *queue, struct queue_message *message, uint8_t *chunk)
{
	delivery->queue = queue;
	delivery->message = message;
	delivery->chunk = chunk;
	delivery->recipients = (struct recipients){ 0 };
	delivery->routing = (struct recipients_settings){ 0 };
	delivery->current = 0;
	delivery->step = DELIVERY_READING;
	delivery->entry_runs = false;
	delivery->reason[0] = 0;
	maildir_copy_init(&delivery->copy, &queue->folders);
	spool_id_format(queue_message_id(message), delivery->id);
	start_reading(delivery);
}
