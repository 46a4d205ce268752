/* core/policy/rules_image: rules in an image decide as those that they were made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/net/rule_list.h"
#include "core/policy/rules_image.h"

static const char *const texts[] = {
	"192.0.2.0/24", "192.0.2.7",        "2001:db8::/32",   "10.0.0.0/8",
	".bad.example", "host.bad.example", "198.51.100.0/25",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static const char *const clients[] = { "192.0.2.1", "192.0.2.7", "2001:db8::1", "2001:db9::1",
				       "10.9.9.9",  "::1",       "203.0.113.9", "198.51.100.200" };
static const char *const names[] = { "x.bad.example", "host.bad.example", "good.example" };

/* Each second rule allows; a file of one line comes last, where it is wanted. */
static struct policy_rules make(size_t count, bool file)
{
	struct policy_rules_builder builder;
	struct policy_rules rules = { .default_allow = true };
	policy_rules_builder_init(&builder);
	for (size_t i = 0; i < count; i++) {
		struct rule_text what;
		struct policy_source where = { .file = "conf", .line = (int)i + 1, .text = texts[i] };
		assert_true(rule_text_parse(slice_from_text(texts[i]), &what, NULL));
		assert_true(policy_rules_add(&builder, &what, i % 2, &where));
	}
	if (file) {
		struct rule_list list;
		uint32_t first;
		assert_true(policy_rules_begin_file(&builder, false, "list", &first));
		rule_list_begin(&list, &builder.prefixes, &builder.names, first, policy_rank(false));
		assert_true(rule_list_take(&list, SLICE_LITERAL("\n203.0.113.0/24\n")) && rule_list_end(&list));
		policy_rules_end_file(&builder, list.lines);
	}
	assert_true(policy_rules_build(&builder, &rules));
	return rules;
}

static void check_same(const struct policy_rules *a, const struct policy_rules *b, const char *client,
		       enum policy_name state, const char *name)
{
	struct net_address address;
	uint32_t by_a, by_b;
	assert_true(net_address_parse(slice_from_text(client), &address, NULL));
	enum policy_decision decision = policy_rules_decide(a, &address, state, slice_from_text(name), &by_a);
	assert_int_equal(policy_rules_decide(b, &address, state, slice_from_text(name), &by_b), decision);
	if (decision == POLICY_ASKS)
		return;
	assert_int_equal(by_a, by_b);
	const struct policy_source *source = policy_rules_source(a, by_a), *other = policy_rules_source(b, by_b);
	assert_true(!source == !other);
	if (!source)
		return;
	assert_int_equal(source->first, other->first);
	assert_int_equal(source->count, other->count);
	assert_int_equal(source->line, other->line);
	assert_string_equal(source->file, other->file);
	assert_ptr_not_equal(source->file, other->file); /* an image has its own */
	assert_true(!source->text == !other->text);
	if (source->text)
		assert_string_equal(source->text, other->text);
}

static void images_decide_as_what_they_were_made_of(void **state)
{
	(void)state;
	for (size_t count = 0; count <= TEXTS; count++) {
		struct policy_rules rules = make(count, count % 3 == 0), opened = { .default_allow = false };
		size_t size = policy_rules_image_bytes(&rules);
		void *memory = malloc(size);
		assert_non_null(memory);
		policy_rules_image_write(&rules, memory);
		assert_false(policy_rules_image_open(slice_of(memory, size - 1), &opened));
		assert_false(policy_rules_image_open(slice_of(memory, 8), &opened));
		assert_true(policy_rules_image_open(slice_of(memory, size), &opened));
		for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
			check_same(&rules, &opened, clients[i], POLICY_NAME_NOT_ASKED, "");
			check_same(&rules, &opened, clients[i], POLICY_NAME_FAILED, "");
			for (size_t k = 0; k < sizeof names / sizeof *names; k++)
				check_same(&rules, &opened, clients[i], POLICY_NAME_KNOWN, names[k]);
		}
		policy_rules_finish(&rules);
		policy_rules_finish(&opened);
		free(memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_decide_as_what_they_were_made_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
