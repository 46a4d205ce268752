/* The requests of the control socket: reading one, and what is done for those about server blocks. */
#ifndef POSTERN_SERVER_CONTROL_REQUEST_H
#define POSTERN_SERVER_CONTROL_REQUEST_H

#include "core/relay/queue.h"
#include "core/server/control.h"
#include "core/server/control_ban.h"

enum control_kind { CONTROL_QUEUE, CONTROL_PAUSE, CONTROL_RESUME, CONTROL_SERVERS, CONTROL_SIGN_INS, CONTROL_BAN };

struct control_request {
	enum control_kind kind;
	enum queue_order order; /* CONTROL_QUEUE, and the id; 0: all */
	uint64_t id;
	size_t server; /* CONTROL_PAUSE, CONTROL_RESUME: which one */
	struct control_ban ban;
};

/* NULL, or what is wrong with the line: a literal, for the peer. */
const char *control_request_parse(struct slice line, const struct control_servers *servers,
				  struct control_request *request);

/* Does what is not for the queue. Answers the line for the peer, malloc'ed, with its LF; NULL: no memory, but done it is. `now_ms` is
 * Unix time. */
char *control_request_do(const struct control_request *request, const struct control_servers *servers, int64_t now_ms);

#endif
