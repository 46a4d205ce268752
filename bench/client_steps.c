/* What a connection's replies mean, from the greeting to QUIT: see client_steps.h.
 *
 * One table of steps: the class of code that is good, and what then. */
#include "bench/client_steps.h"

#include <stdio.h>

#include "core/base/buffer.h"
#include "crypto/secret.h"
#include "proto/sasl.h"

enum { CLIENT_COMMAND_BYTES = 2048 }; /* the longest command built here: name and password in base64 */

static void send_ehlo(struct client *client);
static void introduced(struct client *client);
static void auth_answered(struct client *client);
static void quit_answered(struct client *client);

struct step_row {
	const char *where;
	uint8_t good_class; /* of the reply's code; 0: any, `then` looks at it */
	void (*then)(struct client *client);
};

static const struct step_row steps[] = {
	[CLIENT_DOWN] = { "rest" },
	[CLIENT_CONNECT] = { "connect" },
	[CLIENT_TLS] = { "TLS" },
	[CLIENT_GREETING] = { "greeting", 2, send_ehlo },
	[CLIENT_EHLO] = { "EHLO", 2, introduced },
	[CLIENT_STARTTLS] = { "STARTTLS", 2, client_start_tls },
	[CLIENT_AUTH] = { "AUTH", 0, auth_answered },
	[CLIENT_READY] = { "ready" },
	[CLIENT_QUIT] = { "QUIT", 2, quit_answered },
	[CLIENT_CLOSE] = { "close" },
};

const char *client_step_name(enum client_step step)
{
	return steps[step].where;
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
	uint8_t initial_storage[CLIENT_COMMAND_BYTES], storage[CLIENT_COMMAND_BYTES];
	struct buffer initial, out;
	struct error error;
	bool given;
	buffer_init(&initial, initial_storage, sizeof initial_storage);
	buffer_init(&out, storage, sizeof storage);
	client->sign_in = (struct sign_in_client){
		.mechanism = (unsigned)client->load->options->mechanism,
		.name = client->login->name,
		.password = client->login->password,
		.tls = client->stream.tls,
	};
	client->phase_ns = load_clock_ns();
	bool built = sign_in_client_begin(&client->sign_in, &initial, &given, &error);
	struct slice response = buffer_slice(&initial);
	built = built &&
		smtp_client_auth(&out, sasl_mechanism_name(client->sign_in.mechanism), given ? &response : NULL);
	send_command(client, CLIENT_AUTH, &out, built);
	secret_wipe(initial_storage, initial.size);
	secret_wipe(storage, out.size);
}

static void answer_challenge(struct client *client)
{
	uint8_t challenge_storage[LIMIT_CLIENT_LINE_BYTES], response_storage[CLIENT_COMMAND_BYTES],
		storage[CLIENT_COMMAND_BYTES];
	struct buffer challenge, response, out;
	struct error error;
	buffer_init(&challenge, challenge_storage, sizeof challenge_storage);
	buffer_init(&response, response_storage, sizeof response_storage);
	buffer_init(&out, storage, sizeof storage);
	if (!smtp_client_challenge(&client->reply, &challenge)) {
		client_fail(client, NULL, "a challenge that is not base64");
	} else if (!sign_in_client_answer(&client->sign_in, buffer_slice(&challenge), &response, &error)) {
		client_fail(client, NULL, error.text);
	} else {
		send_command(client, CLIENT_AUTH, &out, smtp_client_response(&out, buffer_slice(&response)));
		secret_wipe(storage, out.size);
	}
	secret_wipe(response_storage, response.size);
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
	bool content = sign_in_client_is_content(&client->sign_in);
	sign_in_client_end(&client->sign_in);
	if (!content) {
		client_fail(client, NULL, "the server has not proved that it knows the password");
		return;
	}
	load_record(client->load, PHASE_SIGN_IN, client->phase_ns, load_woken_ns(client->load));
	be_ready(client);
}

static void auth_answered(struct client *client)
{
	if (client->reply.code == 334)
		answer_challenge(client);
	else if (client->reply.code / 100 == 2)
		signed_in(client);
	else
		client_fail_reply(client, NULL);
}

/* --- from the greeting to EHLO's reply --- */

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

void client_start_tls(struct client *client)
{
	client->step = CLIENT_TLS;
	client->encrypted = true;
	struct tls_session *session = tls_connect_create(client->load->tls, client->load->options->host);
	if (!session)
		client_fail(client, NULL, "out of memory");
	else if (!stream_start_tls(&client->stream, session))
		client_fail(client, NULL, "the server spoke before the handshake");
}

void client_tls_done(struct client *client)
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

void client_take_reply(struct client *client)
{
	const struct step_row *row = &steps[client->step];
	if (client->step == CLIENT_READY)
		client->load->scenario->reply(client);
	else if (row->then && (row->good_class == 0 || client->reply.code / 100 == row->good_class))
		row->then(client);
	else if (row->then)
		client_fail_reply(client, NULL);
	else
		client_fail(client, NULL, "a reply that nothing asked for");
}
