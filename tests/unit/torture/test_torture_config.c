/* core/server's configuration when memory runs out: it is read whole or refused with a problem, never in part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/server/config.h"
#include "proto/sasl.h"
#include "tests/unit/torture/torture.h"

static const char good[] =
	"data = \"data\" user = \"root\" workers = 3 hashers = 2 loop = epoll log = warn shutdown = 5s\n"
	"server first {\n"
	"    hostname = \"mail.example.org\"\n"
	"    listen = { \"127.0.0.1:2587 starttls\", \"[::1]:2587 starttls\" }\n"
	"    tls { certificate = \"cert.pem\" key = \"key.pem\"\n"
	"          sni \"other.example\" { certificate = \"/a/b.pem\" key = \"/a/b.key\" } }\n"
	"    auth { mechanisms = { \"PLAIN\", \"XOAUTH2\", \"NTLM\" }\n"
	"           backend = { \"local PLAIN\", \"dovecot:/run/a XOAUTH2\", \"dovecot:[::1]:12345\" }\n"
	"           ntlm { helper = \"/bin/false\" login = \"%u@%d\" } }\n"
	"    relay { authenticated = allow default = deny allow = { 192.0.2.1, .a.example } }\n"
	"    connect { deny = { \"192.0.2.0/24\", bad.example } lists = { \"deny:list\" } rate = \"5/min\" }\n"
	"    dns { servers = { \"127.0.0.1\" } reverse = on }\n"
	"    limits { message_size = 1M recipients = 10 idle = 1min }\n"
	"}\n"
	"server second { hostname = \"b.example.org\" listen = { \"127.0.0.1:2465 plain\" }\n"
	"                auth { plaintext = yes } }\n"
	"delivery { route \"example.org\" { maildir = \"mail/%d/%u\" } route \"*\" { hold = yes } }\n";

/* Everything that is told of, in one file. */
static const char bad[] =
	"data = \"\" workrs = 3 hashers = 0 loop = eepoll\n"
	"server first {\n"
	"    listen = { \"127.0.0.1:2587 startls\", \"x\", \"127.0.0.1:1 tls\", \"127.0.0.1:1 tls\" }\n"
	"    hostname = \"a b\" hostname = \"c\"\n"
	"    tls = 3\n"
	"    auth { backend = { \"dovecot:/a\", \"dovecot:/b\", \"dovecot:x\", \"local PLAN\" } mechanisms = { \"FOO\" "
	"} }\n"
	"    connect { deny = { x.example, \"a b\" } allow = { x.example } lists = { a } rate = 5 }\n"
	"    limits { idle = 300 route = 3 message_size = 1X }\n"
	"}\n"
	"delivery { route \"*\" { maildir = \"mail\" hold = yes } route \"*\" { } unknown { a = b } }\n";

enum { GOOD_LISTENERS = 2, GOOD_SERVERS = 2, GOOD_ROUTES = 2 };

static void assert_whole(const struct config *config)
{
	assert_non_null(config->data);
	assert_string_equal(config->user, "root");
	assert_int_equal(config->server_count, GOOD_SERVERS);
	assert_string_equal(config->servers[0].name, "first");
	assert_int_equal(config->servers[0].listener_count, GOOD_LISTENERS);
	assert_int_equal(config->servers[0].certificate_count, 2);
	assert_string_equal(config->servers[0].certificates[1].name, "other.example");
	assert_string_equal(config->servers[0].certificates[1].key, "/a/b.key");
	assert_int_equal(config->servers[0].limits.recipients, 10);
	assert_int_equal(config->servers[0].backends.count, 3);
	assert_null(config_backend_of(&config->servers[0].backends, SASL_PLAIN));
	assert_string_equal(config_backend_of(&config->servers[0].backends, SASL_XOAUTH2), "/run/a");
	assert_string_equal(config_backend_of(&config->servers[0].backends, SASL_GSSAPI), "[::1]:12345");
	assert_string_equal(config->servers[0].ntlm.helper, "/bin/false");
	assert_string_equal(config->servers[0].ntlm.login, "%u@%d");
	assert_string_equal(config->servers[1].hostname, "b.example.org");
	assert_int_equal(config->routes.count, GOOD_ROUTES);
	assert_string_equal(config->routes.routes[0].domain, "example.org");
	assert_true(strstr(config->routes.routes[0].maildir, "mail/%d/%u") != NULL);
}

static void read_good(void *context)
{
	(void)context;
	struct config_problems problems = { 0 };
	struct config *config = config_parse(good, "test.conf", &problems);
	if (config) {
		torture_pause();
		assert_int_equal(problems.count, 0);
		assert_whole(config);
		torture_resume();
	} else {
		assert_true(problems.count > 0 && torture_has_failed());
		assert_true(strlen(problems.list[0].text) > 10);
	}
	config_free(config);
	config_problems_free(&problems);
}

static void a_right_one_is_whole_or_refused(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .scenario = read_good });
}

static const char small[] =
	"data = \"data\"\n"
	"server s { hostname = \"a.example\" listen = { \"127.0.0.1:1 plain\" } auth { plaintext = yes } }\n"
	"delivery { route \"*\" { hold = yes } }\n";

static void read_file(void *file)
{
	struct config_problems problems = { 0 };
	struct config *config = config_read(file, &problems);
	assert_true((config != NULL) == (problems.count == 0));
	assert_true(config || torture_has_failed());
	assert_true(!config || (config->server_count == 1 && config->routes.count == 1));
	config_free(config);
	config_problems_free(&problems);
}

static void a_file_is_read_whole_or_refused(void **state)
{
	(void)state;
	char path[] = "/tmp/postern-torture-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, small, sizeof small - 1), sizeof small - 1);
	close(fd);
	torture_run(&(struct torture){ .scenario = read_file, .context = path });
	unlink(path);
}

/* Whatever is wrong with memory, it is never taken for right. */
static void read_bad(void *context)
{
	(void)context;
	struct config_problems problems = { 0 };
	assert_null(config_parse(bad, "test.conf", &problems));
	assert_true(problems.count > 0);
	config_problems_free(&problems);
}

static void a_wrong_one_stays_wrong(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .scenario = read_bad });
}

static void read_default(void *context)
{
	(void)context;
	struct config_problems problems = { 0 };
	struct config *config = config_default(&problems);
	assert_true((config != NULL) == (problems.count == 0));
	assert_true(config || torture_has_failed());
	config_free(config);
	config_problems_free(&problems);
}

static void the_default_is_whole_or_refused(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .scenario = read_default });
}

/* What the machine lacks is told, or that memory is lacking; never "all is right". */
static void check_machine(void *checked)
{
	struct config_problems problems = { 0 };
	assert_false(config_check(checked, &problems));
	assert_true(problems.count > 0);
	config_problems_free(&problems);
}

static void what_the_machine_lacks_is_told(void **state)
{
	(void)state;
	struct config_problems problems = { 0 };
	struct config *config = config_parse(good, "test.conf", &problems);
	assert_non_null(config);
	torture_run(&(struct torture){ .scenario = check_machine, .context = config });
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_one_is_whole_or_refused), cmocka_unit_test(a_file_is_read_whole_or_refused),
		cmocka_unit_test(a_wrong_one_stays_wrong),         cmocka_unit_test(the_default_is_whole_or_refused),
		cmocka_unit_test(what_the_machine_lacks_is_told),
	};
	return cmocka_run_group_tests_name("torture config", tests, NULL, NULL);
}
