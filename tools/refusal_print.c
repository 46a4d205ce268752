/* Telling a recorded refusal; see refusal_print.h. What a client has said is made harmless for a terminal. */
#include "tools/refusal_print.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "core/spool/spool.h"
#include "tools/policy_case.h"

enum { TEXT_BYTES = 256 };

struct texts {
	char time[32], id[SPOOL_ID_TEXT_BYTES], address[NET_ADDRESS_TEXT_BYTES], reply[LIMIT_REPLY_BYTES];
	char sender[TEXT_BYTES], recipient[TEXT_BYTES], login[TEXT_BYTES], rule[TEXT_BYTES];
};

static void make_harmless(const char *from, char to[TEXT_BYTES])
{
	size_t i = 0;
	for (; from[i] && i < TEXT_BYTES - 1; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[i] = 0;
}

static void make_texts(const struct refusal *refusal, struct texts *texts)
{
	struct net_address address = { .family = refusal->family };
	time_t seconds = (time_t)(refusal->unix_us / 1000000);
	struct tm utc;
	memcpy(address.bytes, refusal->address, sizeof address.bytes);
	net_address_format(&address, texts->address);
	gmtime_r(&seconds, &utc);
	strftime(texts->time, sizeof texts->time, "%Y-%m-%dT%H:%M:%SZ", &utc);
	spool_id_format(refusal->id, texts->id);
	make_harmless(refusal->sender, texts->sender);
	make_harmless(refusal->recipient, texts->recipient);
	make_harmless(refusal->login, texts->login);
	make_harmless(refusal->rule, texts->rule);
	policy_reply_format((enum smtp_status)refusal->status, slice_from_text(texts->recipient), texts->id,
			    texts->reply);
}

static const char *name_text(const struct refusal *refusal)
{
	static const char *const states[] = {
		[POLICY_NAME_NOT_ASKED] = "(not asked for)",
		[POLICY_NAME_UNKNOWN] = "(none that is confirmed)",
		[POLICY_NAME_FAILED] = "(could not be found out)",
	};
	return refusal->name_state == POLICY_NAME_KNOWN ? refusal->name : states[refusal->name_state];
}

static void print_text(const struct refusal *refusal, const struct texts *texts)
{
	printf("refusal    %s of %s, server %s\n", texts->id, texts->time, refusal->server);
	printf("stage      %s: %s\n", refusal_stage_name(refusal->stage),
	       policy_outcome_name((enum policy_outcome)refusal->outcome));
	printf("rule       %s", texts->rule);
	if (refusal->line)
		printf("  (%s:%u)", refusal->file, refusal->line);
	printf("\nreply      %s\nclient     %s, name %s\n", texts->reply, texts->address, name_text(refusal));
	if (refusal->tls_bits)
		printf("TLS        %u bits\n", refusal->tls_bits);
	else
		puts("TLS        none");
	if (refusal->signed_in || !texts->login[0])
		printf("signed in  %s\n", refusal->signed_in ? texts->login : "no");
	else
		printf("signed in  no; %s was tried\n", texts->login);
	if (texts->sender[0])
		printf("sender     %s\n", texts->sender);
	if (texts->recipient[0])
		printf("recipient  %s, %s\n", texts->recipient,
		       !refusal->has_route ? "no route"
		       : refusal->local    ? "delivered here"
					   : "sent on");
}

void refusal_print(const struct refusal *refusal, bool json)
{
	struct texts texts;
	make_texts(refusal, &texts);
	if (!json) {
		print_text(refusal, &texts);
		return;
	}
	json_t *report = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:i, s:b, s:s, s:s, s:s, s:b, s:b}", "id",
		texts.id, "time", texts.time, "server", refusal->server, "stage", refusal_stage_name(refusal->stage),
		"verdict", policy_outcome_name((enum policy_outcome)refusal->outcome), "rule", texts.rule, "file",
		refusal->file, "line", (int)refusal->line, "reply", texts.reply, "address", texts.address, "name",
		refusal->name, "tls_bits", (int)refusal->tls_bits, "signed_in", (int)refusal->signed_in, "login",
		texts.login, "sender", texts.sender, "recipient", texts.recipient, "has_route", (int)refusal->has_route,
		"local", (int)refusal->local);
	json_dumpf(report, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(report);
}
