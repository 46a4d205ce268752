/* tools: `postern user` as it is called, each time in a process of its own: what it prints, its exit status, what it asks on
 * a terminal, and imports with wrong lines, passwords, hashes and all kinds of line ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pty.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/users/users.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "tests/unit/users/scratch.h"
#include "tools/command.h"

static const char config_text[] = "data = \"data\"\n"
				  "server s {\n"
				  "    hostname = \"localhost\"\n"
				  "    listen = { \"127.0.0.1:2587 starttls\" }\n"
				  "    tls { certificate = \"cert.pem\" key = \"key.pem\" }\n"
				  "}\n"
				  "delivery { route \"*\" { hold = yes } }\n";

struct fixture {
	struct scratch scratch;
	char out[65536];
	char err[65536];
};

static char hash[LIMIT_HASH_TEXT_BYTES];

static void write_file(const char *name, const char *text, size_t size)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
}

static void read_file(const char *name, char *text, size_t capacity)
{
	FILE *file = fopen(name, "r");
	assert_non_null(file);
	text[fread(text, 1, capacity - 1, file)] = 0;
	fclose(file);
}

static int set_up(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof *fixture);
	scratch_make(&fixture->scratch);
	assert_int_equal(chdir(fixture->scratch.path), 0);
	write_file("conf", config_text, sizeof config_text - 1);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(chdir("/"), 0);
	scratch_remove(&fixture->scratch);
	test_free(fixture);
	return 0;
}

/* --- calling it --- */

enum { WORDS = 12 };

static int split(char *text, char **words)
{
	int count = 0;
	for (char *rest = text, *word; (word = strsep(&rest, " "));)
		words[count++] = word;
	words[count] = NULL;
	return count;
}

static void redirect(const char *name, int flags, int to)
{
	int fd = open(name, flags, 0600);
	if (fd < 0 || dup2(fd, to) < 0)
		_exit(99);
	close(fd);
}

/* `call`: words behind `postern`, one space between them. The exit status. */
static int call_with(struct fixture *fixture, const char *call, const char *input)
{
	write_file("in", input, strlen(input));
	pid_t child = scratch_fork();
	if (child == 0) {
		char text[1024], *words[WORDS];
		setsid(); /* no terminal */
		redirect("in", O_RDONLY, 0);
		redirect("out", O_WRONLY | O_CREAT | O_TRUNC, 1);
		redirect("err", O_WRONLY | O_CREAT | O_TRUNC, 2);
		snprintf(text, sizeof text, "%s", call);
		exit(command_user(split(text, words), words)); /* with a look for leaks, where that is built in */
	}
	int status = scratch_wait(child);
	read_file("out", fixture->out, sizeof fixture->out);
	read_file("err", fixture->err, sizeof fixture->err);
	return status;
}

static int call(struct fixture *fixture, const char *text)
{
	return call_with(fixture, text, "");
}

#define ASSERT_SAID(where, what)                                                                                       \
	do {                                                                                                           \
		if (!strstr(where, what))                                                                              \
			fail_msg("\"%s\" is not in:\n%s", what, where);                                                \
	} while (0)

static bool signs_in(const char *name, const char *password)
{
	struct error error;
	struct user_record record;
	struct users *users = users_open("data/users", false, &error);
	assert_non_null(users);
	bool right = users_find(users, slice_from_text(name), &record) == USERS_OK && !record.disabled &&
		     password_verify(record.hash, slice_from_text(password)) == PASSWORD_RIGHT;
	users_close(users);
	return right;
}

static void users_are_added_changed_and_removed(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(call(fixture, "user list -c conf"), EXIT_ENVIRONMENT);
	ASSERT_SAID(fixture->err, "there is no user database in");
	assert_int_equal(call_with(fixture, "user add -c conf Alice@Example.org --password-stdin", "first one\n"), 0);
	ASSERT_SAID(fixture->out, "added Alice@Example.org\n");
	assert_true(signs_in("alice@example.org", "first one"));
	assert_int_equal(call_with(fixture, "user add -c conf alice@example.org --password-stdin", "x\n"), 1);
	ASSERT_SAID(fixture->err, "is there already; `postern user passwd");
	assert_int_equal(call_with(fixture, "user passwd --password-stdin -c conf alice@example.org", "second"), 0);
	assert_true(signs_in("alice@example.org", "second") && !signs_in("alice@example.org", "first one"));
	assert_int_equal(call(fixture, "user disable -c conf alice@example.org"), 0);
	assert_false(signs_in("alice@example.org", "second"));
	assert_int_equal(call(fixture, "user show -c conf alice@example.org"), 0);
	ASSERT_SAID(fixture->out, "name      Alice@Example.org\nstate     disabled\nchanged   20");
	ASSERT_SAID(fixture->out, "password  argon2id, 64 MiB, 2 passes, 1 lanes\n");
	assert_null(strstr(fixture->out, "$argon2id"));
	assert_int_equal(call(fixture, "user enable -c conf alice@example.org"), 0);
	assert_true(signs_in("alice@example.org", "second"));
	assert_int_equal(call(fixture, "user remove -c conf ALICE@example.org"), 0);
	assert_int_equal(call(fixture, "user list -c conf"), 0);
	assert_string_equal(fixture->out, "");
}

