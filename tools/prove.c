/* Walking a policy; see prove.h.
 *
 * Ranges of addresses differ only in which rule decides at the connection and which at the relay, if any, and names matter only
 * where none does. So each range is judged once by its rules, and names once for each way in which a stage can be undecided:
 * every combination that there is comes up. */
#include "tools/prove.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/policy_situation.h"

/* As much of the Internet as no site's clients have: a /8 of IPv4, a /20 of IPv6. */
enum { OPEN_IPV4 = 1 << 24, OPEN_IPV6 = 1 << 28, /* of /48 */ UNREACHED_TOLD = 100, TABLES = 2 };

struct reached {
	uint8_t *bits[2]; /* denying rules, allowing rules */
	uint32_t count[2];
};

struct prove {
	const struct policy *policy;
	const struct policy_rules *tables[TABLES];
	struct reached reached[TABLES];
	struct prove_report *report;
	unsigned ways;
	struct policy_facts facts;
	struct policy_facts relaying;        /* of one who has not signed in, and may relay */
	char door[LIMIT_DNS_NAME_BYTES + 1]; /* see find_door() */
	enum policy_name door_state;
	bool door_is_open; /* to whatever name */
	bool failed;
};

/* --- rules that decide --- */

static bool init_reached(struct reached *reached, const struct policy_rules *rules)
{
	for (size_t i = 0; i < rules->source_count; i++) {
		const struct policy_source *source = &rules->sources[i];
		bool allow = policy_rule_allows(source->first);
		uint32_t end = source->first + source->count - (allow ? POLICY_ALLOWING : 0);
		if (end > reached->count[allow])
			reached->count[allow] = end;
	}
	for (int allow = 0; allow < 2; allow++) {
		reached->bits[allow] = calloc(reached->count[allow] / 8 + 1, 1);
		if (!reached->bits[allow])
			return false;
	}
	return true;
}

static void mark(struct reached *reached, uint32_t rule)
{
	if (rule >= POLICY_BY_DEFAULT)
		return;
	bool allow = policy_rule_allows(rule);
	uint32_t place = rule - (allow ? POLICY_ALLOWING : 0);
	reached->bits[allow][place / 8] |= (uint8_t)(1u << place % 8);
}

static bool is_marked(const struct reached *reached, uint32_t rule)
{
	bool allow = policy_rule_allows(rule);
	uint32_t place = rule - (allow ? POLICY_ALLOWING : 0);
	return reached->bits[allow][place / 8] & 1u << place % 8;
}

/* Lines of files that hold no rule are none: what comes up in the tables is. */
static void tell_unreached(struct prove *prove, int table, uint32_t rule)
{
	struct prove_report *report = prove->report;
	if (is_marked(&prove->reached[table], rule))
		return;
	mark(&prove->reached[table], rule); /* told once */
	if (report->unreached_count == UNREACHED_TOLD) {
		report->unreached_more++;
		return;
	}
	report->unreached[report->unreached_count++] = (struct prove_unreached){
		.table = table ? "relay" : "connect",
		.verdict = { .outcome = policy_rule_allows(rule) ? POLICY_ALLOW : POLICY_REFUSE,
			     .stage = table ? POLICY_RECIPIENT : POLICY_CONNECTION,
			     .rule = rule },
	};
}

/* Entries of the configuration are rules each; of files, those that hold addresses or names that the tables know. */
static void find_unreached(struct prove *prove, int table)
{
	const struct policy_rules *rules = prove->tables[table];
	for (size_t i = 0; i < rules->source_count; i++)
		if (rules->sources[i].text)
			tell_unreached(prove, table, rules->sources[i].first);
	struct suffix suffix;
	uint32_t rule;
	for (size_t at = 0; rules->names && suffix_next(rules->names, &at, &suffix, &rule);)
		tell_unreached(prove, table, rule);
	struct radix_range range;
	struct radix_walk walk = { 0 };
	if (rules->prefixes)
		walk = radix_walk_from_start(rules->prefixes);
	while (radix_walk_next(&walk, &range))
		if (range.rule != RADIX_NO_RULE)
			tell_unreached(prove, table, range.rule);
}

/* --- holes --- */

static struct prove_hole *find_hole(struct prove_report *report, uint32_t rule)
{
	for (size_t i = 0; i < report->hole_count; i++)
		if (report->holes[i].verdict.rule == rule)
			return &report->holes[i];
	return NULL;
}

/* `range`: NULL where it is by the name. */
static void add_hole(struct prove *prove, const struct policy_verdict *verdict, const struct policy_range *range)
{
	struct prove_report *report = prove->report;
	struct prove_hole *hole = find_hole(report, verdict->rule);
	if (hole) {
		hole->ranges += range != NULL;
		return;
	}
	struct prove_hole *larger = realloc(report->holes, (report->hole_count + 1) * sizeof *larger);
	if (!larger) {
		prove->failed = true;
		return;
	}
	report->holes = larger;
	hole = &larger[report->hole_count++];
	*hole = (struct prove_hole){ .verdict = *verdict, .facts = prove->relaying, .ranges = range != NULL };
	if (range) {
		hole->first = range->first;
		hole->last = range->last;
	}
	if (prove->facts.name_state == POLICY_NAME_KNOWN)
		(void)!slice_to_text(prove->facts.name, hole->name, sizeof hole->name);
	hole->facts.name = (struct slice){ NULL, 0 };
}

