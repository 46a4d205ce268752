/* core/users: the pool of helpers on both loop back ends, with a helper that answers, hangs, dies or talks nonsense as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/users/ntlm_helpers.h"
#include "crypto/secret.h"
#include "tests/unit/users/scratch.h"

/* What it is told is base64 of: slow, die, odd; yes, no. */
static const char script[] = "#!/bin/sh\n"
			     "[ \"$1\" = --helper-protocol=squid-2.5-ntlmssp ] || exit 1\n"
			     "echo started >&2\n"
			     "while read -r word text; do\n"
			     "  case $word-$text in\n"
			     "  YR-c2xvdw==) sleep 60 ;;\n"
			     "  YR-ZGll) exit 1 ;;\n"
			     "  YR-b2Rk) printf 'AF too early\\n' ;;\n"
			     "  YR-*) printf 'TT dGVzdA==\\n' ;;\n"
			     "  KK-eWVz) printf '%s\\n' 'AF DOM\\user' ;;\n"
			     "  KK-bm8=) printf 'NA NT_STATUS_LOGON_FAILURE\\n' ;;\n"
			     "  *) printf 'BH it broke\\n' ;;\n"
			     "  esac\n"
			     "done\n";

static const struct ntlm_helpers_bounds bounds = {
	.queue = 2, .wait_ms = 400, .answer_ms = 300, .hold_least_ms = 50, .hold_most_ms = 2000, .again_ms = 20
};

struct world {
	struct scratch scratch;
	char program[96];
	struct loop *loop;
	struct ntlm_helpers *helpers;
};

struct client {
	struct ntlm_talk talk;
	bool told;
	enum ntlm_answer answer;
	char text[64];
};

static void answered(struct ntlm_talk *talk, enum ntlm_answer answer, struct slice text)
{
	struct client *client = CONTAINER_OF(talk, struct client, talk);
	assert_false(client->told);
	client->told = true;
	client->answer = answer;
	assert_true(slice_to_text(text, client->text, sizeof client->text));
}

static int make_world(void **state, enum loop_kind kind)
{
	struct world *world = test_calloc(1, sizeof *world);
	struct error error = { "" };
	scratch_make(&world->scratch);
	snprintf(world->program, sizeof world->program, "%s/helper", world->scratch.path);
	FILE *file = fopen(world->program, "w");
	assert_non_null(file);
	assert_true(fputs(script, file) >= 0 && fclose(file) == 0 && chmod(world->program, 0700) == 0);
	world->loop = loop_create(&(struct loop_settings){ .kind = kind, .receive_buffers = 8 }, &error);
	assert_non_null(world->loop);
	world->helpers = ntlm_helpers_create(world->loop, world->program, 1, &bounds, &error);
	assert_non_null(world->helpers);
	*state = world;
	return 0;
}

static int make_epoll(void **state)
{
	return make_world(state, LOOP_EPOLL);
}

static int make_auto(void **state)
{
	return make_world(state, LOOP_AUTO);
}

static int end_world(void **state)
{
	struct world *world = *state;
	ntlm_helpers_destroy(world->helpers);
	loop_destroy(world->loop);
	scratch_remove(&world->scratch);
	test_free(world);
	return 0;
}

static bool begin(struct world *world, struct client *client, const char *negotiate, uint64_t network)
{
	*client = (struct client){ .talk.done = answered };
	return ntlm_talk_begin(world->helpers, &client->talk, network, slice_from_text(negotiate));
}

static void await(struct world *world, struct client *client, enum ntlm_answer answer, const char *text)
{
	struct error error;
	while (!client->told)
		assert_true(loop_turn(world->loop, true, &error));
	assert_int_equal(client->answer, answer);
	assert_string_equal(client->text, text);
	client->told = false;
}

static void one(struct world *world, const char *authenticate, enum ntlm_answer answer, const char *text)
{
	struct client client;
	assert_true(begin(world, &client, "hello", 1));
	await(world, &client, NTLM_ANSWER_CHALLENGE, "test");
	assert_true(ntlm_talk_answer(&client.talk, slice_from_text(authenticate)));
	await(world, &client, answer, text);
	ntlm_talk_end(&client.talk);
	ntlm_talk_end(&client.talk); /* nothing more happens */
}

