/* The client's side of each mechanism; see sign_in_client.h. A mechanism is a row. */
#include "core/users/sign_in_client.h"

#include "core/users/ntlm_client.h"
#include "core/users/scram_client.h"
#include "crypto/secret.h"
#include "proto/sasl.h"
#include "proto/scram.h"

struct client_mechanism {
	unsigned mechanism;
	/* NULL: there is no initial response. */
	bool (*begin)(struct sign_in_client *client, struct buffer *response, struct error *error);
	/* NULL: the server has nothing to say. */
	bool (*answer)(struct sign_in_client *client, struct slice challenge, struct buffer *response,
		       struct error *error);
	bool (*is_content)(const struct sign_in_client *client); /* NULL: with whatever the server says */
};

static bool has_nul(struct slice text)
{
	return slice_find(text, 0) != text.size;
}

static bool too_long(struct error *error)
{
	return error_set(error, "name and password do not fit into one response");
}

/* RFC 4616. */
static bool plain_begin(struct sign_in_client *client, struct buffer *response, struct error *error)
{
	buffer_append_byte(response, 0);
	buffer_append(response, client->name);
	buffer_append_byte(response, 0);
	buffer_append(response, client->password);
	return !response->overflow || too_long(error);
}

/* The name, then the password, whatever the server calls them. */
static bool login_answer(struct sign_in_client *client, struct slice challenge, struct buffer *response,
			 struct error *error)
{
	(void)challenge;
	if (client->step > 2)
		return error_set(error, "LOGIN: the server asks for more than name and password");
	buffer_append(response, client->step == 1 ? client->name : client->password);
	return !response->overflow || too_long(error);
}

static bool external_begin(struct sign_in_client *client, struct buffer *response, struct error *error)
{
	buffer_append(response, client->name);
	return !response->overflow || too_long(error);
}

/* RFC 7628 §3.1. */
static bool oauthbearer_begin(struct sign_in_client *client, struct buffer *response, struct error *error)
{
	buffer_append_text(response, "n,a=");
	scram_append_name(response, client->name);
	buffer_append_text(response, ",\001auth=Bearer ");
	buffer_append(response, client->password);
	buffer_append_text(response, "\001\001");
	return !response->overflow || too_long(error);
}

static bool xoauth2_begin(struct sign_in_client *client, struct buffer *response, struct error *error)
{
	buffer_append_text(response, "user=");
	buffer_append(response, client->name);
	buffer_append_text(response, "\001auth=Bearer ");
	buffer_append(response, client->password);
	buffer_append_text(response, "\001\001");
	return !response->overflow || too_long(error);
}

/* A challenge says why it failed; the answer to it brings the failure (RFC 7628 §3.2.3). */
static bool oauth_answer(struct sign_in_client *client, struct slice challenge, struct buffer *response,
			 struct error *error)
{
	(void)challenge;
	if (client->step > 1)
		return error_set(error, "the server goes on asking after it has refused the token");
	return client->mechanism == SASL_XOAUTH2 || buffer_append_byte(response, 1) || too_long(error);
}

/* MS-SMTPNTLM. Bound to the server's certificate where there is a channel to bind to. */
static bool ntlm_begin(struct sign_in_client *client, struct buffer *response, struct error *error)
{
	(void)client;
	return ntlm_client_begin(response) || too_long(error);
}

static bool ntlm_answer(struct sign_in_client *client, struct slice challenge, struct buffer *response,
			struct error *error)
{
	uint8_t end_point[TLS_BINDING_MOST_BYTES];
	size_t size = 0;
	if (client->step > 1)
		return error_set(error, "NTLM: the server goes on asking after the answer");
	if (!client->tls || !tls_session_binding(client->tls, TLS_BINDING_SERVER_END_POINT, end_point, &size))
		size = 0;
	const struct ntlm_client ntlm = { client->name, client->password, slice_of(end_point, size) };
	return ntlm_client_answer(&ntlm, challenge, response, error);
}

/* RFC 5802. -PLUS binds; without it the client claims not to be able to. */
static bool scram_begin(struct sign_in_client *client, struct buffer *response, struct error *error)
{
	bool binds = client->mechanism == SASL_SCRAM_SHA_256_PLUS;
	if (binds && !client->tls)
		return error_set(error, "SCRAM-SHA-256-PLUS needs TLS");
	client->scram = scram_client_begin(client->name, binds ? client->tls : NULL, response, error);
	return client->scram != NULL;
}

static bool scram_answer(struct sign_in_client *client, struct slice challenge, struct buffer *response,
			 struct error *error)
{
	return scram_client_answer(client->scram, client->password, challenge, response, error);
}

static bool scram_is_content(const struct sign_in_client *client)
{
	return scram_client_is_content(client->scram);
}

static const struct client_mechanism mechanisms[] = {
	{ SASL_PLAIN, plain_begin, NULL, NULL },
	{ SASL_LOGIN, NULL, login_answer, NULL },
	{ SASL_EXTERNAL, external_begin, NULL, NULL },
	{ SASL_OAUTHBEARER, oauthbearer_begin, oauth_answer, NULL },
	{ SASL_XOAUTH2, xoauth2_begin, oauth_answer, NULL },
	{ SASL_SCRAM_SHA_256, scram_begin, scram_answer, scram_is_content },
	{ SASL_SCRAM_SHA_256_PLUS, scram_begin, scram_answer, scram_is_content },
	{ SASL_NTLM, ntlm_begin, ntlm_answer, NULL },
};

enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0] };

static const struct client_mechanism *mechanism_of(const struct sign_in_client *client)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (mechanisms[i].mechanism == client->mechanism)
			return &mechanisms[i];
	ASSERT(!"a mechanism of sign_in_client_speaks()");
	return NULL;
}

unsigned sign_in_client_speaks(void)
{
	unsigned speaks = 0;
	for (size_t i = 0; i < MECHANISMS; i++)
		speaks |= mechanisms[i].mechanism;
	return speaks;
}

bool sign_in_client_begin(struct sign_in_client *client, struct buffer *response, bool *given, struct error *error)
{
	const struct client_mechanism *mechanism = mechanism_of(client);
	client->step = 0;
	client->scram = NULL;
	*given = mechanism->begin != NULL;
	if (has_nul(client->name) || has_nul(client->password))
		return error_set(error, "a name or password with NUL in it can't be sent");
	return !*given || mechanism->begin(client, response, error);
}

bool sign_in_client_answer(struct sign_in_client *client, struct slice challenge, struct buffer *response,
			   struct error *error)
{
	const struct client_mechanism *mechanism = mechanism_of(client);
	client->step++;
	if (!mechanism->answer)
		return error_set(error, "%s: a challenge that the mechanism does not have",
				 sasl_mechanism_name(client->mechanism));
	return mechanism->answer(client, challenge, response, error);
}

bool sign_in_client_is_content(const struct sign_in_client *client)
{
	const struct client_mechanism *mechanism = mechanism_of(client);
	return !mechanism->is_content || mechanism->is_content(client);
}

void sign_in_client_end(struct sign_in_client *client)
{
	scram_client_end(client->scram);
	secret_wipe(client, sizeof *client);
}
