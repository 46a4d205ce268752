/* core/server/served and generation when memory runs out while a configuration changes: what is served next is made whole or not at all,
 * what is served now stays as it was, and no descriptor is left behind. From the keeper's parcel to the worker's generation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/server/generation.h"
#include "core/server/served.h"
#include "core/server/server_policy.h"
#include "core/server/tls_contents.h"
#include "crypto/certificate.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

/* Whatever a block can have that is made, handed on or watched apart; and no more, since each word is one more run. */
static const char text[] =
	"data = \"data\"\n"
	"server a { hostname = \"a.test\" listen = { \"127.0.0.1:1 tls\" }\n"
	"    tls { certificate = \"a.pem\" key = \"a.key\" } proxy_protocol = \"127.0.0.2\" dns { reverse = on }\n"
	"    connect { per_address = 3 lists = \"deny:list\" } relay { allow = 192.0.2.1 } }\n"
	"server b { hostname = \"b.test\" listen = { \"127.0.0.1:2 plain\" } auth { plaintext = yes }\n"
	"    dns { reverse = on } }\n"
	"delivery { route \"*\" { hold = yes } }\n";

static const uint8_t secret[TLS_TICKET_SECRET_BYTES];
static struct loop *loop;
static struct server_states *states;
static struct served present;
static size_t descriptors;

/* --- the world --- */

