/* core/policy: verdicts against a list of rules that is gone through from end to end, on random rules and clients; and each
 * stage's own order of things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/policy/policy.h"

enum { RULES_MOST = 24, TEXT_BYTES = 64 };

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* --- the stupid way --- */

struct model {
	struct {
		char text[TEXT_BYTES];
		struct rule_text what;
		bool allow;
	} rules[RULES_MOST];
	size_t count;
	bool default_allow, unknown_allow;
};

static bool name_is_under(const struct suffix *suffix, struct slice name)
{
	if (name.size == suffix->name.size)
		return slice_equal_nocase(name, suffix->name);
	if (!suffix->below || name.size < suffix->name.size + 1)
		return false;
	struct slice tail = slice_skip(name, name.size - suffix->name.size);
	return slice_equal_nocase(tail, suffix->name) && name.data[name.size - suffix->name.size - 1] == '.';
}

/* How well rule i fits; 0: not at all. */
static unsigned fit_of(const struct model *model, size_t i, const struct policy_facts *facts, bool names)
{
	const struct rule_text *what = &model->rules[i].what;
	if (what->is_name != names)
		return 0;
	if (!names)
		return net_prefix_contains(&what->prefix, &facts->client) ? what->prefix.length + 1u : 0;
	if (!name_is_under(&what->suffix, facts->name))
		return 0;
	/* A rule for the name alone is more specific than the one with the dot. */
	return (unsigned)what->suffix.name.size * 2 + !what->suffix.below;
}

/* The best rule's index, or RULES_MOST. */
static size_t best_of(const struct model *model, const struct policy_facts *facts, bool names)
{
	size_t best = RULES_MOST;
	unsigned best_fit = 0;
	for (size_t i = 0; i < model->count; i++) {
		unsigned fit = fit_of(model, i, facts, names);
		bool wins = fit > best_fit ||
			    (fit && fit == best_fit && model->rules[best].allow && !model->rules[i].allow);
		if (wins) {
			best = i;
			best_fit = fit;
		}
	}
	return best;
}

static bool has_names(const struct model *model)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->rules[i].what.is_name)
			return true;
	return false;
}

static bool model_allows(const struct model *model, const struct policy_facts *facts)
{
	size_t best = best_of(model, facts, false);
	if (best == RULES_MOST && has_names(model)) {
		if (facts->name_state != POLICY_NAME_KNOWN)
			return model->unknown_allow;
		best = best_of(model, facts, true);
	}
	return best == RULES_MOST ? model->default_allow : model->rules[best].allow;
}

/* --- random rules and clients: few bits and labels, so that they meet --- */

static const char *const labels[] = { "a", "b", "cc" };

static void random_name(uint64_t *random, char text[TEXT_BYTES])
{
	size_t count = 1 + next_random(random) % 3, used = 0;
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s.", labels[next_random(random) % 3]);
	snprintf(text + used, TEXT_BYTES - used, "x");
}

static struct net_address random_address(uint64_t *random)
{
	struct net_address address = { .family = next_random(random) % 2 ? 4 : 6 };
	for (unsigned i = 0; i < (address.family == 4 ? 4u : 16u); i++)
		address.bytes[i] = next_random(random) % 4 ? 0 : (uint8_t)(next_random(random) % 4 << 6);
	return address;
}

static void random_rule(struct model *model, uint64_t *random)
{
	size_t i = model->count++;
	char *text = model->rules[i].text;
	model->rules[i].allow = next_random(random) % 2;
	if (next_random(random) % 2) {
		bool below = next_random(random) % 2;
		text[0] = '.';
		random_name(random, text + below);
	} else {
		struct net_address address = random_address(random);
		struct net_prefix prefix =
			net_prefix_around(&address, next_random(random) % (net_prefix_length_most(address.family) + 1));
		net_prefix_format(&prefix, text);
	}
	struct error error;
	assert_true(rule_text_parse(slice_from_text(text), &model->rules[i].what, &error));
}

/* A name in a rule is part of its text, so a model stays where it is. */
static void make_model(struct model *model, uint64_t *random)
{
	*model = (struct model){ .default_allow = next_random(random) % 2, .unknown_allow = next_random(random) % 2 };
	size_t count = next_random(random) % (RULES_MOST + 1);
	/* Some have no rules for names that matter. */
	bool alike = next_random(random) % 4 == 0;
	while (model->count < count) {
		random_rule(model, random);
		if (alike && model->rules[model->count - 1].what.is_name)
			model->rules[model->count - 1].allow = model->default_allow;
	}
	if (alike)
		model->unknown_allow = model->default_allow;
}