static void listing_is_for_people_and_programs(void **state)
{
	struct fixture *fixture = *state;
	write_file("names", "", 0);
	static const char *const names[] = { "bob", "Carol", "alice@example.org", "d\"q" };
	for (size_t i = 0; i < 4; i++) {
		char text[128];
		snprintf(text, sizeof text, "user add -c conf --password-stdin %s", names[i]);
		assert_int_equal(call_with(fixture, text, "x\n"), 0);
	}
	assert_int_equal(call(fixture, "user disable -c conf bob"), 0);
	assert_int_equal(call(fixture, "user list -c conf"), 0);
	assert_string_equal(fixture->out, "alice@example.org\nbob\nCarol\nd\"q\n");
	assert_int_equal(call(fixture, "user list -c conf c*"), 0);
	assert_string_equal(fixture->out, "Carol\n");
	assert_int_equal(call(fixture, "user list --json -c conf"), 0);
	ASSERT_SAID(fixture->out, "{\"name\":\"bob\",\"enabled\":false,\"changed\":\"20");
	ASSERT_SAID(fixture->out, "{\"name\":\"d\\\"q\",\"enabled\":true,");
	assert_int_equal(call(fixture, "user show --json -c conf carol"), 0);
	ASSERT_SAID(fixture->out, "{\"name\":\"Carol\",\"enabled\":true,");
	ASSERT_SAID(fixture->out, "\"hash\":\"argon2id\",\"memory_kib\":65536,\"passes\":2,\"lanes\":1");
}

static void who_was_meant_is_told(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(
		call_with(fixture, "user add -c conf --password-stdin maximiliane.musterfrau@example.org", "x\n"), 0);
	assert_int_equal(call_with(fixture, "user add -c conf --password-stdin bob@example.org", "x\n"), 0);
	assert_int_equal(call(fixture, "user remove -c conf Maximilian.musterfrau@example.org"), 1);
	ASSERT_SAID(fixture->err, "did you mean maximiliane.musterfrau@example.org?");
	assert_int_equal(call(fixture, "user show -c conf bbo@example.org"), 1);
	ASSERT_SAID(fixture->err, "did you mean bob@example.org?");
	assert_int_equal(call(fixture, "user show -c conf quite-another"), 1);
	ASSERT_SAID(fixture->err, "there is no user quite-another\n");
	assert_int_equal(call_with(fixture, "user passwd -c conf rob@example.org --password-stdin", "x\n"), 1);
	ASSERT_SAID(fixture->err, "did you mean bob@example.org?");
	assert_int_equal(call_with(fixture, "user add -c conf a:b --password-stdin", "x\n"), 1);
	ASSERT_SAID(fixture->err, "can't be a name");
}

static void a_password_that_is_none_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char long_password[LIMIT_PASSWORD_BYTES + 3];
	memset(long_password, 'p', sizeof long_password);
	long_password[sizeof long_password - 1] = 0;
	static const char add[] = "user add -c conf bob --password-stdin";
	assert_int_equal(call_with(fixture, add, ""), 1);
	ASSERT_SAID(fixture->err, "the password is empty");
	assert_int_equal(call_with(fixture, add, "\n"), 1);
	assert_int_equal(call_with(fixture, add, "one\ntwo\n"), 1);
	ASSERT_SAID(fixture->err, "more than one line");
	assert_int_equal(call_with(fixture, add, long_password), 1);
	ASSERT_SAID(fixture->err, "over 1024 bytes");
	assert_int_equal(call(fixture, "user add -c conf bob"), 1);
	ASSERT_SAID(fixture->err, "no terminal to ask for the password; use --password-stdin");
	assert_int_equal(call(fixture, "user list -c conf"), 0);
	assert_string_equal(fixture->out, "");
}

