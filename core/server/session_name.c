/* The client's name: asked for beside everything else, and what waits for it. */
#include <stdlib.h>

#include "core/server/session_parts.h"

/* Without memory for it a name is as good as not found. */
static void keep_name(struct session *session, const struct reverse_name *name)
{
	static const enum policy_name states[] = {
		[REVERSE_CONFIRMED] = POLICY_NAME_KNOWN,
		[REVERSE_UNKNOWN] = POLICY_NAME_UNKNOWN,
		[REVERSE_LIES] = POLICY_NAME_UNKNOWN,
		[REVERSE_FAILED] = POLICY_NAME_FAILED,
	};
	session->name_state = (uint8_t)states[name->status];
	if (name->status != REVERSE_CONFIRMED)
		return;
	session->name = strndup((const char *)name->name.data, name->name.size);
	if (!session->name)
		session->name_state = POLICY_NAME_FAILED;
}

static void answer_path(struct session *session)
{
	session_act(session, (enum smtp_action)session->waiting_action, SLICE_LITERAL(""));
	free(session->waiting_path);
	session->waiting_path = NULL;
	session_send_replies(session);
}

/* What waited goes on. */
static void name_found(struct reverse_waiter *waiter, const struct reverse_name *name)
{
	struct session *session = CONTAINER_OF(waiter, struct session, name_waiter);
	bool waiting = session->blocked & SESSION_BLOCK_NAME;
	keep_name(session, name);
	if (session->judged.outcome == POLICY_NEEDS_NAME)
		session_begin_judging(session);
	session->blocked &= (uint8_t)~SESSION_BLOCK_NAME;
	if (!waiting || session->phase == SESSION_CLOSING || session->ending)
		return;
	if (session->greeted)
		answer_path(session);
	else
		session_greet(session);
	/* What the client said meanwhile comes next. */
	if (session->phase != SESSION_CLOSING && session->phase != SESSION_TARPIT && list_is_empty(&session->ready))
		list_append(&session->worker->ready, &session->ready);
}

bool session_ask_name(struct session *session)
{
	const struct client_names_kind *kind = session->generation->names[session->server->place];
	struct reverse_name name = { .status = REVERSE_UNKNOWN };
	if (session->name_state != POLICY_NAME_NOT_ASKED)
		return true;
	if (reverse_is_waiting(&session->name_waiter))
		return false;
	if (kind && !reverse_find(kind->reverse, &session->peer, &session->name_waiter, name_found, &name))
		return false;
	keep_name(session, &name);
	return true;
}

void session_forget_name(struct session *session)
{
	reverse_cancel(&session->name_waiter);
	free(session->name);
	session->name = NULL;
	free(session->waiting_path);
	session->waiting_path = NULL;
}

bool session_wait_for_name(struct session *session, enum smtp_action action)
{
	struct slice path = session->smtp.path;
	/* The line that the path is in will not stay. */
	if (action != SMTP_CONTINUE) {
		session->waiting_path = malloc(path.size + 1);
		if (!session->waiting_path)
			return false;
		memcpy(session->waiting_path, path.data, path.size);
		session->smtp.path.data = (const uint8_t *)session->waiting_path;
	}
	session->blocked |= SESSION_BLOCK_NAME;
	session->waiting_action = (uint8_t)action;
	return true;
}
