/* tools/policy_diff: random clients under two random configurations are treated otherwise exactly where the comparison says
 * so, and just so; and tools/policy_cover: no set of situations is said wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/policy_cover.h"
#include "tools/policy_diff.h"
#include "tools/policy_situation.h"

enum { ROUNDS = 300, CLIENTS = 40, RULES_MOST = 6, TEXT_BYTES = 8192 };

static uint64_t random_state;

static uint32_t below(uint32_t count)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % count;
}

/* --- random configurations --- */

struct text {
	char bytes[TEXT_BYTES];
	size_t size;
};

static void add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct text *text, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	text->size += (size_t)vsnprintf(text->bytes + text->size, sizeof text->bytes - text->size, format, args);
	va_end(args);
	assert_true(text->size < sizeof text->bytes);
}

/* Few bits and labels, so that rules meet. */
static void random_name(char *name, size_t capacity)
{
	static const char *const labels[] = { "a", "b", "h0", "example" };
	size_t count = 1 + below(3), size = 0;
	for (size_t i = 0; i < count; i++)
		size += (size_t)snprintf(name + size, capacity - size, "%s%s", i ? "." : "", labels[below(4)]);
}

/* Rule `number` of a pool: none is there twice, which a configuration may not have. */
static void add_rule(struct text *text, unsigned number)
{
	if (number % 3 == 0)
		add(text, "\"10.0.%u.0/%u\"", number / 3 % 4 * 64, 18 + number % 2 * 6);
	else if (number % 3 == 1)
		add(text, "\"2001:db8:%x::/%u\"", number / 3 % 4, number % 2 ? 48 : 64);
	else
		add(text, "\"%s%s%s\"", number % 2 ? "." : "", number / 6 % 2 ? "a." : "",
		    number / 12 ? "b" : "example");
}

static void add_rules(struct text *text)
{
	enum { POOL = 24 };
	bool used[POOL] = { false };
	for (int allow = 0; allow < 2; allow++) {
		const char *before = allow ? " allow = { " : " deny = { ";
		const char *after = "";
		for (size_t left = below(RULES_MOST + 1); left > 0; left--) {
			unsigned number = below(POOL);
			if (used[number])
				continue;
			used[number] = true;
			add(text, "%s", before);
			add_rule(text, number);
			before = ", ";
			after = " }";
		}
		add(text, "%s", after);
	}
}

static struct config *random_config(void)
{
	struct text text = { .size = 0 };
	static const char *const modes[] = { "plain", "starttls", "tls", "starttls\", \"127.0.0.1:2588 plain" };
	const char *mode = modes[below(4)];
	bool tls = mode != modes[0];
	bool signs_in = below(4);
	bool in_clear = below(2) || (!tls && signs_in);
	add(&text, "data = \"data\" server s { hostname = \"m.example\" listen = { \"127.0.0.1:2587 %s\" } ", mode);
	if (tls)
		add(&text, "tls { certificate = \"c\" key = \"k\" min_bits = %u %s } ", below(3) * 128,
		    below(3)   ? ""
		    : in_clear ? "require = no"
			       : "require = yes");
	add(&text, "auth { %s plaintext = %s anonymous = %s } ", signs_in ? "" : "mechanisms = { }",
	    in_clear ? "yes" : "no", below(3) && signs_in ? "no" : "yes");
	add(&text, "connect { default = %s unknown_name = %s ", below(3) ? "allow" : "deny",
	    below(2) ? "allow" : "deny");
	add_rules(&text);
	add(&text, " } relay { authenticated = %s default = deny ", below(3) ? "allow" : "deny");
	add_rules(&text);
	add(&text, " } } delivery { %s %s }", below(4) ? "route \"here.example\" { maildir = \"mail/%d/%u\" }" : "",
	    "route \"*\" { hold = yes }");
	struct config_problems problems = { 0 };
	struct config *config = config_parse(text.bytes, "test.conf", &problems);
	/* What makes no sense as a whole is no matter here. */
	if (config)
		return config;
	assert_true(problems.count > 0);
	config_problems_free(&problems);
	return random_config();
}

/* --- a client under both --- */

static bool listens(const struct config_server *server, enum listener_mode mode)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].mode == mode)
			return true;
	return false;
}

