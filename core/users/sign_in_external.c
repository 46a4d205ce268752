/* Signing in with a client certificate; see sign_in_external.h. */
#include "core/users/sign_in_external.h"

static enum sign_in_outcome refuse(struct sign_in_request *request, const char *reason)
{
	request->reason = reason;
	return SIGN_IN_WRONG;
}

static enum sign_in_outcome find_user(const struct sign_in_external *external, struct sign_in_request *request)
{
	struct user_record record;
	switch (users_find(external->users, request->name, &record)) {
	case USERS_OK:
		break;
	case USERS_FAILED:
		request->reason = "the user database can't be read";
		return SIGN_IN_UNAVAILABLE;
	default:
		return refuse(request, "no user has the name in the certificate");
	}
	if (record.disabled)
		return refuse(request, "the user is disabled");
	request->login = request->name;
	return SIGN_IN_OK;
}

/* The response is whom the client wants to be, or empty: the one that he is. */
static enum sign_in_outcome decide(const struct sign_in_external *external, struct sign_in_request *request)
{
	const char *problem = NULL;
	struct slice wanted = request->response;
	if (!wanted.data) {
		buffer_clear(request->challenge);
		return SIGN_IN_CHALLENGE;
	}
	if (slice_find(wanted, 0) != wanted.size)
		return SIGN_IN_MALFORMED;
	if (!request->facts->tls)
		return refuse(request, "outside TLS");
	if (!tls_session_client_name(request->facts->tls, &request->name, &problem))
		return refuse(request, problem ? problem : "no certificate was shown");
	if (wanted.size && !slice_equal_nocase(wanted, request->name))
		return refuse(request, "asks to be somebody else than the certificate says");
	return find_user(external, request);
}

static bool step(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	*outcome = decide(CONTAINER_OF(backend, struct sign_in_external, backend), request);
	return true;
}

static void end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	(void)backend, (void)request;
}

void sign_in_external_init(struct sign_in_external *external, struct users *users)
{
	static const struct sign_in_backend_class class = { "certificate", step, end };
	*external = (struct sign_in_external){ { &class }, users };
}

bool sign_in_external_is_possible(const struct tls_session *tls)
{
	struct slice name;
	const char *problem;
	return tls && tls_session_client_name(tls, &name, &problem);
}
