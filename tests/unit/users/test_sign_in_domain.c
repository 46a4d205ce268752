/* core/users: NTLM against a domain, with our own client and a helper that says what stands in a file: who has signed in then, who is
 * refused, and what is nobody's fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/users/ntlm_client.h"
#include "core/users/sign_in_domain.h"
#include "crypto/secret.h"
#include "proto/base64.h"
#include "proto/sasl.h"
#include "tests/unit/users/scratch.h"

struct world {
	struct scratch scratch;
	char program[96], said[96];
	struct loop *loop;
	struct ntlm_helpers *helpers;
	struct sign_in_domain *domain;
	uint8_t challenge_storage[LIMIT_CHALLENGE_BYTES];
	struct buffer challenge;
	struct sign_in_facts facts;
	struct sign_in_request request;
	bool told;
	enum sign_in_outcome outcome;
};

static void answered(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	struct world *world = CONTAINER_OF(request, struct world, request);
	assert_false(world->told);
	world->told = true;
	world->outcome = outcome;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, mode) == 0);
}

/* In base64, with a NUL behind it. */
static void make_challenge(char *text, size_t capacity)
{
	struct ntlm_target target;
	struct ntlm_exchange exchange;
	uint8_t first[64], bytes[NTLM_CHALLENGE_MOST_BYTES];
	struct buffer negotiate, challenge, encoded;
	buffer_init(&negotiate, first, sizeof first);
	buffer_init(&challenge, bytes, sizeof bytes);
	buffer_init(&encoded, text, capacity);
	assert_true(ntlm_client_begin(&negotiate));
	assert_true(ntlm_target_init(&target, SLICE_LITERAL("dc.example.org"), SLICE_LITERAL("DOM")));
	assert_true(ntlm_exchange_challenge(&exchange, &target, buffer_slice(&negotiate), 0, &challenge));
	assert_true(base64_encode(&encoded, buffer_slice(&challenge)) && buffer_append_byte(&encoded, 0));
}

static int make_world(void **state)
{
	struct world *world = test_calloc(1, sizeof *world);
	struct error error = { "" };
	char challenge[2048], script[4096];
	scratch_make(&world->scratch);
	snprintf(world->program, sizeof world->program, "%s/helper", world->scratch.path);
	snprintf(world->said, sizeof world->said, "%s/said", world->scratch.path);
	make_challenge(challenge, sizeof challenge);
	snprintf(script, sizeof script,
		 "#!/bin/sh\n"
		 "while read -r word text; do\n"
		 "  [ \"$word\" = YR ] && answer='TT %s' || read -r answer <'%s'\n"
		 "  printf '%%s\\n' \"$answer\"\n"
		 "done\n",
		 challenge, world->said);
	write_file(world->program, script, 0700);
	world->loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL, .receive_buffers = 8 }, &error);
	assert_non_null(world->loop);
	world->helpers = ntlm_helpers_create(world->loop, world->program, 1, NULL, &error);
	assert_non_null(world->helpers);
	world->domain = sign_in_domain_create(world->helpers, NTLM_BINDING_ALLOW, NTLM_LOGIN, &error);
	assert_non_null(world->domain);
	buffer_init(&world->challenge, world->challenge_storage, sizeof world->challenge_storage);
	*state = world;
	return 0;
}

static int end_world(void **state)
{
	struct world *world = *state;
	sign_in_domain_destroy(world->domain);
	ntlm_helpers_destroy(world->helpers);
	loop_destroy(world->loop);
	scratch_remove(&world->scratch);
	test_free(world);
	return 0;
}

static enum sign_in_outcome step(struct world *world, struct slice response)
{
	enum sign_in_outcome outcome;
	struct error error;
	world->request.response = response;
	if (sign_in_step(sign_in_domain_backend(world->domain), &world->request, &outcome))
		return outcome;
	while (!world->told)
		assert_true(loop_turn(world->loop, true, &error));
	world->told = false;
	return world->outcome;
}