static void wrong_calls_are_64(void **state)
{
	struct fixture *fixture = *state;
	static const struct {
		const char *call, *said;
	} rows[] = {
		{ "user", "what is to be done?" },
		{ "user frob -c conf", "there is no action \"frob\"\n" },
		{ "user lst -c conf", "there is no action \"lst\"; did you mean list?" },
		{ "user add -c conf", "postern user: add needs NAME\n" },
		{ "user add -c conf a b", "add takes NAME; what is \"b\"?" },
		{ "user remove -c conf --json a", "remove has no --json" },
		{ "user export -c conf a", "export takes nothing more; what is \"a\"?" },
		{ "user grant -c conf a", "grant needs NAME ADDRESS|@DOMAIN\n" },
		{ "user list a b", "list takes [PATTERN]; what is \"b\"?" },
		{ "user list --frob", "--frob: there is no such option" },
		{ "user passwd --ntln a", "--ntln: there is no such option; did you mean --ntlm?" },
		{ "user list -c", "-c needs FILE behind it" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(call(fixture, rows[i].call), EXIT_USAGE);
		ASSERT_SAID(fixture->err, rows[i].said);
		ASSERT_SAID(fixture->err, "usage: postern user ");
		assert_string_equal(fixture->out, "");
	}
	assert_int_equal(call(fixture, "user passwd -c conf --ntlm --no-ntlm a"), EXIT_USAGE);
	assert_string_equal(fixture->err, "postern user: --ntlm and --no-ntlm can't both be meant\n");
	assert_int_equal(call(fixture, "user --help"), 0);
	ASSERT_SAID(fixture->out, "usage: postern user add");
	assert_int_equal(call(fixture, "user import --help"), 0);
	assert_int_equal(call(fixture, "user list -c missing"), EXIT_ENVIRONMENT);
	/* The embedded default is not begun by mistake, in some folder. */
	assert_int_equal(call_with(fixture, "user add a --password-stdin", "x\n"), EXIT_ENVIRONMENT);
	ASSERT_SAID(fixture->err, "start `postern serve` here first");
}

static void assert_owner(const char *path, const char *user)
{
	struct stat status;
	const struct passwd *entry = getpwnam(user);
	assert_non_null(entry);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, entry->pw_uid);
}

/* Before the first start and after it: what root does is the server's own. */
static void root_works_for_the_user_of_the_server(void **state)
{
	struct fixture *fixture = *state;
	char text[1024];
	if (geteuid() != 0)
		skip();
	int size = snprintf(text, sizeof text, "user = \"nobody\"\n%s", config_text);
	write_file("conf", text, (size_t)size);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(call_with(fixture, "user import -c conf -", "a:1\nb:2\n"), 0);
	static const char *const paths[] = { "data", "data/users", "data/users/data.mdb", "data/users/lock.mdb" };
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_owner(paths[i], "nobody");
	assert_int_equal(unlink("data/users/lock.mdb"), 0);
	assert_int_equal(call(fixture, "user list -c conf"), 0);
	assert_string_equal(fixture->out, "a\nb\n");
	assert_owner("data/users/lock.mdb", "nobody");
}

/* --- on a terminal --- */

/* Types the lines, each when a question (it ends in ": ") has come; answers all that the terminal showed. */
static int call_on_terminal(struct fixture *fixture, const char *text, const char *const *typed)
{
	int terminal;
	fflush(NULL);
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);
	assert_true(child >= 0);
	if (child == 0) {
		char copy[256], *words[WORDS];
		snprintf(copy, sizeof copy, "%s", text);
		int status = command_user(split(copy, words), words);
		fflush(NULL);
		_exit(status);
	}
	size_t size = 0;
	ssize_t got;
	while ((got = read(terminal, fixture->out + size, sizeof fixture->out - 1 - size)) > 0) {
		size += (size_t)got;
		fixture->out[size] = 0;
		bool asks = size >= 2 && strcmp(fixture->out + size - 2, ": ") == 0;
		if (asks && *typed) {
			assert_true(write(terminal, *typed, strlen(*typed)) > 0);
			typed++;
		}
	}
	close(terminal);
	return scratch_wait(child);
}

