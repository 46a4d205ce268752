/* The connection to Dovecot's auth service: made, greeted, kept, made again; see dovecot_parts.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/users/dovecot_parts.h"
#include "crypto/secret.h"

enum { AGAIN_LEAST_MS = 50 };

static void connection_connect(struct dovecot_service *service);

/* --- what the log is told --- */

static void tell_names(struct log_line *line, const char *key, unsigned mechanisms)
{
	uint8_t storage[256];
	struct buffer names;
	buffer_init(&names, storage, sizeof storage);
	if (sasl_mechanisms_write(&names, mechanisms) && names.size)
		log_slice(line, key, slice_skip(buffer_slice(&names), 1));
}

/* Once for each time that it goes away. */
static void tell_away(struct dovecot_service *service, const char *why)
{
	error_set(&service->problem, "%s", why);
	if (service->told || service->ended || service->settings.quiet)
		return;
	service->told = true;
	log_message(LOG_WARN, "dovecot-away", "%s: %s; trying again, sign-ins there are put off with 454 until then",
		    service->settings.place, why);
}

static void tell_ready(struct dovecot_service *service)
{
	struct log_line line;
	unsigned missing = service->settings.wanted & ~service->mechanisms;
	service->told = false;
	if (service->settings.quiet)
		return;
	if (log_begin(&line, LOG_INFO, "dovecot-ready")) {
		log_text(&line, "socket", service->settings.place);
		tell_names(&line, "mechanisms", service->mechanisms);
		log_end(&line);
	}
	if (missing && missing != service->told_missing && log_begin(&line, LOG_WARN, "dovecot-lacks")) {
		log_text(&line, "socket", service->settings.place);
		tell_names(&line, "mechanisms", missing);
		log_text(&line, "message", "not offered to clients; does Dovecot's auth_mechanisms name them?");
		log_end(&line);
	}
	service->told_missing = missing;
}

/* --- closing, and coming again --- */

static void try_again(struct timer *timer)
{
	struct dovecot_service *service = CONTAINER_OF(timer, struct dovecot_service, again);
	connection_connect(service);
}

/* Once both operations have ended. */
static void closed(struct dovecot_service *service)
{
	if (loop_op_is_running(&service->send) || loop_op_is_running(&service->receive))
		return;
	if (service->fd >= 0)
		loop_close(service->loop, service->fd);
	service->fd = -1;
	service->state = DOVECOT_AWAY;
	dovecot_auth_reader_wipe(&service->reader);
	for (int i = 0; i < 2; i++) {
		secret_wipe(service->out[i].data, service->out[i].size);
		buffer_clear(&service->out[i]);
	}
	if (!service->ended)
		loop_timer_start(service->loop, &service->again, service->again_ms);
}

/* A good connection that broke is made anew at once. */
static void plan(struct dovecot_service *service)
{
	bool was_good = service->state == DOVECOT_READY &&
			dovecot_now_ms(service) - service->ready_ms >= LIMIT_DOVECOT_AGAIN_MS;
	service->unreachable = !was_good;
	if (was_good)
		service->again_ms = 0;
	else if (service->again_ms < AGAIN_LEAST_MS)
		service->again_ms = AGAIN_LEAST_MS;
	else if ((service->again_ms *= 2) > LIMIT_DOVECOT_AGAIN_MS)
		service->again_ms = LIMIT_DOVECOT_AGAIN_MS;
}

void dovecot_connection_fail(struct dovecot_service *service, const char *why)
{
	if (service->state == DOVECOT_CLOSING)
		return;
	plan(service);
	tell_away(service, why);
	service->state = DOVECOT_CLOSING;
	loop_timer_stop(service->loop, &service->greeting);
	if (service->fd >= 0)
		loop_shutdown(service->loop, service->fd);
	loop_cancel(service->loop, &service->send);
	loop_cancel(service->loop, &service->receive);
	dovecot_exchanges_lose(service, service->unreachable || service->ended);
	closed(service);
}

void dovecot_connection_renew(struct dovecot_service *service)
{
	service->last_id = 0;
	loop_shutdown(service->loop, service->fd);
}

static void fail_errno(struct dovecot_service *service, const char *what, int code)
{
	char why[160];
	snprintf(why, sizeof why, "%s: %s", what, strerror(code < 0 ? -code : code));
	dovecot_connection_fail(service, why);
}

static void greeting_is_late(struct timer *timer)
{
	dovecot_connection_fail(CONTAINER_OF(timer, struct dovecot_service, greeting), "no greeting came in time");
}

/* --- sending --- */

static void sent(struct loop_op *op, const struct loop_completion *completion)
{
	struct dovecot_service *service = CONTAINER_OF(op, struct dovecot_service, send);
	struct buffer *gone = &service->out[!service->filling];
	secret_wipe(gone->data, gone->size);
	buffer_clear(gone);
	if (service->state == DOVECOT_CLOSING)
		closed(service);
	else if (completion->result < 0)
		fail_errno(service, "sending", completion->result);
	else if (service->state == DOVECOT_READY)
		dovecot_exchanges_flush(service);
	else
		dovecot_connection_send(service);
}

