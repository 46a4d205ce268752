/* `postern-bench stream`: long connections over which messages go one after the other.
 *
 * With --pipeline N up to N messages are on their way on a connection: where the server offers CHUNKING and PIPELINING, each goes with
 * its envelope in one write (BDAT); where it offers PIPELINING alone, the next envelope follows a message's text,
 * which is all that RFC 2920 allows; else commands wait one by one. A connection that fails is opened again. */
#include "bench/client.h"

static bool may_begin(const struct client *client)
{
	if (client->step != CLIENT_READY || client->unsent.size)
		return false;
	if (client->in_flight == 0)
		return true;
	if (client->transaction.manner == TRANSACTION_CHUNK)
		return client->in_flight < client->load->options->pipeline;
	return client->transaction.manner == TRANSACTION_GROUP && client->load->options->pipeline > 1 &&
	       client->in_flight == 1 && transaction_awaits_last(client);
}

/* Sends as many messages as may be on their way. */
static void fill(struct client *client)
{
	struct load *load = client->load;
	uint64_t start_ns;
	while (may_begin(client)) {
		if (!load_take(load, &start_ns)) {
			load_wait(load, client);
			return;
		}
		client->window[(client->oldest + client->in_flight++) % load->options->pipeline] = start_ns;
		client_watch(client);
		transaction_begin(client);
	}
}

static void more(struct client *client)
{
	if (client->step != CLIENT_DOWN)
		fill(client);
	else if (client->load->stage == LOAD_MEASURING)
		client_connect(client, load_clock_ns());
}

static void ready(struct client *client)
{
	transaction_choose(client, true, true);
	fill(client);
}

static uint64_t take_oldest(struct client *client)
{
	uint64_t start_ns = client->window[client->oldest];
	client->oldest = (client->oldest + 1) % (uint32_t)client->load->options->pipeline;
	client->in_flight--;
	return start_ns;
}

static void reply(struct client *client)
{
	struct load *load = client->load;
	if (client->in_flight == 0)
		client_fail_reply(client, "idle");
	else if (transaction_reply(client)) {
		load->results->sent_bytes += load->message->size_bytes;
		load_done(load, true, take_oldest(client), load_woken_ns(load));
		if (client->in_flight)
			client_watch(client);
		else
			client_rest(client);
	}
}

static void ended(struct client *client, bool failed)
{
	struct load *load = client->load;
	while (client->in_flight)
		load_done(load, false, take_oldest(client), 0);
	if (failed && load->stage == LOAD_MEASURING)
		client_pause(client);
}

const struct scenario scenario_stream = {
	.operation = "message",
	.operations = "messages",
	.total = "message",
	.lasting = true,
	.more = more,
	.ready = ready,
	.reply = reply,
	.settle = fill,
	.ended = ended,
};
