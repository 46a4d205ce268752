/* From a server block's configuration to its compiled policy. */
#ifndef POSTERN_SERVER_SERVER_POLICY_H
#define POSTERN_SERVER_SERVER_POLICY_H

#include "core/policy/policy.h"
#include "core/server/config.h"
#include "core/server/rule_file.h"

/* Reads the files of `lists` as well. False and `error` (FILE:LINE: what is wrong) otherwise. `config` outlives the policy;
 * policy_finish() at its end. */
MUST_USE bool server_policy_make(struct policy *policy, const struct config_server *config, struct error *error);

/* The same without the rules of `connect`: nothing is read. They come from somewhere else. */
MUST_USE bool server_policy_make_relay(struct policy *policy, const struct config_server *config, struct error *error);

/* Who is told what is wrong. */
struct policy_problems {
	rule_file_problem *tell;
	void *context;
};

/* Reads the rules of `connect` anew, with the files of `lists` as they are now, and tells all that is wrong. `rules` has its
 * defaults; they are replaced, not finished. False: they are as before. */
MUST_USE bool server_policy_read_connect(struct policy_rules *rules, const struct config_server *config,
					 const struct policy_problems *problems);

/* The rules as an image (policy/rules_image.h), as all that is in that file, which is an empty one. False and `error`. */
MUST_USE bool server_policy_write_rules(const struct policy_rules *rules, int fd, struct error *error);

/* What the routes say of a recipient. */
void server_policy_set_recipient(struct policy_facts *facts, const struct route_table *routes, struct slice local,
				 struct slice domain);

#endif