/* Is the client in that situation? Else what hinders it. */
static enum diff_what hindrance(const struct config_server *server, const struct policy_facts *facts)
{
	if (facts->tls_bits && !listens(server, LISTENER_STARTTLS) && !listens(server, LISTENER_TLS))
		return DIFF_HAS_NO_TLS;
	if (!facts->tls_bits && !listens(server, LISTENER_STARTTLS) && !listens(server, LISTENER_PLAIN))
		return DIFF_HAS_NO_CLEAR;
	if (facts->signed_in && (!server->mechanisms || (!facts->tls_bits && !server->plaintext_sign_in)))
		return DIFF_CAN_NOT_SIGN_IN;
	return DIFF_NOTHING;
}

struct met {
	struct diff_outcome outcome;
	bool comes_in;
	bool wrong_tls; /* and nothing but that is said of it */
};

static struct met judge_alone(const struct diff_side *side, struct policy_facts facts, bool foreign)
{
	const struct config_server *server = side->server;
	facts.has_route = foreign ? side->has_foreign : side->has_local;
	facts.local = !foreign && side->has_local;
	facts.has_mailbox = true;
	facts.can_start_tls = !listens(server, LISTENER_PLAIN) && listens(server, LISTENER_STARTTLS);
	struct policy_verdict verdict = policy_judge_connection(&side->policy, &facts);
	bool comes_in = verdict.outcome == POLICY_ALLOW;
	if (comes_in) {
		enum diff_what what = hindrance(server, &facts);
		if (what != DIFF_NOTHING)
			return (struct met){ .outcome.what = (uint8_t)what };
		verdict = policy_judge_sender(&side->policy, &facts);
		if (verdict.outcome == POLICY_ALLOW)
			verdict = policy_judge_recipient(&side->policy, &facts);
	}
	return (struct met){
		.outcome = { .what = (uint8_t)(DIFF_ALLOWED + verdict.outcome),
			     .stage = verdict.stage,
			     .code = (uint16_t)policy_verdict_code(&verdict) },
		.comes_in = comes_in,
		.wrong_tls = verdict.status == SMTP_TLS_REQUIRED || verdict.status == SMTP_CIPHER_TOO_WEAK,
	};
}

static unsigned kind_of(const struct policy_diff *diff, const struct policy_facts *facts)
{
	unsigned kind = 0;
	if (facts->name_state != POLICY_NAME_KNOWN)
		return facts->name_state == POLICY_NAME_UNKNOWN ? DIFF_NO_NAME : DIFF_FAILED_NAME;
	for (size_t i = 0; i < POLICY_TABLES_MOST; i++) {
		const struct suffix_table *table = diff->tables[i]->names;
		uint32_t rule = table ? suffix_find(table, facts->name) : SUFFIX_NO_RULE;
		kind = 3 * kind + (rule == SUFFIX_NO_RULE ? 0 : policy_rule_allows(rule) ? 2 : 1);
	}
	return kind;
}

static bool holds(const struct diff_group *group, const struct net_address *address)
{
	for (size_t i = 0; i < group->count; i++)
		if (group->addresses[i].first.family == address->family &&
		    memcmp(group->addresses[i].first.bytes, address->bytes, 16) <= 0 &&
		    memcmp(group->addresses[i].last.bytes, address->bytes, 16) >= 0)
			return true;
	return false;
}

/* NULL: the comparison says that nothing changes for the client. */
static const struct diff_group *find(const struct policy_diff *diff, const struct policy_facts *facts)
{
	const struct diff_group *found = NULL;
	for (size_t i = 0; i < diff->group_count; i++) {
		const struct diff_group *group = &diff->groups[i];
		if (!holds(group, &facts->client) || (!group->any_name && !group->names[kind_of(diff, facts)]))
			continue;
		assert_null(found);
		found = group;
	}
	return found;
}

static bool is_no_news(const struct met *old, const struct met *new)
{
	bool impossible = old->outcome.what >= DIFF_CAN_NOT_SIGN_IN || new->outcome.what >= DIFF_CAN_NOT_SIGN_IN;
	if (memcmp(&old->outcome, &new->outcome, sizeof old->outcome) == 0 ||
	    (!old->comes_in && !new->comes_in &&impossible))
		return true;
	return !impossible && (old->wrong_tls || new->wrong_tls) && (old->wrong_tls || !old->comes_in) &&
	       (new->wrong_tls || !new->comes_in);
}