static struct policy_rules build(const struct model *model)
{
	struct policy_rules_builder builder;
	struct policy_rules rules = { .default_allow = model->default_allow, .unknown_allow = model->unknown_allow };
	policy_rules_builder_init(&builder);
	for (size_t i = 0; i < model->count; i++) {
		struct policy_source where = { .file = "f", .line = (int)i + 1, .text = model->rules[i].text };
		assert_true(policy_rules_add(&builder, &model->rules[i].what, model->rules[i].allow, &where));
	}
	assert_true(policy_rules_build(&builder, &rules));
	return rules;
}

/* The rule that is named must fit as well as any. */
static void assert_rule_is_best(const struct policy *policy, const struct model *model,
				const struct policy_facts *facts, const struct policy_verdict *verdict)
{
	size_t best = best_of(model, facts, false);
	if (best == RULES_MOST && facts->name_state == POLICY_NAME_KNOWN)
		best = best_of(model, facts, true);
	const struct policy_source *source = policy_rules_source(&policy->connect, verdict->rule);
	assert_true((source != NULL) == (best != RULES_MOST));
	if (!source)
		return;
	size_t named = (size_t)source->line - 1;
	bool names = model->rules[named].what.is_name;
	assert_int_equal(fit_of(model, named, facts, names), fit_of(model, best, facts, names));
	assert_int_equal(model->rules[named].allow, model->rules[best].allow);
}

/* Does any name change what is decided? All names that rules have, and one that none has. */
static bool depends_on_name(const struct model *model, struct policy_facts facts)
{
	facts.name_state = POLICY_NAME_UNKNOWN;
	bool allowed = model_allows(model, &facts);
	facts.name_state = POLICY_NAME_KNOWN;
	facts.name = SLICE_LITERAL("none.of.them");
	if (model_allows(model, &facts) != allowed)
		return true;
	for (size_t i = 0; i < model->count; i++) {
		facts.name = model->rules[i].what.suffix.name;
		if (model->rules[i].what.is_name && model_allows(model, &facts) != allowed)
			return true;
	}
	return false;
}

static void judge_one(const struct policy *policy, const struct model *model, uint64_t *random)
{
	char name[TEXT_BYTES];
	struct policy_facts facts = { .client = random_address(random) };
	bool needed = depends_on_name(model, facts);
	struct policy_verdict verdict = policy_judge_connection(policy, &facts);
	assert_int_equal(verdict.outcome == POLICY_NEEDS_NAME, needed);
	if (!needed)
		assert_int_equal(verdict.outcome == POLICY_ALLOW, model_allows(model, &facts));
	random_name(random, name);
	facts.name = slice_from_text(name);
	for (facts.name_state = POLICY_NAME_KNOWN; facts.name_state <= POLICY_NAME_FAILED; facts.name_state++) {
		verdict = policy_judge_connection(policy, &facts);
		bool allowed = model_allows(model, &facts);
		assert_int_equal(verdict.outcome == POLICY_ALLOW, allowed);
		assert_rule_is_best(policy, model, &facts, &verdict);
		bool later = facts.name_state == POLICY_NAME_FAILED && needed && !allowed;
		if (!allowed)
			assert_int_equal(verdict.outcome, later ? POLICY_DEFER : POLICY_REFUSE);
	}
}

static void verdicts_are_those_of_a_list_of_rules(void **state)
{
	(void)state;
	uint64_t random = 5;
	for (int round = 0; round < 400; round++) {
		struct model model;
		make_model(&model, &random);
		struct policy policy = { .connect = build(&model) };
		for (int i = 0; i < 100; i++)
			judge_one(&policy, &model, &random);
		policy_finish(&policy);
	}
}

/* --- stages --- */

static void add(struct policy_rules_builder *builder, const char *text, bool allow, int line)
{
	struct rule_text what;
	struct error error;
	struct policy_source where = { .file = "f", .line = line, .text = text };
	assert_true(rule_text_parse(slice_from_text(text), &what, &error));
	assert_true(policy_rules_add(builder, &what, allow, &where));
}