static void a_terminal_is_asked_twice_and_shows_nothing(void **state)
{
	struct fixture *fixture = *state;
	static const char *const same[] = { "geheim\n", "geheim\n", NULL };
	static const char *const different[] = { "geheim\n", "gehein\n", NULL };
	static const char *const given_up[] = { "geh\003", NULL };
	assert_int_equal(call_on_terminal(fixture, "user add -c conf bob", different), 1);
	ASSERT_SAID(fixture->out, "New password for bob: ");
	ASSERT_SAID(fixture->out, "the two passwords differ");
	assert_null(strstr(fixture->out, "gehei"));
	assert_int_equal(call_on_terminal(fixture, "user add -c conf bob", given_up), -1);
	assert_int_equal(call_on_terminal(fixture, "user add -c conf bob", same), 0);
	ASSERT_SAID(fixture->out, "The same again: ");
	assert_null(strstr(fixture->out, "geheim"));
	assert_true(signs_in("bob", "geheim"));
}

/* Nothing is asked, also without a terminal; a new password makes him a user like others, and can be taken away. */
static void who_signs_in_by_other_means_needs_no_password(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(call(fixture, "user add -c conf anna --no-password"), 0);
	assert_string_equal(fixture->out, "added anna\n");
	assert_int_equal(call(fixture, "user grant -c conf anna @example.org"), 0);
	assert_int_equal(call(fixture, "user show -c conf anna"), 0);
	ASSERT_SAID(fixture->out, "password  none\n");
	ASSERT_SAID(fixture->out, "grant     @example.org\n");
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	assert_string_equal(fixture->out, "anna:{POSTERN-NO-PASSWORD}:{POSTERN-GRANTS}@example.org\n");
	assert_false(signs_in("anna", ""));
	assert_int_equal(call_with(fixture, "user passwd -c conf anna --password-stdin", "some\n"), 0);
	assert_true(signs_in("anna", "some"));
	assert_int_equal(call(fixture, "user passwd -c conf anna --no-password"), 0);
	assert_string_equal(fixture->out, "took away the password of anna\n");
	assert_false(signs_in("anna", "some") || signs_in("anna", ""));
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	assert_string_equal(fixture->out, "anna:{POSTERN-NO-PASSWORD}:{POSTERN-GRANTS}@example.org\n");
	assert_int_equal(call(fixture, "user add -c conf anna --no-password"), 1);
	assert_int_equal(call(fixture, "user passwd -c conf bob --no-password"), 1);
	assert_int_equal(call(fixture, "user add -c conf bob --no-password --ntlm"), EXIT_USAGE);
	ASSERT_SAID(fixture->err, "--no-password and --ntlm can't both be meant");
	assert_int_equal(call(fixture, "user add -c conf bob --no-password --password-stdin"), EXIT_USAGE);
	ASSERT_SAID(fixture->err, "--no-password and --password-stdin can't both be meant");
}

/* --- import and export --- */

static void an_import_goes_on_behind_wrong_lines(void **state)
{
	struct fixture *fixture = *state;
	char text[2048];
	int size = snprintf(text, sizeof text,
			    "\xef\xbb\xbf"
			    "anna:secret:one\r\n"
			    "\n"
			    "no colon\n"
			    "bad name:x\n"
			    "berta:%s\n"
			    "carl:\n"
			    "dora:$6$salt$hash\n"
			    "emil:$argon2id$v=19$m=9,t=1,p=1$x\n"
			    "Berta:later\n"
			    "frida:!%s\n"
			    ":x\n"
			    "gustav:{SSHA}abc\n"
			    "last:without end",
			    hash, hash);
	write_file("users", text, (size_t)size);
	assert_int_equal(call(fixture, "user import -c conf users"), 1);
	static const char *const said[] = {
		"users:3: there is no colon",
		"users:4: what stands before the colon can't be a name",
		"users:6: carl: the password is empty",
		"users:7: what dora has looks like a hash of another kind ($6$...)",
		"users:8: emil has a damaged hash",
		"users:9: Berta is there already (--replace sets the new password)",
		"users:11: what stands before",
		"users:12: what gustav has looks like a hash of another kind ({SSHA...)",
	};
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
		ASSERT_SAID(fixture->err, said[i]);
	ASSERT_SAID(fixture->out, "imported 4 users in ");
	ASSERT_SAID(fixture->out, "; 8 lines were wrong");
	assert_true(signs_in("anna", "secret:one") && signs_in("last", "without end") && signs_in("berta", "right"));
	assert_false(signs_in("frida", "right"));
	/* The later line wins, in whatever order they were hashed. */
	assert_int_equal(call(fixture, "user import --replace -c conf users"), 1);
	assert_true(signs_in("berta", "later"));
	assert_int_equal(call_with(fixture, "user import --clear -c conf -", "dora:$6$salt$hash\n"), 0);
	ASSERT_SAID(fixture->out, "imported 1 users");
	assert_true(signs_in("dora", "$6$salt$hash"));
}

