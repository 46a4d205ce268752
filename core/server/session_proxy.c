/* The PROXY header: before anything else, from those whom the server block names.
 *
 * It is read where it was received. One that comes in pieces gathers in `held`, and no byte behind it does: that is where the
 * next stage begins, TLS or SMTP, with what came in the same receive. */
#include "core/net/proxy_header.h"
#include "core/server/session_parts.h"

_Static_assert((int)LIMIT_PROXY_HEADER_BYTES <= (int)LIMIT_SMALL_BUFFER_BYTES, "a header that is not whole fits");

static void refuse(struct session *session, const char *why)
{
	static int64_t last_second;
	struct log_line line;
	if (session_log_is_due(session->worker, &last_second) &&
	    session_log(session, &line, LOG_WARN, "proxy-refused")) {
		log_text(&line, "why", why);
		log_end(&line);
	}
	session_abort(session);
}

static void log_relayed(struct session *session, const struct net_address *client)
{
	struct log_line line;
	char text[NET_ADDRESS_TEXT_BYTES];
	if (!session_log(session, &line, LOG_DEBUG, "proxied"))
		return;
	net_address_format(client, text);
	log_text(&line, "for", text);
	log_number(&line, "port", client->port);
	log_end(&line);
}

/* A connection of the proxy's own stands for itself. */
static void accept_header(struct session *session, const struct proxy_header *header)
{
	session->is_proxys_own = !header->relayed;
	if (header->relayed) {
		log_relayed(session, &header->source);
		session_set_client(session, &header->source);
		session->server_address = header->destination;
	}
	session_admit(session);
}

/* Answers how much of the input now stands in `held`. */
static size_t hold(struct session *session, struct slice input)
{
	struct buffer *held = &session->held;
	if (!held->data) {
		void *storage = pool_take(&session->worker->buffers.small);
		if (!storage)
			return 0;
		buffer_init(held, storage, LIMIT_SMALL_BUFFER_BYTES);
		session->held_large = false;
	}
	input = slice_first(input, input.size < buffer_room(held) ? input.size : buffer_room(held));
	buffer_append(held, input);
	return input.size;
}

void session_read_proxy_header(struct session *session)
{
	struct slice input = stream_peek(&session->stream);
	struct proxy_header header;
	size_t before = session->held.size;
	if (before)
		hold(session, input);
	switch (proxy_header_parse(before ? buffer_slice(&session->held) : input, &header)) {
	case PROXY_HEADER_NEED_MORE:
		if (!before && hold(session, input) < input.size)
			session_abort(session);
		else
			stream_skip(&session->stream, input.size);
		break;
	case PROXY_HEADER_OK:
		stream_skip(&session->stream, header.size - before);
		if (before)
			session_free_held(session);
		accept_header(session, &header);
		break;
	case PROXY_HEADER_REJECT:
		refuse(session, header.fault);
		break;
	}
}

/* Who looks whether a port is open says nothing at all. */
void session_miss_proxy_header(struct session *session, const char *why)
{
	if (session->held.size || !session->stream.ended)
		refuse(session, why);
	else
		session_abort(session);
}