static void answers_come_back(void **state)
{
	struct world *world = *state;
	one(world, "yes", NTLM_ANSWER_USER, "DOM\\user");
	one(world, "no", NTLM_ANSWER_REFUSED, "NT_STATUS_LOGON_FAILURE");
	one(world, "what", NTLM_ANSWER_BROKEN, "it broke");
	one(world, "yes", NTLM_ANSWER_USER, "DOM\\user");
}

/* Tries until there is a helper again. */
static void recover(struct world *world)
{
	struct client client;
	struct error error;
	for (bool done = false; !done;) {
		while (!begin(world, &client, "hello", 1))
			assert_true(loop_turn(world->loop, true, &error));
		while (!client.told)
			assert_true(loop_turn(world->loop, true, &error));
		done = client.answer == NTLM_ANSWER_CHALLENGE;
		ntlm_talk_end(&client.talk);
	}
	one(world, "yes", NTLM_ANSWER_USER, "DOM\\user");
}

static void broken_helpers_are_started_again(void **state)
{
	struct world *world = *state;
	static const char *const ways[] = { "die", "odd", "slow" };
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct client client;
		assert_true(begin(world, &client, ways[i], 1));
		await(world, &client, NTLM_ANSWER_SILENT, "");
		ntlm_talk_end(&client.talk);
		recover(world);
	}
}

static void a_silent_client_loses_its_helper(void **state)
{
	struct world *world = *state;
	struct client silent, next;
	assert_true(begin(world, &silent, "hello", 1));
	await(world, &silent, NTLM_ANSWER_CHALLENGE, "test");
	assert_true(begin(world, &next, "hello", 2));
	await(world, &next, NTLM_ANSWER_CHALLENGE, "test");
	assert_false(ntlm_talk_answer(&silent.talk, SLICE_LITERAL("yes")));
	ntlm_talk_end(&silent.talk);
	assert_true(ntlm_talk_answer(&next.talk, SLICE_LITERAL("yes")));
	await(world, &next, NTLM_ANSWER_USER, "DOM\\user");
	ntlm_talk_end(&next.talk);
}

static void who_goes_while_it_works_is_not_called(void **state)
{
	struct world *world = *state;
	struct client gone;
	assert_true(begin(world, &gone, "hello", 1));
	ntlm_talk_end(&gone.talk);
	one(world, "yes", NTLM_ANSWER_USER, "DOM\\user");
	assert_false(gone.told);
}

static void waiting_is_bounded(void **state)
{
	struct world *world = *state;
	struct client busy, waiting[2], refused;
	assert_true(begin(world, &busy, "slow", 1));
	assert_true(begin(world, &waiting[0], "slow", 2));
	assert_true(begin(world, &waiting[1], "slow", 2));
	assert_false(begin(world, &refused, "hello", 2));
	await(world, &busy, NTLM_ANSWER_SILENT, "");
	await(world, &waiting[0], NTLM_ANSWER_SILENT, "");
	await(world, &waiting[1], NTLM_ANSWER_SILENT, "");
	ntlm_talk_end(&busy.talk);
	ntlm_talk_end(&waiting[0].talk);
	ntlm_talk_end(&waiting[1].talk);
	ntlm_talk_end(&refused.talk);
	recover(world);
}

static void a_program_that_is_not_there_is_tried_again(void **state)
{
	struct world *world = *state;
	struct error error;
	struct client client;
	char elsewhere[112];
	snprintf(elsewhere, sizeof elsewhere, "%s-later", world->program);
	ntlm_helpers_destroy(world->helpers);
	world->helpers = ntlm_helpers_create(world->loop, elsewhere, 1, &bounds, &error);
	assert_non_null(world->helpers);
	assert_false(begin(world, &client, "hello", 1));
	assert_int_equal(rename(world->program, elsewhere), 0);
	recover(world);
	ntlm_helpers_destroy(world->helpers);
	world->helpers = NULL;
}

int main(void)
{
	if (!secret_setup())
		return 1;
#define BOTH(name)                                                                                                     \
	cmocka_unit_test_setup_teardown(name, make_epoll, end_world),                                                  \
		cmocka_unit_test_setup_teardown(name, make_auto, end_world)
	const struct CMUnitTest tests[] = {
		BOTH(answers_come_back),
		BOTH(broken_helpers_are_started_again),
		BOTH(a_silent_client_loses_its_helper),
		BOTH(who_goes_while_it_works_is_not_called),
		BOTH(waiting_is_bounded),
		BOTH(a_program_that_is_not_there_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
