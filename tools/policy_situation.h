/* Judging a client from its connection to a recipient: what `postern explain` and `postern policy` share. */
#ifndef POSTERN_TOOLS_POLICY_SITUATION_H
#define POSTERN_TOOLS_POLICY_SITUATION_H

#include "core/policy/policy.h"
#include "core/server/config.h"

/* Why a client can't be in the situation that facts tell of. */
enum policy_hindrance {
	POLICY_NO_HINDRANCE,
	POLICY_LACKS_TLS,         /* no listener has it */
	POLICY_LACKS_CLEAR,       /* each begins with it */
	POLICY_LACKS_SIGN_IN,     /* there are no mechanisms */
	POLICY_SIGN_IN_NEEDS_TLS, /* nobody signs in outside TLS */
	POLICY_ASKS_NO_NAMES,     /* dns { reverse = off }: what a client is called can't be known */
};

/* Does some listener offer TLS? */
bool policy_has_tls(const struct config_server *server);

enum {
	POLICY_BITS_USUAL = 256,
	POLICY_BITS_MOST = 512
}; /* of a cipher: that clients have today, that anybody may say */

/* Inside TLS of so many bits, or with 0 outside it: where there is a listener without TLS there, since that is where most may be done,
 * else where TLS could be started. */
void policy_set_tls(struct policy_facts *facts, const struct config_server *server, unsigned bits);

enum policy_hindrance policy_find_hindrance(const struct config_server *server, const struct policy_facts *facts);

/* One stage. */
struct policy_verdict policy_judge_stage(const struct policy *policy, const struct policy_facts *facts,
					 enum policy_stage stage);

/* The stages `from` to `to`, up to the first that does not allow: the verdict of the last one judged. */
struct policy_verdict policy_judge_stages(const struct policy *policy, const struct policy_facts *facts,
					  enum policy_stage from, enum policy_stage to);

/* The code of the reply that the client gets, 550; 0: none yet, its name is needed. */
unsigned policy_verdict_code(const struct policy_verdict *verdict);

/* What the routes say of "local@domain", or of "postmaster" alone, which is the server's. */
void policy_set_recipient(struct policy_facts *facts, struct slice recipient, const struct config_server *server,
			  const struct route_table *routes);

#endif
