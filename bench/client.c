/* A connection from its socket to its end: connecting, the stream's events, sending, failing; see client.h. What replies
 * mean is client_steps.c's. */
#include "bench/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/client_steps.h"
#include "bench/proxied.h"
#include "bench/source.h"
#include "core/base/buffer.h"
#include "crypto/secret.h"
#include "proto/sasl.h"

enum {
	CLIENT_LEAST_PIECE_BYTES = 4096, /* a long message is cut into no smaller ones: each is a TLS record */
};

/* --- the end, whichever way --- */

/* Nothing of the connection is left: the last thing that happens to it. */
static void down(struct client *client)
{
	struct load *load = client->load;
	loop_timer_stop(load->loop, &client->timer);
	sign_in_client_end(&client->sign_in);
	client->step = CLIENT_DOWN;
	load->alive--;
	if (client->is_open)
		load->shared->open--;
	else if (load->scenario->lasting)
		load_opened(load);
	client->is_open = false;
	load->scenario->ended(client, client->failed);
}

void client_cut(struct client *client)
{
	if (client->step == CLIENT_DOWN || client->step == CLIENT_CLOSE)
		return;
	bool has_stream = client->step > CLIENT_CONNECT;
	client->step = CLIENT_CLOSE;
	client->failed = true;
	list_remove(&client->link);
	loop_timer_stop(client->load->loop, &client->timer);
	if (has_stream)
		stream_close(&client->stream);
	else
		loop_cancel(client->load->loop, &client->connect);
}

void client_fail(struct client *client, const char *where, const char *what)
{
	if (client->step == CLIENT_CLOSE)
		return;
	results_add_failure(client->load->results, where ? where : client_step_name(client->step), what);
	client_cut(client);
}

void client_fail_reply(struct client *client, const char *where)
{
	if (client->step == CLIENT_CLOSE)
		return;
	results_add_reply(client->load->results, where ? where : client_step_name(client->step), &client->reply);
	client_cut(client);
}

static void on_timer(struct timer *timer)
{
	struct client *client = CONTAINER_OF(timer, struct client, timer);
	if (client->step == CLIENT_DOWN)
		client->load->scenario->more(client);
	else if (client->step != CLIENT_CLOSE)
		client_fail(client, NULL, "time-out");
	else if (client->fd < 0)
		down(client);
	else
		stream_close(&client->stream);
}

void client_watch(struct client *client)
{
	loop_timer_start(client->load->loop, &client->timer, client->load->options->timeout_ms);
}

void client_rest(struct client *client)
{
	loop_timer_stop(client->load->loop, &client->timer);
}

void client_pause(struct client *client)
{
	loop_timer_start(client->load->loop, &client->timer, CLIENT_PAUSE_MS);
}

/* --- sending --- */

/* Writes what the stream takes now. A long message goes in full TLS records, so what is left of a buffer that is
 * smaller than CLIENT_LEAST_PIECE_BYTES is not used for it. */
static void push(struct client *client)
{
	while (client->unsent.size) {
		size_t room = stream_room(&client->stream);
		size_t piece = client->unsent.size < TLS_WRITE_MOST_BYTES ? client->unsent.size : TLS_WRITE_MOST_BYTES;
		if (piece > room)
			piece = room >= CLIENT_LEAST_PIECE_BYTES ? room : 0;
		if (piece == 0 || !stream_write(&client->stream, slice_first(client->unsent, piece)))
			return;
		client->unsent = slice_skip(client->unsent, piece);
	}
}

void client_send(struct client *client, struct slice bytes)
{
	ASSERT(client->unsent.size == 0);
	client->unsent = bytes;
	push(client);
}

/* --- events --- */

static void take_replies(struct client *client, struct slice input)
{
	while (input.size && client->step != CLIENT_CLOSE) {
		if (client->step == CLIENT_TLS) {
			client_fail(client, NULL, "the server spoke before the handshake");
			return;
		}
		size_t consumed;
		enum smtp_client_status status = smtp_client_read(&client->reply, input, &consumed);
		input = slice_skip(input, consumed);
		if (status == SMTP_CLIENT_REPLY)
			client_take_reply(client);
		else if (status == SMTP_CLIENT_MALFORMED)
			client_fail(client, NULL, "a reply that is not SMTP");
	}
}