/* An address of the range that looks like one, if there is one: they stand for addresses in texts (RFC 5737, RFC 3849). */
static struct net_address example_of(const struct policy_range *range)
{
	static const struct net_address examples[] = {
		{ .bytes = { 198, 51, 100, 1 }, .family = 4 },
		{ .bytes = { 203, 0, 113, 1 }, .family = 4 },
		{ .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, .family = 6 },
	};
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
		if (examples[i].family == range->first.family &&
		    memcmp(examples[i].bytes, range->first.bytes, sizeof examples[i].bytes) >= 0 &&
		    memcmp(examples[i].bytes, range->last.bytes, sizeof examples[i].bytes) <= 0)
			return examples[i];
	return range->first;
}

/* --- judging --- */

static void note_clear(struct prove *prove)
{
	const struct policy_facts *facts = &prove->facts;
	struct prove_clear *clear = facts->can_start_tls ? &prove->report->starttls : &prove->report->plain;
	if (clear->classes++ && (facts->signed_in || !clear->facts.signed_in))
		return;
	clear->facts = *facts;
	clear->name[0] = 0;
	if (facts->name_state == POLICY_NAME_KNOWN)
		(void)!slice_to_text(facts->name, clear->name, sizeof clear->name);
	clear->facts.name = (struct slice){ NULL, 0 };
}

/* Judges the facts. True: such a client may have mail sent on. */
static bool judge_one(struct prove *prove, struct policy_verdict *verdict)
{
	prove->report->classes++;
	*verdict = policy_judge_connection(prove->policy, &prove->facts);
	mark(&prove->reached[0], verdict->rule);
	if (verdict->outcome != POLICY_ALLOW)
		return false;
	*verdict = policy_judge_sender(prove->policy, &prove->facts);
	mark(&prove->reached[1], verdict->rule);
	if (verdict->outcome != POLICY_ALLOW)
		return false;
	if (!prove->facts.tls_bits)
		note_clear(prove);
	prove->facts.has_route = prove->facts.has_mailbox = true;
	*verdict = policy_judge_recipient(prove->policy, &prove->facts);
	mark(&prove->reached[1], verdict->rule);
	return verdict->outcome == POLICY_ALLOW;
}

/* Judges the facts for everybody: signed in or not, by each way, the worst first. True: who has not signed in may relay. */
static bool judge_all(struct prove *prove, struct policy_verdict *hole)
{
	static const enum prove_way ways[] = { PROVE_PLAIN, PROVE_STARTTLS, PROVE_TLS };
	const struct policy_facts asked = prove->facts;
	const struct policy *policy = prove->policy;
	bool relays = false;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		bool tls = ways[i] == PROVE_TLS, signs_in = policy->can_sign_in && (tls || policy->plaintext_sign_in);
		for (int signed_in = 0; (prove->ways & ways[i]) && signed_in <= signs_in; signed_in++) {
			struct policy_verdict verdict;
			prove->facts = asked;
			prove->facts.signed_in = signed_in;
			prove->facts.tls_bits = tls ? POLICY_BITS_USUAL : 0;
			prove->facts.can_start_tls = ways[i] == PROVE_STARTTLS;
			if (!judge_one(prove, &verdict) || signed_in || relays)
				continue;
			relays = true;
			prove->relaying = prove->facts;
			*hole = verdict;
		}
	}
	prove->facts = asked;
	return relays;
}

/* A name of one label is a whole top-level domain. */
static bool is_top_level(const struct policy_rules *rules, uint32_t rule)
{
	struct suffix suffix;
	uint32_t other;
	for (size_t at = 0; rules->names && suffix_next(rules->names, &at, &suffix, &other);)
		if (other == rule)
			return suffix.below && slice_find(suffix.name, '.') == suffix.name.size;
	return false;
}

static void set_name(struct policy_facts *facts, const struct policy_name_class *class)
{
	facts->name_state = class->state;
	facts->name = class->name;
}

static void judge_names(struct prove *prove)
{
	struct policy_names names;
	struct policy_name_class class;
	struct policy_verdict hole;
	policy_names_begin(&names, prove->tables, TABLES);
	while (policy_names_next(&names, &class)) {
		set_name(&prove->facts, &class);
		if (!judge_all(prove, &hole))
			continue;
		add_hole(prove, &hole, NULL);
		prove->report->any_name |= is_top_level(&prove->policy->relay, hole.rule);
	}
}

