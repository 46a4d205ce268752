/* NTLM against a Windows domain; see sign_in_domain.h. */
#include "core/users/sign_in_domain.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/pool.h"
#include "core/users/sign_in_ntlm.h"
#include "core/users/users.h"

struct sign_in_domain {
	struct sign_in_backend backend;
	struct ntlm_helpers *helpers;
	enum ntlm_binding binding;
	const char *login;
	struct pool conversations;
};

struct conversation {
	struct ntlm_talk talk;
	struct sign_in_domain *domain;
	struct sign_in_request *request;
	bool challenged;
	uint8_t name[LIMIT_LOGIN_NAME_BYTES];
	uint8_t login[LIMIT_LOGIN_NAME_BYTES];
};

/* --- names --- */

static void append_lower(struct buffer *out, struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		buffer_append_byte(out, ascii_lower(text.data[i]));
}

bool sign_in_domain_login(struct buffer *out, const char *login, struct slice user)
{
	struct slice domain = SLICE_LITERAL("");
	size_t before = out->size, at = slice_find(user, '\\');
	if (at < user.size) {
		domain = slice_first(user, at);
		user = slice_skip(user, at + 1);
	}
	bool whole = user.size != 0;
	for (; *login; login++) {
		if (*login != '%') {
			buffer_append_byte(out, (uint8_t)*login);
			continue;
		}
		struct slice part = *++login == 'u' ? user : domain;
		append_lower(out, part);
		whole = whole && part.size;
	}
	return whole && !out->overflow && users_foreign_name_is_valid(slice_skip(buffer_slice(out), before));
}

/* --- what the domain says --- */

struct refusal_row {
	struct slice status; /* begins so */
	const char *reason;
	bool away; /* not a refusal: it could not be found out */
};

#define STATUS(text)                                                                                                   \
	{                                                                                                              \
		(const uint8_t *)"NT_STATUS_" text, sizeof "NT_STATUS_" text - 1                                       \
	}
#define AWAY      "no domain controller answers"
#define NOT_ASKED "winbind can't be asked; does it run, and may this user ask it (group winbindd_priv)?"
#define TROUBLE   "winbind could not ask the domain; its log says why"
static const struct refusal_row refusal_rows[] = {
	{ STATUS("LOGON_FAILURE"), "the domain says: wrong password, or no such user", false },
	{ STATUS("WRONG_PASSWORD"), "the domain says: wrong password", false },
	{ STATUS("NO_SUCH_USER"), "the domain says: no such user", false },
	{ STATUS("ACCOUNT_LOCKED_OUT"), "the domain says: account locked", false },
	{ STATUS("ACCOUNT_DISABLED"), "the domain says: account disabled", false },
	{ STATUS("ACCOUNT_EXPIRED"), "the domain says: account expired", false },
	{ STATUS("ACCOUNT_RESTRICTION"), "the domain says: account restricted", false },
	{ STATUS("PASSWORD_EXPIRED"), "the domain says: password expired", false },
	{ STATUS("PASSWORD_MUST_CHANGE"), "the domain says: password must be changed", false },
	{ STATUS("INVALID_LOGON_HOURS"), "the domain says: not at this time", false },
	{ STATUS("INVALID_WORKSTATION"), "the domain says: not from this machine", false },
	{ STATUS("NO_LOGON_SERVERS"), AWAY, true },
	{ STATUS("DOMAIN_CONTROLLER_NOT_FOUND"), AWAY, true },
	{ STATUS("IO_TIMEOUT"), AWAY, true },
	{ STATUS("NETWORK_UNREACHABLE"), AWAY, true },
	{ STATUS("HOST_UNREACHABLE"), AWAY, true },
	{ STATUS("CONNECTION_"), AWAY, true },
	{ STATUS("NETLOGON_NOT_STARTED"), "the domain controller is not ready", true },
	{ STATUS("CANT_ACCESS_DOMAIN_INFO"), "this machine has not joined the domain", true },
	{ STATUS("TRUSTED_RELATIONSHIP_FAILURE"), "this machine is no longer trusted by the domain", true },
	{ STATUS("NO_TRUST_"), "this machine is no longer trusted by the domain", true },
	{ STATUS("TIME_DIFFERENCE_AT_DC"), "this machine's clock is not the domain's", true },
	{ STATUS("ACCESS_DENIED"), "winbind lets this user not ask; is it in the group winbindd_priv?", true },
	{ STATUS("PIPE_NOT_AVAILABLE"), "winbind does not run", true },
	{ STATUS("PIPE_"), TROUBLE, true },
	{ STATUS("RPC_"), TROUBLE, true },
	{ STATUS("NO_MEMORY"), TROUBLE, true },
	{ STATUS("INSUFF"), TROUBLE, true },
	{ STATUS("INTERNAL_ERROR"), TROUBLE, true },
	{ STATUS("UNSUCCESSFUL"), NOT_ASKED, true },
};

