/* `postern-bench idle`: many connections that sign in and then say nothing; at the end each is asked with NOOP.
 *
 * They come up while the load prepares, a bounded number at a time; the parent holds them and measures the server's
 * memory (run.c). The NOOPs are the operations: few at a time, so that their times are the server's. */
#include "bench/client.h"

enum { IDLE_NOOPS_AT_ONCE = 16 };

static void more(struct client *client)
{
	uint64_t start_ns;
	if (client->noop != NOOP_NOT_SENT || client->step != CLIENT_READY)
		return;
	if (!load_take(client->load, &start_ns)) {
		load_wait(client->load, client);
		return;
	}
	client->noop = NOOP_SENT;
	client->phase_ns = start_ns;
	client_watch(client);
	client_send(client, SLICE_LITERAL("NOOP\r\n"));
}

static void ready(struct client *client)
{
	load_wait(client->load, client);
}

static void reply(struct client *client)
{
	if (client->noop != NOOP_SENT || client->reply.code / 100 != 2) {
		client_fail_reply(client, client->noop == NOOP_SENT ? "NOOP" : "idle");
		return;
	}
	client_rest(client);
	client->noop = NOOP_ANSWERED;
	load_done(client->load, true, client->phase_ns, load_woken_ns(client->load));
}

/* A connection that is lost before its turn to be asked is one operation less to wait for. */
static void ended(struct client *client, bool failed)
{
	struct load *load = client->load;
	if (client->noop == NOOP_SENT)
		load_done(load, !failed, 0, 0);
	else if (client->noop == NOOP_NOT_SENT && load->stage == LOAD_MEASURING)
		load->take_most--;
}

const struct scenario scenario_idle = {
	.operation = "NOOP",
	.operations = "NOOPs",
	.total = "NOOP",
	.lasting = true,
	.each_once = true,
	.at_once = IDLE_NOOPS_AT_ONCE,
	.more = more,
	.ready = ready,
	.reply = reply,
	.ended = ended,
};
