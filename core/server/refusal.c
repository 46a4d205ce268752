/* Records of refusals; see refusal.h. */
#include "core/server/refusal.h"

#include <string.h>

static void set_text(char *text, size_t capacity, struct slice value)
{
	(void)!slice_to_text(value, text, capacity);
}

#define SET_TEXT(member, value) set_text(refusal->member, sizeof refusal->member, (value))

const char *refusal_stage_name(unsigned stage)
{
	return stage == REFUSAL_SIGN_IN   ? "sign-in"
	       : stage == REFUSAL_MESSAGE ? "message"
					  : policy_stage_name((enum policy_stage)stage);
}

static void fill_facts(struct refusal *refusal, const struct policy_facts *facts, const struct refusal_context *context)
{
	memset(refusal, 0, sizeof *refusal);
	refusal->format = REFUSAL_FORMAT;
	refusal->tls_bits = (uint16_t)facts->tls_bits;
	refusal->name_state = (uint8_t)facts->name_state;
	refusal->family = facts->client.family;
	refusal->signed_in = facts->signed_in;
	refusal->has_route = facts->has_route;
	refusal->local = facts->local;
	refusal->has_mailbox = facts->has_mailbox;
	memcpy(refusal->address, facts->client.bytes, sizeof refusal->address);
	if (facts->name_state == POLICY_NAME_KNOWN)
		SET_TEXT(name, facts->name);
	SET_TEXT(login, slice_from_text(context->login ? context->login : ""));
	SET_TEXT(sender, context->sender);
	SET_TEXT(recipient, context->recipient);
}

void refusal_fill(struct refusal *refusal, const struct policy *policy, const struct policy_facts *facts,
		  const struct policy_verdict *verdict, const struct refusal_context *context)
{
	struct policy_reason reason;
	policy_explain(policy, verdict, &reason);
	fill_facts(refusal, facts, context);
	refusal->line = (uint32_t)reason.line;
	refusal->stage = verdict->stage;
	refusal->outcome = verdict->outcome;
	refusal->status = verdict->status;
	SET_TEXT(server, slice_from_text(policy->server));
	SET_TEXT(rule, slice_from_text(reason.text));
	SET_TEXT(file, slice_from_text(reason.file));
}

void refusal_fill_setting(struct refusal *refusal, const char *server, const struct policy_facts *facts,
			  const struct refusal_setting *setting, const struct refusal_context *context)
{
	fill_facts(refusal, facts, context);
	refusal->line = (uint32_t)setting->line;
	refusal->stage = (uint8_t)setting->stage;
	refusal->outcome = smtp_reply_code(setting->status) < 500 ? POLICY_DEFER : POLICY_REFUSE;
	refusal->status = (uint8_t)setting->status;
	SET_TEXT(server, slice_from_text(server));
	SET_TEXT(rule, slice_from_text(setting->text));
	SET_TEXT(file, slice_from_text(setting->file));
}

/* So that the id is in the reply whatever the address. */
enum { RECIPIENT_SHOWN_BYTES = 200 };

void refusal_write_detail(struct buffer *out, enum smtp_status status, struct slice recipient, const char *id)
{
	if (status == SMTP_RELAY_REFUSED) {
		bool cut = recipient.size > RECIPIENT_SHOWN_BYTES;
		buffer_append_byte(out, '<');
		buffer_append(out, cut ? slice_first(recipient, RECIPIENT_SHOWN_BYTES) : recipient);
		buffer_append_text(out, cut ? "...> " : "> ");
	}
	buffer_append_byte(out, '(');
	buffer_append_text(out, id);
	buffer_append_byte(out, ')');
}
