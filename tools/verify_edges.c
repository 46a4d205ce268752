/* The rules of connect { … } and relay { … } at their edges: the first and last address of each prefix and their neighbours connect, from
 * loopback or through PROXY, and each must fare as the server's own functions say of the configuration. */
#include <stdio.h>
#include <string.h>

#include "tools/verify.h"

enum { EDGES_MOST = 256, LIST_PREFIXES = 16 };

struct edges {
	struct net_address list[EDGES_MOST];
	size_t count;
	size_t unreached; /* addresses that nobody here can come from */
	size_t left_out;  /* that are too many */
	size_t in_lists;  /* prefixes for which others stand */
	size_t names;     /* rules that hold names */
};

/* --- which addresses --- */

/* One up or down; false where there is none. */
static bool step(struct net_address *address, int by)
{
	size_t size = address->family == 4 ? 4 : 16;
	for (size_t i = size; i-- > 0;) {
		address->bytes[i] = (uint8_t)(address->bytes[i] + by);
		if (address->bytes[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

static void add(const struct verify *at, struct edges *edges, const struct net_address *address)
{
	for (size_t i = 0; i < edges->count; i++)
		if (net_address_equal(&edges->list[i], address))
			return;
	if (!verify_can_come_from(at, address))
		edges->unreached++;
	else if (edges->count == EDGES_MOST)
		edges->left_out++;
	else
		edges->list[edges->count++] = *address;
}

static void add_prefix(const struct verify *at, struct edges *edges, const struct net_prefix *prefix)
{
	struct net_address first = net_prefix_first(prefix), before = first;
	struct net_address last = net_prefix_last(prefix), behind = last;
	add(at, edges, &first);
	add(at, edges, &last);
	if (step(&before, -1))
		add(at, edges, &before);
	if (step(&behind, 1))
		add(at, edges, &behind);
}

/* The next entry of a list that is a prefix; false: that was all. */
static bool next_prefix(FILE *file, struct net_prefix *prefix)
{
	char line[LIMIT_LIST_LINE_BYTES + 2];
	struct rule_text rule;
	while (fgets(line, sizeof line, file)) {
		char *begin = line + strspn(line, " \t");
		struct slice entry = slice_of(begin, strcspn(begin, " \t\r\n#"));
		if (entry.size == 0 || !rule_text_parse(entry, &rule, NULL) || rule.is_name)
			continue;
		*prefix = rule.prefix;
		return true;
	}
	return false;
}

/* Some stand for all, from the first to the last: what is in force is one table, made of the whole file. */
static void add_list(const struct verify *at, struct edges *edges, const char *path)
{
	struct net_prefix prefix;
	FILE *file = fopen(path, "re");
	size_t count = 0, number = 0, taken = 0;
	if (!file)
		return;
	while (next_prefix(file, &prefix))
		count++;
	rewind(file);
	for (; next_prefix(file, &prefix); number++) {
		/* The one of these places that comes next. */
		size_t place = count <= LIST_PREFIXES ? taken : taken * (count - 1) / (LIST_PREFIXES - 1);
		if (number != place)
			continue;
		add_prefix(at, edges, &prefix);
		taken++;
	}
	edges->in_lists += count - taken;
	fclose(file);
}

static void add_rules(const struct verify *at, struct edges *edges, const struct config_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->list[i].what.is_name)
			edges->names++;
		else
			add_prefix(at, edges, &rules->list[i].what.prefix);
	for (size_t i = 0; i < rules->file_count; i++)
		add_list(at, edges, rules->files[i].path);
}

/* --- one address --- */

/* The reply that decides: of the greeting, of MAIL, or of RCPT. */
static void ask_server(const struct verify *at, struct verify_reply *reply)
{
	struct probe probe;
	struct error error = { "" };
	if (!probe_connect(&probe, &at->target, &error)) {
		verify_take_reply(&probe, false, &error, reply);
		return;
	}
	bool introduced = probe_introduce(&probe, &error);
	verify_take_reply(&probe, probe.reply.code != 0, &error, reply);
	if (introduced)
		verify_ask(&probe, "MAIL FROM:<>", reply);
	if (introduced && reply->code == 250)
		verify_ask_recipient(&probe, at->foreign, reply);
	probe_close(&probe);
}

/* Allowed is allowed; refused is refused with the code, or without a word. */
static bool is_as_judged(const struct policy_step *judged, const struct verify_reply *reply)
{
	if (judged->verdict.outcome == POLICY_ALLOW)
		return reply->code == 250;
	unsigned code = 0;
	for (const char *c = judged->reply; c < judged->reply + 3 && *c; c++)
		code = code * 10 + (unsigned)(*c - '0');
	return reply->code == code || (reply->code == 0 && judged->verdict.stage == POLICY_CONNECTION);
}

static void try_edge(struct verify *at, const struct net_address *client)
{
	char text[NET_ADDRESS_TEXT_BYTES];
	char tried[VERIFY_TEXT_BYTES], expected[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	struct policy_steps steps;
	struct verify_reply reply;
	verify_judge(at, client, &steps);
	const struct policy_step *judged = &steps.list[steps.count - 1];
	net_address_format(client, text);
	snprintf(tried, sizeof tried, "a client at %s%s: connect, MAIL, RCPT TO:<%.300s>", text,
		 at->proxied ? " (through PROXY)" : "", at->foreign);
	snprintf(expected, sizeof expected, "%s at the %s: %.400s",
		 policy_outcome_name((enum policy_outcome)judged->verdict.outcome),
		 policy_stage_name((enum policy_stage)judged->verdict.stage), judged->reply);
	if (judged->reason.line)
		snprintf(rule, sizeof rule, "%s (%s:%d)", judged->reason.text, judged->reason.file,
			 judged->reason.line);
	else
		snprintf(rule, sizeof rule, "%s", judged->reason.text);
	const struct verify_case what = { tried, expected, rule };
	for (size_t i = 0; i < steps.count; i++) {
		if (steps.list[i].without_name) {
			verify_tell(at, VERIFY_NOT_TRIED, &what, "it depends on the client's name");
			return;
		}
	}
	struct verify_guise guise;
	const struct probe_target before = at->target;
	verify_come_from(at, client, &guise);
	ask_server(at, &reply);
	at->target = before;
	verify_tell(at, is_as_judged(judged, &reply) ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", reply.text);
}

void verify_rule_edges(struct verify *at)
{
	struct edges edges = { .count = 0 };
	char rule[VERIFY_TEXT_BYTES];
	add_rules(at, &edges, &at->server->connect.rules);
	add_rules(at, &edges, &at->server->relay.rules);
	for (size_t i = 0; i < edges.count; i++)
		try_edge(at, &edges.list[i]);
	const struct verify_case what = { "addresses at the edges of rules", "they fare as the rules say",
					  verify_rule(at, rule, "", "connect, relay", at->server->connect.line) };
	if (edges.unreached)
		verify_tell(at, VERIFY_NOT_TRIED, &what,
			    "%zu addresses: nobody here can come from there; proxy_protocol = 127.0.0.1 would let it "
			    "be tried",
			    edges.unreached);
	if (edges.left_out)
		verify_tell(at, VERIFY_NOT_TRIED, &what, "%zu addresses: %d others were", edges.left_out, EDGES_MOST);
	if (edges.names)
		verify_tell(at, VERIFY_NOT_TRIED, &what,
			    "%zu rules for names: nobody here has them; `postern explain --name` judges them",
			    edges.names);
	if (edges.in_lists)
		verify_tell(at, VERIFY_NOT_TRIED, &what, "%zu more prefixes of list files: of each file %d are tried",
			    edges.in_lists, LIST_PREFIXES);
}