/* What comes of it when the helper says this at the end. The request is not ended. */
static enum sign_in_outcome sign_in(struct world *world, const char *said)
{
	uint8_t storage[LIMIT_CHALLENGE_BYTES];
	struct error error;
	struct buffer message;
	const struct ntlm_client client = { SLICE_LITERAL("DOM\\Alice"), SLICE_LITERAL("secret"), { NULL, 0 } };
	write_file(world->said, said, 0600);
	world->request = (struct sign_in_request){
		.done = answered,
		.facts = &world->facts,
		.mechanism = SASL_NTLM,
		.challenge = &world->challenge,
	};
	buffer_init(&message, storage, sizeof storage);
	assert_true(ntlm_client_begin(&message));
	assert_int_equal(step(world, buffer_slice(&message)), SIGN_IN_CHALLENGE);
	buffer_clear(&message);
	assert_true(ntlm_client_answer(&client, buffer_slice(&world->challenge), &message, &error));
	return step(world, buffer_slice(&message));
}

static void end(struct world *world)
{
	sign_in_end(sign_in_domain_backend(world->domain), &world->request);
}

static void who_the_domain_knows_is_let_in(void **state)
{
	struct world *world = *state;
	assert_int_equal(sign_in(world, "AF DOM\\Alice\n"), SIGN_IN_OK);
	assert_true(slice_equal(world->request.login, SLICE_LITERAL("alice@dom")));
	assert_true(slice_equal(world->request.name, SLICE_LITERAL("Alice")));
	end(world);
	assert_int_equal(sign_in(world, "AF DOM\\Alice Smith\n"), SIGN_IN_OK);
	assert_true(slice_equal(world->request.login, SLICE_LITERAL("alice smith@dom")));
	end(world);
	assert_int_equal(sign_in(world, "AF alice\n"), SIGN_IN_WRONG); /* of no domain */
	end(world);
	assert_int_equal(sign_in(world, "AF DOM\\al\001ice\n"), SIGN_IN_WRONG);
	end(world);
}

/* Who is told that the password is wrong forgets a right one, and is counted by the guard. */
static void what_is_nobodys_fault_is_put_off(void **state)
{
	struct world *world = *state;
	static const struct {
		const char *said;
		enum sign_in_outcome outcome;
	} cases[] = {
		{ "NA NT_STATUS_LOGON_FAILURE\n", SIGN_IN_WRONG },
		{ "NA NT_STATUS_WRONG_PASSWORD\n", SIGN_IN_WRONG },
		{ "NA NT_STATUS_ACCOUNT_LOCKED_OUT\n", SIGN_IN_WRONG },
		{ "NA NT_STATUS_NO_SUCH_DOMAIN\n", SIGN_IN_WRONG },
		{ "NA NT_STATUS_INVALID_PARAMETER\n", SIGN_IN_WRONG },
		{ "NA something else\n", SIGN_IN_WRONG },
		{ "NA NT_STATUS_NO_LOGON_SERVERS\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_IO_TIMEOUT\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_NETWORK_UNREACHABLE\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_HOST_UNREACHABLE\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_CONNECTION_REFUSED\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_CONNECTION_DISCONNECTED\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_PIPE_NOT_AVAILABLE\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_PIPE_DISCONNECTED\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_RPC_SERVER_UNAVAILABLE\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_NETLOGON_NOT_STARTED\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_NO_TRUST_SAM_ACCOUNT\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_TRUSTED_RELATIONSHIP_FAILURE\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_TIME_DIFFERENCE_AT_DC\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_NO_MEMORY\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_INSUFF_SERVER_RESOURCES\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_INTERNAL_ERROR\n", SIGN_IN_UNAVAILABLE },
		{ "NA NT_STATUS_UNSUCCESSFUL\n", SIGN_IN_UNAVAILABLE },
		{ "BH NT_STATUS_LOGON_FAILURE\n", SIGN_IN_UNAVAILABLE },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (sign_in(world, cases[i].said) != cases[i].outcome)
			fail_msg("%s", cases[i].said);
		assert_non_null(world->request.reason);
		end(world);
	}
}

int main(void)
{
	if (!secret_setup())
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_the_domain_knows_is_let_in, make_world, end_world),
		cmocka_unit_test_setup_teardown(what_is_nobodys_fault_is_put_off, make_world, end_world),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
