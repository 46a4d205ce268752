/* The beginning of a session's Received fields; see received_start.h. */
#include "core/server/received_start.h"

#include "core/server/session.h"

static bool is_of(const struct received_start_key *key, const struct session *session, bool smtputf8)
{
	const struct smtp_session *smtp = &session->smtp;
	return key->session == session->number && key->smtputf8 == smtputf8 && key->esmtp == smtp->esmtp &&
	       key->tls == (session->stream.tls != NULL) && key->signed_in == smtp->signed_in &&
	       key->client_name_size == smtp->client_name_size &&
	       memcmp(key->client_name, smtp->client_name, smtp->client_name_size) == 0;
}

static void set_key(struct received_start_key *key, const struct session *session, bool smtputf8)
{
	const struct smtp_session *smtp = &session->smtp;
	key->session = session->number;
	key->smtputf8 = smtputf8;
	key->esmtp = smtp->esmtp;
	key->tls = session->stream.tls != NULL;
	key->signed_in = smtp->signed_in;
	key->client_name_size = smtp->client_name_size;
	memcpy(key->client_name, smtp->client_name, smtp->client_name_size);
}

static void write_anew(struct received_start *kept, const struct session *session, bool smtputf8)
{
	const struct smtp_session *smtp = &session->smtp;
	struct tls_facts tls = { 0 };
	if (session->stream.tls)
		tls_session_facts(session->stream.tls, &tls);
	bool shown = session->server->config->received_shows_client;
	struct message_trace trace = {
		.client_name = smtp_session_client_name(smtp),
		.client_address = slice_of(session->client, shown ? session->client_size : 0),
		.hostname = smtp->profile->hostname,
		.tls_version = tls.version,
		.tls_cipher = tls.cipher,
		.tls_bits = tls.bits,
		.esmtp = smtp->esmtp,
		.tls = session->stream.tls != NULL,
		.signed_in = smtp->signed_in,
		.smtputf8 = smtputf8,
	};
	struct buffer out;
	buffer_init(&out, kept->text, sizeof kept->text);
	bool whole = message_trace_write_start(&out, &trace);
	ASSERT(whole);
	kept->size = (uint16_t)out.size;
}

struct slice received_start(struct received_start *kept, const struct session *session, bool smtputf8)
{
	if (!is_of(&kept->key, session, smtputf8)) {
		write_anew(kept, session, smtputf8);
		set_key(&kept->key, session, smtputf8);
	}
	return slice_of(kept->text, kept->size);
}