static struct policy make_relay(void)
{
	struct policy policy = { .authenticated = true, .can_sign_in = true, .file = "f", .server = "a" };
	struct policy_rules_builder builder;
	policy_rules_builder_init(&builder);
	add(&builder, "192.0.2.0/24", true, 2);
	add(&builder, "192.0.2.66", false, 3);
	add(&builder, ".printers.example", true, 4);
	policy.connect.default_allow = policy.connect.unknown_allow = true;
	assert_true(policy_rules_build(&builder, &policy.relay));
	return policy;
}

static struct policy_facts facts_of(const char *address)
{
	struct policy_facts facts = { .name_state = POLICY_NAME_UNKNOWN, .has_route = true, .has_mailbox = true };
	struct error error;
	assert_true(net_address_parse(slice_from_text(address), &facts.client, &error));
	return facts;
}

#define assert_verdict(verdict, expected_outcome, expected_status)                                                     \
	do {                                                                                                           \
		struct policy_verdict judged = (verdict);                                                              \
		assert_int_equal(judged.outcome, (expected_outcome));                                                  \
		assert_int_equal(judged.status, (expected_status));                                                    \
	} while (0)

static void senders_sign_in_unless_a_rule_lets_them(void **state)
{
	(void)state;
	struct policy policy = make_relay();
	struct policy_facts facts = facts_of("192.0.2.5");
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	facts = facts_of("192.0.2.66");
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_REFUSE, SMTP_OUTSIDER_NEEDS_TLS);
	facts.tls_bits = 256;
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_REFUSE, SMTP_OUTSIDER_REFUSED);
	facts.signed_in = true;
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	facts = facts_of("198.51.100.1");
	facts.name_state = POLICY_NAME_NOT_ASKED;
	assert_int_equal(policy_judge_sender(&policy, &facts).outcome, POLICY_NEEDS_NAME);
	facts.name_state = POLICY_NAME_FAILED;
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_DEFER, SMTP_NAME_DEFERRED);
	facts.name_state = POLICY_NAME_KNOWN;
	facts.name = SLICE_LITERAL("a.Printers.example");
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	policy.can_sign_in = false;
	facts.name = SLICE_LITERAL("b.example");
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_REFUSE, SMTP_SENDER_REFUSED);
	assert_true(policy_takes_outsiders(&policy));
	policy_finish(&policy);
	assert_false(policy_takes_outsiders(&policy));
}

static void mail_needs_the_tls_that_is_asked_for(void **state)
{
	(void)state;
	struct policy policy = make_relay();
	struct policy_facts facts = facts_of("192.0.2.5");
	struct policy_reason reason;
	policy.tls_required = true;
	policy.min_bits = 200;
	policy.lines.min_bits = 7;
	/* Where TLS can't be had it is not asked for. */
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	facts.can_start_tls = true;
	for (int signed_in = 0; signed_in < 2; signed_in++) {
		facts.signed_in = signed_in;
		struct policy_verdict verdict = policy_judge_sender(&policy, &facts);
		assert_verdict(verdict, POLICY_REFUSE, SMTP_TLS_REQUIRED);
		policy_explain(&policy, &verdict, &reason);
		assert_string_equal(reason.text, "tls { require = yes }");
		assert_int_equal(reason.line, 0);
	}
	/* Outside TLS there is no strength; inside it has to be as said, whatever rules allow. */
	assert_int_equal(policy_judge_connection(&policy, &facts).outcome, POLICY_ALLOW);
	for (unsigned bits = 1; bits <= 256; bits++) {
		facts.tls_bits = bits;
		struct policy_verdict verdict = policy_judge_connection(&policy, &facts);
		assert_int_equal(policy_judge_strength(&policy, &facts).outcome, verdict.outcome);
		assert_int_equal(verdict.outcome, bits < 200 ? POLICY_REFUSE : POLICY_ALLOW);
		if (bits >= 200)
			assert_verdict(policy_judge_sender(&policy, &facts), POLICY_ALLOW, SMTP_OK);
		else
			assert_int_equal(verdict.status, SMTP_CIPHER_TOO_WEAK);
	}
	facts.tls_bits = 128;
	struct policy_verdict weak = policy_judge_connection(&policy, &facts);
	policy_explain(&policy, &weak, &reason);
	assert_string_equal(reason.text, "tls { min_bits = 200 }");
	assert_int_equal(reason.line, 7);
	policy_finish(&policy);
}

