/* From a server block's configuration to its compiled policy. */
#ifndef POSTERN_SERVER_SERVER_POLICY_H
#define POSTERN_SERVER_SERVER_POLICY_H

#include "core/policy/policy.h"
#include "core/server/config.h"

/* Reads the files of `lists` as well. False and `error` (FILE:LINE: what is wrong) otherwise. `config` outlives the policy;
 * policy_finish() at its end. */
MUST_USE bool server_policy_make(struct policy *policy, const struct config_server *config, struct error *error);

/* What the routes say of a recipient. */
void server_policy_set_recipient(struct policy_facts *facts, const struct route_table *routes, struct slice local,
				 struct slice domain);

#endif