static void settle(struct client *client)
{
	if (client->step == CLIENT_READY && client->load->scenario->settle && client->unsent.size == 0)
		client->load->scenario->settle(client);
}

static void readable(struct client *client)
{
	struct load *load = client->load;
	size_t got;
	while (client->step != CLIENT_CLOSE &&
	       (got = stream_read(&client->stream, load->scratch, sizeof load->scratch)) > 0)
		take_replies(client, slice_of(load->scratch, got));
	settle(client);
}

static void on_stream(struct stream *stream, enum stream_event event)
{
	struct client *client = CONTAINER_OF(stream, struct client, stream);
	if (event == STREAM_CLOSED) {
		down(client);
		return;
	}
	if (client->step == CLIENT_CLOSE)
		return;
	switch (event) {
	case STREAM_OPEN:
		client_tls_done(client);
		break;
	case STREAM_READABLE:
		readable(client);
		break;
	case STREAM_DRAINED:
		push(client);
		settle(client);
		break;
	case STREAM_ENDED:
		client_fail(client, NULL, "the server closed the connection");
		break;
	case STREAM_FAILED:
		client_fail(client, NULL, stream_error(stream));
		break;
	case STREAM_HUNG_UP:
	case STREAM_CLOSED:
		break;
	}
}

/* --- connecting --- */

/* The stream has begun in plain text then. */
static void send_proxy_header(struct client *client)
{
	struct load *load = client->load;
	uint8_t header[PROXIED_HEADER_BYTES];
	uint64_t number = load->next_proxied++ * load->options->workers + load->worker;
	size_t size = proxied_header(&load->options->clients, number, header);
	stream_start(&client->stream);
	if (!stream_write(&client->stream, slice_of(header, size)))
		client_fail(client, NULL, "no room for the PROXY header");
}

static void on_connected(struct loop_op *op, const struct loop_completion *completion)
{
	struct client *client = CONTAINER_OF(op, struct client, connect);
	struct load *load = client->load;
	if (completion->result < 0 || client->step == CLIENT_CLOSE) {
		if (client->step != CLIENT_CLOSE)
			results_add_failure(load->results, client_step_name(CLIENT_CONNECT),
					    strerror(-completion->result));
		client->failed = true;
		loop_close(load->loop, client->fd);
		down(client);
		return;
	}
	client->step = CLIENT_GREETING;
	stream_init(&client->stream, load->loop, &load->buffers, client->fd, on_stream);
	if (load->options->proxy_for)
		send_proxy_header(client);
	if (load->options->security == SECURITY_TLS && client->step != CLIENT_CLOSE)
		client_start_tls(client);
	if (client->step != CLIENT_CLOSE)
		stream_start(&client->stream);
}

/* The descriptor can't be had: as the end of a connection, but from the loop, as all ends come. */
static void no_socket(struct client *client, int code)
{
	results_add_failure(client->load->results, client_step_name(CLIENT_CONNECT), strerror(code));
	client->failed = true;
	client->step = CLIENT_CLOSE;
	loop_timer_start(client->load->loop, &client->timer, CLIENT_PAUSE_MS);
}

void client_connect(struct client *client, uint64_t start_ns)
{
	struct load *load = client->load;
	ASSERT(client->step == CLIENT_DOWN);
	client->step = CLIENT_CONNECT;
	client->encrypted = client->failed = false;
	client->unsent = (struct slice){ 0 };
	client->start_ns = start_ns;
	client->phase_ns = load_clock_ns();
	client->login = load->logins->count ? &load->logins->list[load->next_login++ % load->logins->count] : NULL;
	client->reply = (struct smtp_client_reply){ 0 };
	load->alive++;
	client->fd = source_socket(load, client);
	if (client->fd < 0) {
		no_socket(client, errno);
		return;
	}
	client_watch(client);
	loop_connect(load->loop, &client->connect, client->fd, load->address, load->address_size, on_connected);
}

void client_init(struct client *client, struct load *load)
{
	client->load = load;
	sign_in_client_end(&client->sign_in);
	client->step = CLIENT_DOWN;
	client->fd = -1;
	list_init(&client->link);
	loop_op_init(&client->connect);
	timer_init(&client->timer, on_timer);
}