static void lines_of_any_length_are_told_apart(void **state)
{
	enum { BYTES = 200000 };
	struct fixture *fixture = *state;
	char *text = test_malloc(BYTES + 200);
	memset(text, 'x', BYTES);
	int size = snprintf(text + BYTES, 200, "\nanna:1\n");
	memcpy(text + 70000, "\nberta:", 7);
	memcpy(text + 69992, "\ncarl:2", 7);
	write_file("users", text, BYTES + (size_t)size);
	test_free(text);
	assert_int_equal(call(fixture, "user import -c conf users"), 1);
	ASSERT_SAID(fixture->err, "users:1: the line is too long");
	ASSERT_SAID(fixture->err, "users:3: the line is too long");
	ASSERT_SAID(fixture->out, "imported 2 users");
	assert_true(signs_in("anna", "1") && signs_in("carl", "2x"));
}

static void what_is_exported_can_be_imported(void **state)
{
	struct fixture *fixture = *state;
	char text[1024];
	snprintf(text, sizeof text, "a:%s\nB:%s\nc:!%s\n", hash, hash, hash);
	assert_int_equal(call_with(fixture, "user import -c conf -", text), 0);
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	snprintf(text, sizeof text, "a:%s:{POSTERN-GRANTS}\nB:%s:{POSTERN-GRANTS}\nc:!%s:{POSTERN-GRANTS}\n", hash,
		 hash, hash);
	assert_string_equal(fixture->out, text);
	scratch_remove_folder("data");
	assert_int_equal(call_with(fixture, "user import -c conf -", text), 0);
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	assert_string_equal(fixture->out, text);
	assert_true(signs_in("A", "right") && signs_in("b", "right") && !signs_in("c", "right"));
	/* Restoring over it restores the state too. */
	assert_int_equal(call(fixture, "user enable -c conf c"), 0);
	assert_int_equal(call(fixture, "user disable -c conf a"), 0);
	assert_int_equal(call_with(fixture, "user import --replace -c conf -", text), 0);
	assert_true(signs_in("a", "right") && !signs_in("c", "right"));
}

static void grants_go_with_their_user(void **state)
{
	struct fixture *fixture = *state;
	char text[2048], plain[512];
	snprintf(text, sizeof text,
		 "Alice:%s:{POSTERN-GRANTS}Sales@example.org,@example.net\n"
		 "bob:!{POSTERN-NO-PASSWORD}:{POSTERN-GRANTS}\"a%%3Ab%%2Cc\"@example.org,100%%25@example.org\n"
		 "carol:%s:{POSTERN-GRANTS}\n"
		 "dave:{POSTERN-NO-PASSWORD}:{POSTERN-GRANTS}\n",
		 hash, hash);
	assert_int_equal(call_with(fixture, "user import -c conf -", text), 0);
	assert_int_equal(call(fixture, "user show -c conf bob"), 0);
	ASSERT_SAID(fixture->out, "grant     \"a:b,c\"@example.org\ngrant     100%@example.org\n");
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	assert_string_equal(fixture->out, text);
	/* What says nothing of grants leaves them; what says that there are none takes them. */
	snprintf(plain, sizeof plain, "alice:%s\nbob:new one\n", hash);
	assert_int_equal(call_with(fixture, "user import --replace -c conf -", plain), 0);
	assert_int_equal(call(fixture, "user show -c conf alice"), 0);
	ASSERT_SAID(fixture->out, "grant     Sales@example.org\ngrant     @example.net\n");
	assert_int_equal(call(fixture, "user grant -c conf carol x@example.org"), 0);
	assert_int_equal(call_with(fixture, "user import --replace -c conf -", text), 0);
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	assert_string_equal(fixture->out, text);
	assert_true(signs_in("alice", "right") && !signs_in("dave", ""));
}

/* As many and as long as may be, and each byte of one that may be is an escape. */
static void append_longest_grants(struct buffer *text)
{
	for (int i = 0; i < LIMIT_USER_GRANTS; i++) {
		buffer_append_format(text, "%s%02d", i ? "," : "", i);
		for (int k = 0; k < 62; k++)
			buffer_append_text(text, "%25");
		buffer_append_format(text, "@%063d.%063d.%058d.xy", i, i, i);
	}
}

