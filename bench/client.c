/* A connection from TCP to QUIT: see client.h.
 *
 * What a reply means before and after the scenario's part stands in one table of steps: the class of code that is
 * good, and what then. */
#include "bench/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/source.h"
#include "core/base/buffer.h"
#include "crypto/secret.h"
#include "proto/sasl.h"

enum {
	CLIENT_COMMAND_BYTES = 2048,     /* the longest command built here: name and password in base64 */
	CLIENT_LEAST_PIECE_BYTES = 4096, /* a long message is cut into no smaller ones: each is a TLS record */
	CLIENT_CODE_CONTINUE = 334,
};

static void greeted(struct client *client);
static void introduced(struct client *client);
static void starttls_answered(struct client *client);
static void auth_answered(struct client *client);
static void auth_name_answered(struct client *client);
static void signed_in(struct client *client);
static void quit_answered(struct client *client);

struct step_row {
	const char *where;
	uint8_t good_class; /* of the reply's code */
	void (*then)(struct client *client);
};

static const struct step_row steps[] = {
	[CLIENT_DOWN] = { "rest" },
	[CLIENT_CONNECT] = { "connect" },
	[CLIENT_TLS] = { "TLS" },
	[CLIENT_GREETING] = { "greeting", 2, greeted },
	[CLIENT_EHLO] = { "EHLO", 2, introduced },
	[CLIENT_STARTTLS] = { "STARTTLS", 2, starttls_answered },
	[CLIENT_AUTH] = { "AUTH", 3, auth_answered },
	[CLIENT_AUTH_PASSWORD] = { "AUTH", 3, auth_name_answered },
	[CLIENT_AUTH_END] = { "AUTH", 2, signed_in },
	[CLIENT_READY] = { "ready" },
	[CLIENT_QUIT] = { "QUIT", 2, quit_answered },
	[CLIENT_CLOSE] = { "close" },
};

/* --- the end, whichever way --- */

/* Nothing of the connection is left: the last thing that happens to it. */
static void down(struct client *client)
{
	struct load *load = client->load;
	loop_timer_stop(load->loop, &client->timer);
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
	results_add_failure(client->load->results, where ? where : steps[client->step].where, what);
	client_cut(client);
}