static void recipients_that_are_here_are_no_relay(void **state)
{
	(void)state;
	struct policy policy = make_relay();
	policy.anonymous = true;
	struct policy_facts facts = facts_of("198.51.100.1");
	facts.name_state = POLICY_NAME_NOT_ASKED;
	facts.local = true;
	assert_verdict(policy_judge_sender(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	facts.has_mailbox = false;
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_REFUSE, SMTP_MAILBOX_UNKNOWN);
	facts.local = false;
	facts.has_mailbox = true;
	assert_int_equal(policy_judge_recipient(&policy, &facts).outcome, POLICY_NEEDS_NAME);
	facts.name_state = POLICY_NAME_UNKNOWN;
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_REFUSE, SMTP_RELAY_REFUSED);
	facts.signed_in = true;
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	policy.authenticated = false;
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_REFUSE, SMTP_RELAY_REFUSED);
	facts = facts_of("192.0.2.5");
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_ALLOW, SMTP_OK);
	facts.has_route = false;
	assert_verdict(policy_judge_recipient(&policy, &facts), POLICY_REFUSE, SMTP_RELAY_REFUSED);
	policy_finish(&policy);
}

static void reasons_name_the_line(void **state)
{
	(void)state;
	struct policy policy = make_relay();
	struct policy_reason reason;
	struct policy_facts facts = facts_of("192.0.2.66");
	struct policy_verdict verdict = policy_judge_recipient(&policy, &facts);
	policy_explain(&policy, &verdict, &reason);
	assert_string_equal(reason.text, "relay { deny = \"192.0.2.66\" }");
	assert_int_equal(reason.line, 3);
	verdict = policy_judge_connection(&policy, &facts);
	policy_explain(&policy, &verdict, &reason);
	assert_string_equal(reason.text, "connect { default = allow }");
	assert_int_equal(reason.line, 0);
	facts = facts_of("2001:db8::1");
	verdict = policy_judge_recipient(&policy, &facts);
	policy_explain(&policy, &verdict, &reason);
	assert_string_equal(reason.text, "relay { default = deny }, since the client has no confirmed name");
	policy_finish(&policy);
}

/* A file's rules are its lines, those of other files and entries beside it. */
static void rules_of_files_know_their_line(void **state)
{
	(void)state;
	struct policy policy = { .connect = { .default_allow = true, .unknown_allow = true } };
	struct policy_rules_builder builder;
	struct net_prefix prefix;
	struct error error;
	uint32_t first;
	policy_rules_builder_init(&builder);
	add(&builder, "192.0.2.1", false, 7);
	assert_true(policy_rules_begin_file(&builder, false, "/list", &first));
	assert_true(net_prefix_parse(SLICE_LITERAL("198.51.100.0/24"), &prefix, &error));
	assert_true(radix_builder_add(&builder.prefixes, &prefix, first + 41, policy_rank(false)));
	policy_rules_end_file(&builder, 42);
	add(&builder, "192.0.2.2", false, 8);
	assert_true(policy_rules_build(&builder, &policy.connect));
	static const struct {
		const char *address, *file, *text;
		int line;
	} rows[] = {
		{ "192.0.2.1", "f", "connect { deny = \"192.0.2.1\" }", 7 },
		{ "198.51.100.9", "/list", "connect { lists = \"deny:/list\" }", 42 },
		{ "192.0.2.2", "f", "connect { deny = \"192.0.2.2\" }", 8 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_reason reason;
		struct policy_facts facts = facts_of(rows[i].address);
		struct policy_verdict verdict = policy_judge_connection(&policy, &facts);
		assert_int_equal(verdict.status, SMTP_CLIENT_REFUSED);
		policy_explain(&policy, &verdict, &reason);
		assert_string_equal(reason.file, rows[i].file);
		assert_string_equal(reason.text, rows[i].text);
		assert_int_equal(reason.line, rows[i].line);
	}
	policy_finish(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_those_of_a_list_of_rules),
		cmocka_unit_test(senders_sign_in_unless_a_rule_lets_them),
		cmocka_unit_test(mail_needs_the_tls_that_is_asked_for),
		cmocka_unit_test(recipients_that_are_here_are_no_relay),
		cmocka_unit_test(reasons_name_the_line),
		cmocka_unit_test(rules_of_files_know_their_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