void dovecot_connection_send(struct dovecot_service *service)
{
	struct buffer *full = dovecot_connection_out(service);
	if (full->size == 0 || loop_op_is_running(&service->send))
		return;
	service->filling = !service->filling;
	loop_send(service->loop, &service->send, service->fd, buffer_slice(full), sent);
}

/* --- receiving --- */

static void greeted(struct dovecot_service *service)
{
	loop_timer_stop(service->loop, &service->greeting);
	service->state = DOVECOT_READY;
	service->ready_ms = dovecot_now_ms(service);
	service->unreachable = false;
	service->known = true;
	service->mechanisms = service->reader.mechanisms & ~(unsigned)SASL_WITH_PASSWORD;
	if (service->reader.mechanisms & SASL_PLAIN)
		service->mechanisms |= SASL_WITH_PASSWORD;
	tell_ready(service);
	dovecot_exchanges_flush(service);
}

static void hear(struct dovecot_service *service, struct slice input)
{
	struct dovecot_auth_reply reply = { 0 };
	while (service->state == DOVECOT_GREETING || service->state == DOVECOT_READY) {
		enum dovecot_auth_event event = dovecot_auth_read(&service->reader, &input, &reply);
		if (event == DOVECOT_AUTH_NEED_MORE)
			return;
		if (event == DOVECOT_AUTH_BROKEN)
			dovecot_connection_fail(service, service->reader.problem);
		else if (event == DOVECOT_AUTH_READY)
			greeted(service);
		else
			dovecot_exchange_hear(service, event, &reply);
	}
}

static void received(struct loop_op *op, const struct loop_completion *completion)
{
	struct dovecot_service *service = CONTAINER_OF(op, struct dovecot_service, receive);
	if (service->state == DOVECOT_CLOSING) {
		closed(service);
		return;
	}
	if (completion->result < 0) {
		fail_errno(service, "receiving", completion->result);
		return;
	}
	if (completion->result == 0) {
		dovecot_connection_fail(service, "it has closed the connection");
		return;
	}
	service->heard_ms = dovecot_now_ms(service);
	hear(service, completion->bytes);
	if (service->state == DOVECOT_CLOSING || service->state == DOVECOT_AWAY)
		return;
	loop_receive(service->loop, &service->receive, service->fd, received);
}

/* --- connecting --- */

static void connected(struct loop_op *op, const struct loop_completion *completion)
{
	struct dovecot_service *service = CONTAINER_OF(op, struct dovecot_service, send);
	if (service->state == DOVECOT_CLOSING) {
		closed(service);
		return;
	}
	if (completion->result < 0) {
		fail_errno(service, "connecting", completion->result);
		return;
	}
	service->state = DOVECOT_GREETING;
	dovecot_auth_reader_init(&service->reader, service->reader.line.data);
	bool fits = dovecot_auth_write_greeting(dovecot_connection_out(service), (uint32_t)getpid());
	ASSERT(fits);
	dovecot_connection_send(service);
	loop_receive(service->loop, &service->receive, service->fd, received);
}

static void connection_connect(struct dovecot_service *service)
{
	service->state = DOVECOT_CONNECTING;
	loop_timer_start(service->loop, &service->greeting, service->settings.greeting_ms);
	service->fd = socket(service->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (service->fd < 0) {
		fail_errno(service, "no socket", errno);
		return;
	}
	loop_connect(service->loop, &service->send, service->fd, (const struct sockaddr *)&service->address,
		     service->address_size, connected);
}

/* --- life --- */

bool dovecot_connection_start(struct dovecot_service *service)
{
	service->memory = secret_allocate(LIMIT_DOVECOT_LINE_BYTES + 2 * LIMIT_DOVECOT_SEND_BYTES);
	if (!service->memory)
		return false;
	service->fd = -1;
	uint8_t *buffers = service->memory + LIMIT_DOVECOT_LINE_BYTES;
	dovecot_auth_reader_init(&service->reader, service->memory);
	for (int i = 0; i < 2; i++)
		buffer_init(&service->out[i], buffers + i * LIMIT_DOVECOT_SEND_BYTES, LIMIT_DOVECOT_SEND_BYTES);
	loop_op_init(&service->send);
	loop_op_init(&service->receive);
	timer_init(&service->greeting, greeting_is_late);
	timer_init(&service->again, try_again);
	loop_timer_start(service->loop, &service->again, 0);
	return true;
}

void dovecot_connection_stop(struct dovecot_service *service)
{
	service->ended = true;
	loop_timer_stop(service->loop, &service->again);
	if (service->state != DOVECOT_AWAY)
		dovecot_connection_fail(service, "it is not needed any more");
	dovecot_exchanges_lose(service, true);
	loop_await(service->loop, &service->send);
	loop_await(service->loop, &service->receive);
	secret_free(service->memory);
}