void client_fail_reply(struct client *client, const char *where)
{
	if (client->step == CLIENT_CLOSE)
		return;
	results_add_reply(client->load->results, where ? where : steps[client->step].where, &client->reply);
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

/* Sends one command that was built into `out` (`built`: it went in), and waits for its reply in `step`. */
static void send_command(struct client *client, enum client_step step, const struct buffer *out, bool built)
{
	client->step = step;
	if (!built)
		client_fail(client, NULL, "the name or password can't be sent");
	else if (!stream_write(&client->stream, buffer_slice(out)))
		client_fail(client, NULL, "no output buffer");
}

static void send_ehlo(struct client *client)
{
	uint8_t storage[CLIENT_COMMAND_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	bool built = smtp_client_ehlo(&out, SLICE_LITERAL("client.example.org"));
	send_command(client, CLIENT_EHLO, &out, built);
}

void client_quit(struct client *client)
{
	client->step = CLIENT_QUIT;
	client_watch(client);
	client_send(client, SLICE_LITERAL("QUIT\r\n"));
}

/* --- signing in --- */

static void sign_in(struct client *client)
{
	uint8_t storage[CLIENT_COMMAND_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	bool plain = client->load->options->mechanism == SASL_PLAIN;
	bool built = plain ? smtp_client_auth_plain(&out, client->login->name, client->login->password)
			   : smtp_client_auth_login(&out);
	client->phase_ns = load_clock_ns();
	send_command(client, plain ? CLIENT_AUTH_END : CLIENT_AUTH, &out, built);
	secret_wipe(storage, out.size);
}

static void send_response(struct client *client, enum client_step step, struct slice response)
{
	uint8_t storage[CLIENT_COMMAND_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	bool built = smtp_client_response(&out, response);
	send_command(client, step, &out, built);
	secret_wipe(storage, out.size);
}

static void auth_answered(struct client *client)
{
	send_response(client, CLIENT_AUTH_PASSWORD, client->login->name);
}

static void auth_name_answered(struct client *client)
{
	send_response(client, CLIENT_AUTH_END, client->login->password);
}

static void be_ready(struct client *client)
{
	client->step = CLIENT_READY;
	client->is_open = true;
	client->load->shared->open++;
	client->load->results->connections++;
	if (client->load->scenario->lasting) {
		client_rest(client);
		load_opened(client->load);
	}
	client->load->scenario->ready(client);
}

static void signed_in(struct client *client)
{
	load_record(client->load, PHASE_SIGN_IN, client->phase_ns, load_woken_ns(client->load));
	be_ready(client);
}

/* --- from the greeting to EHLO's reply --- */

static void greeted(struct client *client)
{
	send_ehlo(client);
}

static void introduced(struct client *client)
{
	bool starttls = client->load->options->security == SECURITY_STARTTLS && !client->encrypted;
	client->extensions = client->reply.extensions;
	if (starttls && !(client->extensions & SMTP_EXTENSION_STARTTLS)) {
		client_fail(client, NULL, "STARTTLS is not offered");
	} else if (starttls) {
		client->step = CLIENT_STARTTLS;
		client_send(client, SLICE_LITERAL("STARTTLS\r\n"));
	} else {
		load_record(client->load, PHASE_CONNECT, client->phase_ns, load_woken_ns(client->load));
		if (client->login)
			sign_in(client);
		else
			be_ready(client);
	}
}

static void start_tls(struct client *client)
{
	client->step = CLIENT_TLS;
	client->encrypted = true;
	struct tls_session *session = tls_connect_create(client->load->tls, client->load->options->host);
	if (!session)
		client_fail(client, NULL, "out of memory");
	else if (!stream_start_tls(&client->stream, session))
		client_fail(client, NULL, "the server spoke before the handshake");
}

static void starttls_answered(struct client *client)
{
	start_tls(client);
}

static void encrypted(struct client *client)
{
	struct results *results = client->load->results;
	struct tls_facts facts;
	tls_session_facts(client->stream.tls, &facts);
	results->resumed += facts.resumed;
	if (!results->tls[0])
		snprintf(results->tls, sizeof results->tls, "%s %s", facts.version, facts.cipher);
	if (client->load->options->security == SECURITY_STARTTLS)
		send_ehlo(client);
	else
		client->step = CLIENT_GREETING;
}

static void quit_answered(struct client *client)
{
	client->end_ns = load_woken_ns(client->load);
	client->step = CLIENT_CLOSE;
	client_watch(client);
	stream_finish(&client->stream);
}

/* --- events --- */

static void on_reply(struct client *client)
{
	const struct step_row *row = &steps[client->step];
	if (client->step == CLIENT_READY)
		client->load->scenario->reply(client);
	else if (row->then && client->reply.code / 100 == row->good_class)
		row->then(client);
	else if (row->then)
		client_fail_reply(client, NULL);
	else
		client_fail(client, NULL, "a reply that nothing asked for");
}

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
			on_reply(client);
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
		encrypted(client);
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
	case STREAM_CLOSED:
		break;
	}
}

/* --- connecting --- */

static void on_connected(struct loop_op *op, const struct loop_completion *completion)
{
	struct client *client = CONTAINER_OF(op, struct client, connect);
	struct load *load = client->load;
	if (completion->result < 0 || client->step == CLIENT_CLOSE) {
		if (client->step != CLIENT_CLOSE)
			results_add_failure(load->results, steps[CLIENT_CONNECT].where, strerror(-completion->result));
		client->failed = true;
		loop_close(load->loop, client->fd);
		down(client);
		return;
	}
	client->step = CLIENT_GREETING;
	stream_init(&client->stream, load->loop, &load->buffers, client->fd, on_stream);
	if (load->options->security == SECURITY_TLS)
		start_tls(client);
	if (client->step != CLIENT_CLOSE)
		stream_start(&client->stream);
}

/* The descriptor can't be had: as the end of a connection, but from the loop, as all ends come. */
static void no_socket(struct client *client, int code)
{
	results_add_failure(client->load->results, steps[CLIENT_CONNECT].where, strerror(code));
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
	client->step = CLIENT_DOWN;
	client->fd = -1;
	list_init(&client->link);
	loop_op_init(&client->connect);
	timer_init(&client->timer, on_timer);
}