static enum sign_in_outcome refused(struct sign_in_request *request, struct slice status)
{
	for (size_t i = 0; i < sizeof refusal_rows / sizeof refusal_rows[0]; i++) {
		if (!slice_starts_with(status, refusal_rows[i].status))
			continue;
		request->reason = refusal_rows[i].reason;
		return refusal_rows[i].away ? SIGN_IN_UNAVAILABLE : SIGN_IN_WRONG;
	}
	request->reason = "the domain refuses it";
	return SIGN_IN_WRONG;
}

/* The helper's own words, once for each that is refused for it: nobody else sees them. */
static enum sign_in_outcome broken(struct sign_in_request *request, struct slice text)
{
	struct log_line line;
	if (log_begin(&line, LOG_WARN, "ntlm-helper-broken")) {
		log_slice(&line, "text",
			  text.size > LIMIT_COPROCESS_ERROR_BYTES ? slice_first(text, LIMIT_COPROCESS_ERROR_BYTES)
								  : text);
		log_end(&line);
	}
	enum sign_in_outcome outcome = refused(request, text);
	if (outcome == SIGN_IN_WRONG)
		request->reason = NOT_ASKED;
	return SIGN_IN_UNAVAILABLE;
}

static enum sign_in_outcome accepted(struct conversation *conversation, struct slice user)
{
	struct sign_in_request *request = conversation->request;
	struct buffer login;
	buffer_init(&login, conversation->login, sizeof conversation->login);
	if (!sign_in_domain_login(&login, conversation->domain->login, user)) {
		request->reason = "the domain's name for the user makes no login";
		return SIGN_IN_WRONG;
	}
	request->login = buffer_slice(&login);
	return SIGN_IN_OK;
}

static enum sign_in_outcome challenged(struct conversation *conversation, struct slice message)
{
	struct buffer *challenge = conversation->request->challenge;
	buffer_clear(challenge);
	if (!buffer_append(challenge, message))
		return SIGN_IN_UNAVAILABLE;
	conversation->challenged = true;
	return SIGN_IN_CHALLENGE;
}

static void answered(struct ntlm_talk *talk, enum ntlm_answer answer, struct slice text)
{
	struct conversation *conversation = CONTAINER_OF(talk, struct conversation, talk);
	struct sign_in_request *request = conversation->request;
	enum sign_in_outcome outcome = SIGN_IN_UNAVAILABLE;
	switch (answer) {
	case NTLM_ANSWER_CHALLENGE:
		outcome = challenged(conversation, text);
		break;
	case NTLM_ANSWER_USER:
		outcome = accepted(conversation, text);
		break;
	case NTLM_ANSWER_REFUSED:
		outcome = refused(request, text);
		break;
	case NTLM_ANSWER_BROKEN:
		outcome = broken(request, text);
		break;
	case NTLM_ANSWER_SILENT:
		request->reason = "no answer from the domain in time";
		break;
	}
	request->done(request, outcome);
}

/* --- the exchange --- */

static bool decide(enum sign_in_outcome *outcome, enum sign_in_outcome decision)
{
	*outcome = decision;
	return true;
}

