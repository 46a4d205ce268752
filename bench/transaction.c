/* Sending a message and matching its replies: see transaction.h. */
#include "bench/transaction.h"

#include "bench/client.h"

enum { CODE_SEND_TEXT = 354 };

void transaction_choose(struct client *client, bool grouped, bool chunking)
{
	const unsigned both = SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_CHUNKING;
	client->transaction = (struct transaction){ .manner = TRANSACTION_ONE_BY_ONE };
	if (chunking && (client->extensions & both) == both)
		client->transaction.manner = TRANSACTION_CHUNK;
	else if (grouped && client->extensions & SMTP_EXTENSION_PIPELINING)
		client->transaction.manner = TRANSACTION_GROUP;
}

void transaction_begin(struct client *client)
{
	const struct message *message = client->load->message;
	switch ((enum transaction_manner)client->transaction.manner) {
	case TRANSACTION_ONE_BY_ONE:
		client->transaction.rcpts = message->rcpts;
		client_send(client, message->mail);
		break;
	case TRANSACTION_GROUP:
		client_send(client, message->envelope);
		break;
	case TRANSACTION_CHUNK:
		client_send(client, message->chunk);
		break;
	}
}

static void send_next_command(struct client *client)
{
	struct slice *rcpts = &client->transaction.rcpts;
	if (rcpts->size == 0) {
		client_send(client, SLICE_LITERAL("DATA\r\n"));
		return;
	}
	size_t size = slice_find(*rcpts, '\n') + 1;
	client_send(client, slice_first(*rcpts, size));
	*rcpts = slice_skip(*rcpts, size);
}

bool transaction_awaits_last(const struct client *client)
{
	return client->transaction.position == client->load->message->recipients + 2;
}

/* What the reply at this position answers. */
static const char *command_at(const struct client *client, uint32_t position)
{
	if (position == 0)
		return "MAIL";
	if (position <= client->load->message->recipients)
		return "RCPT";
	return position == client->load->message->recipients + 1 && client->transaction.manner != TRANSACTION_CHUNK
		       ? "DATA"
		       : "message";
}

bool transaction_reply(struct client *client)
{
	struct transaction *transaction = &client->transaction;
	uint32_t data = client->load->message->recipients + 1;
	bool chunk = transaction->manner == TRANSACTION_CHUNK;
	bool to_data = !chunk && transaction->position == data;
	if (to_data ? client->reply.code != CODE_SEND_TEXT : client->reply.code / 100 != 2) {
		client_fail_reply(client, command_at(client, transaction->position));
		return false;
	}
	if (transaction->position == data + !chunk) {
		transaction->position = 0;
		return true;
	}
	transaction->position++;
	if (to_data)
		client_send(client, client->load->message->text);
	else if (transaction->manner == TRANSACTION_ONE_BY_ONE && transaction->position <= data)
		send_next_command(client);
	return false;
}
