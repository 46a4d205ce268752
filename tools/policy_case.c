/* Judging one client from end to end; see policy_case.h. */
#include "tools/policy_case.h"

#include <stdio.h>

#include "core/server/refusal.h"
#include "tools/policy_situation.h"

void policy_reply_format(enum smtp_status status, struct slice recipient, const char *id, char reply[LIMIT_REPLY_BYTES])
{
	uint8_t storage[LIMIT_REPLY_BYTES], detail_storage[LIMIT_REPLY_DETAIL_BYTES];
	struct buffer text, detail;
	buffer_init(&text, storage, sizeof storage);
	buffer_init(&detail, detail_storage, sizeof detail_storage);
	refusal_write_detail(&detail, status, recipient, id);
	smtp_reply_write(&text, status, buffer_slice(&detail));
	(void)!slice_to_text(slice_first(buffer_slice(&text), text.size - 2), reply, LIMIT_REPLY_BYTES);
}

static void format_reply(struct policy_step *step, const struct policy_case *asked, const struct config_server *server,
			 const char *id)
{
	static const enum smtp_status good[] = { SMTP_GREETING, SMTP_SENDER_OK, SMTP_RECIPIENT_OK };
	if (step->verdict.outcome != POLICY_ALLOW) {
		policy_reply_format((enum smtp_status)step->verdict.status, asked->recipient, id, step->reply);
		return;
	}
	uint8_t storage[LIMIT_REPLY_BYTES];
	struct buffer text;
	buffer_init(&text, storage, sizeof storage);
	smtp_reply_write(&text, good[step->verdict.stage], slice_from_text(server->hostname));
	(void)!slice_to_text(slice_first(buffer_slice(&text), text.size - 2), step->reply, sizeof step->reply);
}

void policy_case_judge(const struct policy_case *asked, const struct policy *policy, const struct config_server *server,
		       const struct route_table *routes, const char *id, struct policy_steps *steps)
{
	struct policy_facts facts = asked->facts;
	enum policy_stage last = asked->recipient.size ? POLICY_RECIPIENT : POLICY_SENDER;
	if (asked->recipient.size)
		policy_set_recipient(&facts, asked->recipient, server, routes);
	steps->count = 0;
	for (enum policy_stage stage = POLICY_CONNECTION; stage <= last; stage++) {
		struct policy_step *step = &steps->list[steps->count++];
		*step = (struct policy_step){ .verdict = policy_judge_stage(policy, &facts, stage) };
		step->without_name = step->verdict.outcome == POLICY_NEEDS_NAME;
		if (step->without_name) {
			facts.name_state = POLICY_NAME_UNKNOWN;
			step->verdict = policy_judge_stage(policy, &facts, stage);
			facts.name_state = POLICY_NAME_NOT_ASKED;
		}
		policy_explain(policy, &step->verdict, &step->reason);
		format_reply(step, asked, server, id);
		if (step->verdict.outcome != POLICY_ALLOW)
			return;
	}
}

const struct config_server *policy_find_server(const struct config *config, const char *name, const char *command)
{
	for (size_t i = 0; name && i < config->server_count; i++)
		if (strcmp(config->servers[i].name, name) == 0)
			return &config->servers[i];
	if (!name && config->server_count == 1)
		return &config->servers[0];
	if (name)
		fprintf(stderr, "postern %s: there is no server '%s' in %s\n", command, name, config->file);
	else
		fprintf(stderr, "postern %s: say which server: %s has %zu\n", command, config->file,
			config->server_count);
	return NULL;
}

bool policy_read_name(const char *text, struct policy_facts *facts, struct error *error)
{
	struct suffix suffix;
	facts->name_state = text[0] ? POLICY_NAME_KNOWN : POLICY_NAME_UNKNOWN;
	facts->name = slice_from_text(text);
	if (!text[0])
		return true;
	if (!suffix_parse(facts->name, &suffix, error))
		return false;
	return !suffix.below || error_set(error, "\"%s\": a host's name does not begin with a dot", text);
}