/* Everything that the domain has no say in. NULL with *sound: go on. */
static const char *check(const struct sign_in_domain *domain, struct sign_in_request *request, bool *sound)
{
	struct conversation *conversation = request->conversation;
	struct ntlm_claim claim;
	uint8_t end_point[TLS_BINDING_MOST_BYTES];
	const char *reason;
	*sound = ntlm_claim_read(&claim, request->response, &reason);
	memcpy(conversation->name, claim.user.data, claim.user.size);
	request->name = slice_of(conversation->name, claim.user.size);
	if (!*sound)
		return reason;
	return ntlm_claim_binding(&claim, domain->binding, request->facts->tls != NULL,
				  sign_in_ntlm_end_point(request->facts, end_point));
}

static bool answer(struct sign_in_domain *domain, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct conversation *conversation = request->conversation;
	bool sound;
	request->reason = check(domain, request, &sound);
	if (request->reason)
		return decide(outcome, SIGN_IN_WRONG);
	if (!sound)
		return decide(outcome, SIGN_IN_MALFORMED);
	if (ntlm_talk_answer(&conversation->talk, request->response))
		return false;
	request->reason = "the client took too long, and another one got its helper";
	return decide(outcome, SIGN_IN_UNAVAILABLE);
}

static bool begin(struct sign_in_domain *domain, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct conversation *conversation = request->conversation;
	struct ntlm_negotiate negotiate;
	if (!request->response.data)
		return decide(outcome, SIGN_IN_CHALLENGE); /* an empty one: the client is to begin */
	if (request->response.size > LIMIT_NTLM_NEGOTIATE_BYTES || conversation->talk.helpers ||
	    !ntlm_read_negotiate(request->response, &negotiate))
		return decide(outcome, SIGN_IN_MALFORMED);
	if (ntlm_talk_begin(domain->helpers, &conversation->talk, request->network, request->response))
		return false;
	request->reason = "no helper runs, or too many wait for one";
	return decide(outcome, SIGN_IN_UNAVAILABLE);
}

static bool step(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct sign_in_domain *domain = CONTAINER_OF(backend, struct sign_in_domain, backend);
	struct conversation *conversation = request->conversation;
	if (!conversation) {
		conversation = request->conversation = pool_take(&domain->conversations);
		if (!conversation)
			return decide(outcome, SIGN_IN_UNAVAILABLE);
		memset(conversation, 0, sizeof *conversation);
		conversation->domain = domain;
		conversation->request = request;
		conversation->talk.done = answered;
	}
	return conversation->challenged ? answer(domain, request, outcome) : begin(domain, request, outcome);
}

static void end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	struct sign_in_domain *domain = CONTAINER_OF(backend, struct sign_in_domain, backend);
	struct conversation *conversation = request->conversation;
	request->conversation = NULL;
	if (!conversation)
		return;
	ntlm_talk_end(&conversation->talk);
	pool_give(&domain->conversations, conversation);
}

static const struct sign_in_backend_class class = { "domain", step, end };

struct sign_in_backend *sign_in_domain_backend(struct sign_in_domain *domain)
{
	return &domain->backend;
}

/* --- life --- */

struct sign_in_domain *sign_in_domain_create(struct ntlm_helpers *helpers, enum ntlm_binding binding, const char *login,
					     struct error *error)
{
	struct sign_in_domain *domain = calloc(1, sizeof *domain);
	if (!domain) {
		error_set(error, "no memory for NTLM");
		return NULL;
	}
	ASSERT(ntlm_login_is_valid(login));
	domain->backend.class = &class;
	domain->helpers = helpers;
	domain->binding = binding;
	domain->login = login;
	pool_init(&domain->conversations, sizeof(struct conversation), 8, LIMIT_SIGN_INS);
	return domain;
}

void sign_in_domain_destroy(struct sign_in_domain *domain)
{
	if (!domain)
		return;
	pool_finish(&domain->conversations);
	free(domain);
}