static void all_grants_that_may_be_fit_into_a_line(void **state)
{
	struct fixture *fixture = *state;
	static char storage[sizeof fixture->out];
	struct buffer text;
	buffer_init(&text, storage, sizeof storage - 1);
	buffer_append_format(&text, "a:%s:{POSTERN-GRANTS}", hash);
	append_longest_grants(&text);
	size_t size = text.size;
	buffer_append_text(&text, "\n");
	assert_int_equal(call_with(fixture, "user import -c conf -", storage), 0);
	assert_int_equal(call(fixture, "user export -c conf"), 0);
	assert_string_equal(fixture->out, storage);
	text.size = size;
	buffer_append_text(&text, ",@one.more\n");
	assert_false(text.overflow);
	assert_int_equal(call_with(fixture, "user import --replace -c conf -", storage), 1);
	ASSERT_SAID(fixture->err, "standard input:1: a has more than 64 grants");
}

/* So that it can be taken back. */
static void a_grant_that_stands_there_twice_is_one(void **state)
{
	struct fixture *fixture = *state;
	static const char line[] = "a:{POSTERN-NO-PASSWORD}:{POSTERN-GRANTS}@B.c,@b.C\n";
	assert_int_equal(call_with(fixture, "user import -c conf -", line), 0);
	assert_int_equal(call(fixture, "user revoke -c conf a @b.c"), 0);
	assert_int_equal(call(fixture, "user revoke -c conf a @b.c"), 1);
}

#define OUTPUT "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

static void hashes_of_other_costs_are_told_and_bounded(void **state)
{
	struct fixture *fixture = *state;
	char text[2048];
	snprintf(text, sizeof text, "a:%s\n", hash);
	assert_int_equal(call_with(fixture, "user import -c conf -", text), 0);
	assert_string_equal(fixture->err, "");
	assert_int_equal(call_with(fixture, "user import -c conf -", "b:$argon2id$v=19$m=65536,t=1,p=1" OUTPUT "\n"),
			 0);
	ASSERT_SAID(fixture->err, "hashes of 2 costs are in the database now");
	ASSERT_SAID(fixture->err, "1.5 times the usual work");
	text[0] = 0;
	for (unsigned i = 0; i < LIMIT_HASH_COSTS; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
			 "user%u:$argon2id$v=19$m=%u,t=1,p=1" OUTPUT "\n", i, 100 + i);
	assert_int_equal(call_with(fixture, "user import -c conf -", text), 1);
	ASSERT_SAID(fixture->err, ":7: the hash's memory and passes are like no other's here");
	ASSERT_SAID(fixture->err, ":8: the hash's memory");
	ASSERT_SAID(fixture->out, "imported 6 users");
	assert_int_equal(call_with(fixture, "user passwd -c conf --password-stdin b", "x\n"), 0);
}

static void many_passwords_are_hashed_side_by_side(void **state)
{
	enum { USERS = 24 };
	struct fixture *fixture = *state;
	char text[4096] = "", name[16], password[16];
	for (unsigned i = 0; i < USERS; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "user%u:password%u\nhashed%u:%s\n", i, i, i,
			 i < 4 ? hash : "clear");
	assert_int_equal(call_with(fixture, "user import -c conf -", text), 0);
	ASSERT_SAID(fixture->out, "imported 48 users");
	for (unsigned i = 0; i < USERS; i += 7) {
		snprintf(name, sizeof name, "user%u", i);
		snprintf(password, sizeof password, "password%u", i);
		assert_true(signs_in(name, password));
	}
	assert_int_equal(call(fixture, "user import -c conf missing"), 1);
	ASSERT_SAID(fixture->err, "can't read missing: No such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(users_are_added_changed_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(listing_is_for_people_and_programs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_was_meant_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_password_that_is_none_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_calls_are_64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(root_works_for_the_user_of_the_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_terminal_is_asked_twice_and_shows_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_signs_in_by_other_means_needs_no_password, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_import_goes_on_behind_wrong_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_of_any_length_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_exported_can_be_imported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(grants_go_with_their_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_grants_that_may_be_fit_into_a_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_grant_that_stands_there_twice_is_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hashes_of_other_costs_are_told_and_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_passwords_are_hashed_side_by_side, set_up, tear_down),
	};
	if (!secret_setup() || !password_hash(hash, SLICE_LITERAL("right")))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