static size_t count_descriptors(void)
{
	size_t count = 0;
	DIR *folder = opendir("/proc/self/fd");
	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static struct config *parse(void)
{
	struct config_problems problems = { 0 };
	struct config *config = config_parse(text, "test.conf", &problems);
	if (!config)
		fail_msg("%s", problems.list[0].text);
	return config;
}

static int make_world(void **state)
{
	(void)state;
	struct error error;
	const char *const names[] = { "a.test", "b.test", NULL };
	const struct certificate_files files = { "ca.pem", "ca.key", "a.pem", "a.key" };
	scratch_folder_enter();
	FILE *list = fopen("list", "w");
	assert_true(list && fputs("127.0.0.9\n.bad.example\n", list) >= 0 && fclose(list) == 0);
	assert_true(certificate_make_private(&files, names, 30, &error));
	loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	states = server_states_create(&error);
	assert_true(loop && states);
	if (!served_start(&present, parse(), secret, &error) || !served_go_on(&present, NULL, states, &error))
		fail_msg("%s", error.text);
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	served_finish(&present);
	server_states_destroy(states);
	loop_destroy(loop);
	scratch_folder_leave();
	return 0;
}

static void before(void *context)
{
	(void)context;
	descriptors = count_descriptors();
}

static void after(void *context)
{
	(void)context;
	assert_int_equal(count_descriptors(), descriptors);
	assert_int_equal(present.generation, SERVED_FIRST);
	assert_non_null(present.blocks[0].tls);
}

/* --- scenarios --- */

static int in_memory(const char *bytes, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	return fd;
}

static int rules_image(const struct config_server *server)
{
	struct policy policy;
	struct error error;
	int fd = in_memory("", 0);
	assert_true(server_policy_make(&policy, server, &error));
	assert_true(server_policy_write_rules(&policy.connect, fd, &error));
	policy_finish(&policy);
	return fd;
}

/* As the keeper packs it. */
static struct parcel keepers_parcel(void)
{
	struct error error;
	struct parcel parcel = { .kind = PARCEL_CONFIG, .generation = SERVED_FIRST + 1 };
	parcel.fds = calloc(served_files(present.config, false), sizeof *parcel.fds);
	parcel.fds[parcel.count++] = in_memory(text, sizeof text - 1);
	parcel.fds[parcel.count++] = tls_contents_write(present.config, &error);
	parcel.fds[parcel.count++] = rules_image(&present.config->servers[0]);
	assert_int_equal(parcel.count, served_files(present.config, false));
	return parcel;
}

static void assert_whole(const struct served *served)
{
	struct policy_facts facts = { .client = { .family = 4, .bytes = { 127, 0, 0, 9 } } };
	assert_int_equal(served->config->server_count, 2);
	assert_true(served->blocks[0].tls && served->blocks[0].proxies && !served->blocks[1].tls);
	assert_int_equal(policy_judge_connection(&served->blocks[0].policy, &facts).outcome, POLICY_REFUSE);
}

static void assert_none(const struct served *made, const struct error *error)
{
	assert_true(torture_has_failed() && error->text[0] && !made->config && !made->blocks);
}

/* What the supervisor does with the keeper's. */
static void change_over(void *keepers)
{
	const struct parcel *from = keepers;
	struct parcel parcel;
	struct error error = { "" };
	struct served made;
	if (!served_make(&made, from, false, "test.conf", secret, &error)) {
		assert_none(&made, &error);
		return;
	}
	assert_whole(&made);
	bool packed = served_go_on(&made, &present, states, &error) && served_pack(&made, from, 0, &parcel, &error);
	assert_true(packed || (torture_has_failed() && error.text[0]));
	if (packed)
		free(parcel.fds);
	served_finish(&made);
}

static void a_change_is_whole_or_none(void **state)
{
	(void)state;
	struct parcel from = keepers_parcel();
	torture_run(&(struct torture){ .before = before, .scenario = change_over, .after = after, .context = &from });
	parcel_finish(&from);
}

/* What a worker does with the supervisor's. */
static void serve(void *supervisors)
{
	struct sign_in_backends nobody = { .loop = loop };
	struct client_names names;
	struct error error = { "" };
	struct served made;
	client_names_init(&names, loop);
	if (!served_make(&made, supervisors, true, "test.conf", secret, &error)) {
		assert_none(&made, &error);
		return;
	}
	assert_whole(&made);
	assert_non_null(made.blocks[0].clients);
	struct generation *generation = generation_create(&made, false, &nobody, &names, &error);
	assert_true(generation || (torture_has_failed() && error.text[0]));
	if (generation)
		assert_true(generation->names[0] && generation->names[0] == generation->names[1]);
	generation_destroy(generation);
	assert_true(list_is_empty(&names.kinds));
}

static void a_worker_serves_it_whole_or_not(void **state)
{
	(void)state;
	struct parcel from = keepers_parcel(), parcel;
	struct error error;
	assert_true(served_pack(&present, &from, 0, &parcel, &error));
	torture_run(&(struct torture){ .before = before, .scenario = serve, .after = after, .context = &parcel });
	free(parcel.fds);
	parcel_finish(&from);
}

static void renew(void *context)
{
	const int *contents = context;
	struct error error = { "" };
	struct tls_context *had = present.blocks[0].tls;
	bool done = served_change_tls(&present, *contents, &error);
	assert_true(done || (torture_has_failed() && error.text[0] && present.blocks[0].tls == had));
	assert_true(!present.blocks[1].tls);
}

static void certificates_are_renewed_all_or_none(void **state)
{
	(void)state;
	struct error error;
	int contents = tls_contents_write(present.config, &error);
	assert_true(contents >= 0);
	torture_run(&(struct torture){ .before = before, .scenario = renew, .after = after, .context = &contents });
	close(contents);
}

static void start_first(void *context)
{
	(void)context;
	struct error error = { "" };
	struct served made;
	torture_pause();
	struct config *config = parse();
	torture_resume();
	if (!served_start(&made, config, secret, &error)) {
		assert_none(&made, &error);
		return;
	}
	assert_whole(&made);
	served_finish(&made);
}

static void the_first_is_whole_or_none(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .before = before, .scenario = start_first, .after = after });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_whole_or_none),
		cmocka_unit_test(a_worker_serves_it_whole_or_not),
		cmocka_unit_test(certificates_are_renewed_all_or_none),
		cmocka_unit_test(the_first_is_whole_or_none),
	};
	assert_true(secret_setup());
	log_configure(LOG_ERROR + 1, STDERR_FILENO);
	return cmocka_run_group_tests_name("torture served", tests, make_world, end_world);
}
