/* `postern-bench session`: full sessions, one message each: connect, TLS, EHLO, AUTH, MAIL, RCPT, DATA, QUIT.
 *
 * Commands wait for their replies one by one, as most mail programs do; with --pipeline 1 the envelope goes as one group. */
#include "bench/client.h"

static void more(struct client *client)
{
	uint64_t start_ns;
	if (load_take(client->load, &start_ns))
		client_connect(client, start_ns);
	else
		load_wait(client->load, client);
}

static void ready(struct client *client)
{
	client->phase_ns = load_clock_ns();
	transaction_choose(client, client->load->options->pipeline > 0, false);
	transaction_begin(client);
}

static void reply(struct client *client)
{
	if (!transaction_reply(client))
		return;
	load_record(client->load, PHASE_MESSAGE, client->phase_ns, load_woken_ns(client->load));
	client_quit(client);
}

static void ended(struct client *client, bool failed)
{
	struct load *load = client->load;
	if (!failed)
		load->results->sent_bytes += load->message->size_bytes;
	load_done(load, !failed, client->start_ns, client->end_ns);
	if (failed)
		client_pause(client);
	else
		more(client);
}

const struct scenario scenario_session = {
	.operation = "session",
	.operations = "sessions",
	.total = "total",
	.more = more,
	.ready = ready,
	.reply = reply,
	.ended = ended,
};