/* A name with which the connection's rules let in whom no prefix decides: none at all, any, or one that a rule allows. */
static void find_door(struct prove *prove)
{
	struct policy_names names;
	struct policy_name_class class;
	struct policy_rules by_name = *prove->tables[0];
	struct net_address nowhere = { .family = 0 };
	uint32_t rule;
	by_name.prefixes = NULL;
	policy_names_begin(&names, prove->tables, 1);
	while (policy_names_next(&names, &class)) {
		if (policy_rules_decide(&by_name, &nowhere, class.state, class.name, &rule) != POLICY_ALLOWS)
			continue;
		prove->door_state = class.state;
		prove->door_is_open = rule >= POLICY_BY_DEFAULT;
		(void)!slice_to_text(class.name, prove->door, sizeof prove->door);
		return;
	}
}

/* Whom a prefix of the relay's or its default lets relay with the door's name; all other names are judged apart. */
static void judge_range(struct prove *prove, const struct policy_range *range)
{
	struct prove_report *report = prove->report;
	struct policy_verdict hole;
	bool by_name = range->rules[0] == RADIX_NO_RULE;
	prove->facts = (struct policy_facts){ .client = example_of(range), .name_state = POLICY_NAME_UNKNOWN };
	if (by_name) {
		prove->facts.name_state = prove->door_state;
		prove->facts.name = slice_from_text(prove->door);
	}
	if (!judge_all(prove, &hole) || (range->rules[1] == RADIX_NO_RULE && hole.rule < POLICY_BY_DEFAULT))
		return;
	add_hole(prove, &hole, range);
	if (!by_name || prove->door_is_open)
		*(range->first.family == 4 ? &report->public_ipv4 : &report->public_ipv6) +=
			prove_count_public(&range->first, &range->last);
}

static void walk(struct prove *prove)
{
	struct policy_ranges ranges;
	struct policy_range range;
	bool names_judged[POLICY_KINDS] = { false };
	policy_ranges_begin(&ranges, prove->tables, TABLES);
	while (policy_ranges_next(&ranges, &range)) {
		judge_range(prove, &range);
		if (range.by_name && !names_judged[range.kind])
			judge_names(prove);
		names_judged[range.kind] = true;
	}
}

bool prove_find_domain(const struct route_table *routes, bool local, char domain[LIMIT_PATH_BYTES])
{
	for (size_t i = 0; i < routes->count; i++) {
		const struct route *route = &routes->routes[i];
		if ((route->kind == ROUTE_MAILDIR) != local)
			continue;
		if (strcmp(route->domain, "*") == 0)
			snprintf(domain, LIMIT_PATH_BYTES, "elsewhere.example");
		else
			snprintf(domain, LIMIT_PATH_BYTES, "%s%.240s", route->domain[0] == '.' ? "a" : "",
				 route->domain);
		if (route_find(routes, slice_from_text(domain)) == route)
			return true;
	}
	return false;
}

static void set_foreign(const struct route_table *routes, struct prove_report *report)
{
	char domain[LIMIT_PATH_BYTES];
	report->has_foreign = prove_find_domain(routes, false, domain);
	if (report->has_foreign)
		snprintf(report->foreign, sizeof report->foreign, "somebody@%.240s", domain);
}

unsigned prove_ways(const struct config_server *server)
{
	static const unsigned ways[] = {
		[LISTENER_PLAIN] = PROVE_PLAIN,
		[LISTENER_STARTTLS] = PROVE_STARTTLS | PROVE_TLS,
		[LISTENER_TLS] = PROVE_TLS,
	};
	unsigned all = 0;
	for (size_t i = 0; i < server->listener_count; i++)
		all |= ways[server->listeners[i].mode];
	return all;
}

bool prove_policy(const struct policy *policy, unsigned ways, const struct route_table *routes,
		  struct prove_report *report)
{
	struct prove prove = {
		.policy = policy,
		.ways = ways,
		.tables = { &policy->connect, &policy->relay },
		.report = report,
		.door_state = POLICY_NAME_UNKNOWN,
	};
	*report = (struct prove_report){ .unreached = calloc(UNREACHED_TOLD, sizeof *report->unreached) };
	set_foreign(routes, report);
	find_door(&prove);
	bool good = report->unreached && init_reached(&prove.reached[0], &policy->connect) &&
		    init_reached(&prove.reached[1], &policy->relay);
	if (good) {
		walk(&prove);
		find_unreached(&prove, 0);
		find_unreached(&prove, 1);
	}
	report->open_relay = report->has_foreign &&
			     (report->public_ipv4 >= OPEN_IPV4 || report->public_ipv6 >= OPEN_IPV6 || report->any_name);
	good &= !prove.failed;
	for (int i = 0; i < TABLES; i++) {
		free(prove.reached[i].bits[0]);
		free(prove.reached[i].bits[1]);
	}
	return good;
}

void prove_finish(struct prove_report *report)
{
	free(report->holes);
	free(report->unreached);
	*report = (struct prove_report){ .holes = NULL };
}