static void check_client(const struct policy_diff *diff, const struct policy_facts *facts)
{
	const struct diff_group *group = find(diff, facts);
	for (unsigned i = 0; i < DIFF_SITUATIONS; i++) {
		struct policy_facts now = *facts;
		now.signed_in = i & DIFF_SIGNED_IN;
		now.tls_bits = i & DIFF_TLS ? i & DIFF_WEAK ? 128 : 256 : 0;
		if (i & DIFF_WEAK && !(i & DIFF_TLS)) {
			assert_true(!group || group->change.was[i].what == DIFF_NOTHING);
			continue;
		}
		struct met old = judge_alone(&diff->old, now, i & DIFF_FOREIGN);
		struct met new = judge_alone(&diff->new, now, i & DIFF_FOREIGN);
		if (is_no_news(&old, &new)) {
			assert_true(!group || group->change.was[i].what <= DIFF_NOTHING);
			continue;
		}
		assert_non_null(group);
		assert_memory_equal(&group->change.was[i], &old.outcome, sizeof old.outcome);
		assert_memory_equal(&group->change.now[i], &new.outcome, sizeof new.outcome);
	}
}

static void random_client(struct policy_facts *facts, char *name, size_t capacity)
{
	char address[64];
	struct error error;
	if (below(2))
		snprintf(address, sizeof address, "10.0.%u.%u", below(256), below(256));
	else
		snprintf(address, sizeof address, "2001:db8:%x:%x::1", below(5), below(2));
	random_name(name, capacity);
	*facts = (struct policy_facts){ .name = slice_from_text(name) };
	facts->name_state = (enum policy_name)(POLICY_NAME_KNOWN + (below(2) ? below(3) : 0));
	assert_true(net_address_parse(slice_from_text(address), &facts->client, &error));
}

static void changes_are_what_clients_meet(void **state)
{
	(void)state;
	size_t groups = 0;
	for (random_state = 1; random_state <= ROUNDS; random_state++) {
		uint64_t seed = random_state;
		struct error error;
		struct config *old = random_config();
		struct config *new = below(8) ? random_config() : old;
		struct policy_diff *diff = policy_diff_make(old, &old->servers[0], new, &new->servers[0], &error);
		assert_non_null(diff);
		assert_true(new != old || diff->group_count == 0);
		groups += diff->group_count;
		for (size_t i = 0; i < CLIENTS; i++) {
			struct policy_facts facts;
			char name[64];
			random_client(&facts, name, sizeof name);
			check_client(diff, &facts);
		}
		policy_diff_destroy(diff);
		config_free(old);
		if (new != old)
			config_free(new);
		random_state = seed;
	}
	assert_true(groups > ROUNDS);
}

/* --- covers --- */

static void covers_hold_what_is_wanted_and_no_more(void **state)
{
	(void)state;
	random_state = 1;
	for (unsigned wanted = 0; wanted <= UINT16_MAX; wanted++) {
		uint16_t rest = (uint16_t)(below(4) ? below(UINT16_MAX + 1) : 0);
		struct policy_cube cubes[POLICY_COVER_MOST];
		size_t count = policy_cover((uint16_t)wanted, rest, cubes);
		unsigned held = 0;
		assert_true(count <= POLICY_COVER_MOST);
		for (size_t i = 0; i < count; i++)
			for (unsigned s = 0; s < POLICY_COVER_SITUATIONS; s++)
				held |= (unsigned)((s & cubes[i].fixed) == cubes[i].value) << s;
		assert_int_equal(held & wanted, wanted);
		assert_int_equal(held & ~(wanted | rest), 0);
	}
}

static void covers_say_no_more_than_matters(void **state)
{
	(void)state;
	struct policy_cube cubes[POLICY_COVER_MOST];
	assert_int_equal(policy_cover(0xffff, 0, cubes), 1);
	assert_int_equal(cubes[0].fixed, 0);
	assert_int_equal(policy_cover(0x5555, 0, cubes), 1);
	assert_int_equal(cubes[0].fixed, DIFF_SIGNED_IN);
	assert_int_equal(cubes[0].value, 0);
	/* Where signing in needs TLS, that is not said. */
	assert_int_equal(policy_cover(0x8888, 0x2222, cubes), 1);
	assert_int_equal(cubes[0].fixed, DIFF_SIGNED_IN);
	assert_int_equal(cubes[0].value, DIFF_SIGNED_IN);
	/* Nor, of a weak cipher, that it is one of TLS. */
	assert_int_equal(policy_cover(0xcc00, 0x3300, cubes), 1);
	assert_int_equal(cubes[0].fixed, DIFF_WEAK);
	assert_int_equal(cubes[0].value, DIFF_WEAK);
	assert_int_equal(policy_cover(0, 0xffff, cubes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_what_clients_meet),
		cmocka_unit_test(covers_hold_what_is_wanted_and_no_more),
		cmocka_unit_test(covers_say_no_more_than_matters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
