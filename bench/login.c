/* `postern-bench login`: sessions that only sign in: connect, TLS, EHLO, AUTH, QUIT. */
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
	client_quit(client);
}

static void reply(struct client *client)
{
	client_fail(client, "AUTH", "a reply that nothing asked for");
}

static void ended(struct client *client, bool failed)
{
	load_done(client->load, !failed, client->start_ns, client->end_ns);
	if (failed)
		client_pause(client);
	else
		more(client);
}

const struct scenario scenario_login = {
	.operation = "sign-in",
	.operations = "sign-ins",
	.total = "total",
	.more = more,
	.ready = ready,
	.reply = reply,
	.ended = ended,
};
