/* `postern user`: who may sign in. The call and its actions; each action is in user_change.c, user_list.c,
 * user_import.c or user_test.c. */
#include "tools/command_user.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/server/data_folder.h"

void user_complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("postern user: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* --- the database --- */

/* The embedded default works in the current folder: there a wrong one is more likely than a first start. */
static bool prepare_data_folder(const struct config *config, struct error *error)
{
	struct stat status;
	if (config->built_in && stat(config->data, &status) != 0 && errno == ENOENT)
		return error_set(
			error, "there is no %s yet: start `postern serve` here first, or name a configuration with -c",
			config->data);
	struct run_as run_as;
	return run_as_find(config, &run_as, error) && data_folder_prepare(config, &run_as, error);
}

struct users *user_open(const struct user_request *request, bool writable)
{
	struct error error;
	if (!writable || prepare_data_folder(request->config, &error)) {
		struct users *users = users_open(request->database, writable, &error);
		if (users)
			return users;
	}
	user_complain("%s", error.text);
	return NULL;
}

/* --- the call --- */

static int with_config(void *context, int (*run)(void *request))
{
	struct user_request *request = context;
	if (request->ntlm && request->no_ntlm) {
		user_complain("--ntlm and --no-ntlm can't both be meant");
		return EXIT_USAGE;
	}
	if (request->no_password && (request->ntlm || request->password_stdin)) {
		user_complain("--no-password and %s can't both be meant",
			      request->ntlm ? "--ntlm" : "--password-stdin");
		return EXIT_USAGE;
	}
	struct config *config = command_load_config(request->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	char *database = command_data_path(config, "users");
	request->config = config;
	request->database = database;
	request->operand = request->operands.items[0];
	request->second = request->operands.items[1];
	int status = database ? run(request) : EXIT_NOT_DONE;
	free(database);
	config_free(config);
	return status;
}

/* Numbers of the actions, as bits. */
enum {
	ADD = 1 << 0,
	PASSWD = 1 << 1,
	LIST = 1 << 7,
	SHOW = 1 << 8,
	IMPORT = 1 << 9,
	TEST = 1 << 11,
	ALL = (1 << 12) - 1,
};

static const struct argument_action actions[] = {
	{ "add", OPERANDS_ONE, "NAME", user_add, "adds a user; asks for the password" },
	{ "passwd", OPERANDS_ONE, "NAME", user_passwd,
	  "gives a user a new password; sign-ins with the old one end at once" },
	{ "remove", OPERANDS_ONE, "NAME", user_remove, "removes a user" },
	{ "enable", OPERANDS_ONE, "NAME", user_enable, "lets a user in again who was disabled" },
	{ "disable", OPERANDS_ONE, "NAME", user_disable, "refuses a user, but keeps name and password" },
	{ "grant", OPERANDS_TWO, "NAME ADDRESS|@DOMAIN", user_grant,
	  "lets a user send as ADDRESS, or as any address of DOMAIN, beside the own name, where the server has senders "
	  "= "
	  "own" },
	{ "revoke", OPERANDS_TWO, "NAME ADDRESS|@DOMAIN", user_revoke, "takes that back" },
	{ "list", OPERANDS_MAYBE, "PATTERN", user_list,
	  "prints all names, or those like PATTERN (*@example.org), one a line" },
	{ "show", OPERANDS_ONE, "NAME", user_show, "prints what is known of a user, but no secret" },
	{ "import", OPERANDS_ONE, "FILE", user_import,
	  "adds a user for each line NAME:PASSWORD or NAME:HASH of FILE (-: standard input). Goes on behind lines that "
	  "are "
	  "wrong and tells them. A HASH is what export prints, $argon2id$..." },
	{ "export", OPERANDS_NONE, NULL, user_export,
	  "prints NAME:HASH lines with all that import needs to make the same users elsewhere, grants too; the hash of "
	  "who is disabled begins with !" },
	{ "test", OPERANDS_ONE, "NAME", user_test,
	  "asks for the password and signs in to the running server, on one listener of each server block, with each "
	  "mechanism offered; done when all that could be tried worked" },
};

#define FIELD_OF(kind, member) kind, offsetof(struct user_request, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, file), ALL, 0, 0, 0,
	  "the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), LIST | SHOW | TEST, 0, 0, 0, "one object a line" },
	{ "password-stdin", NULL, FIELD_OF(ARGUMENT_FLAG, password_stdin), ADD | PASSWD | TEST, 0, 0, 0,
	  "reads the password from standard input, one line" },
	{ "no-password", NULL, FIELD_OF(ARGUMENT_FLAG, no_password), ADD | PASSWD, 0, 0, 0,
	  "asks for none and keeps none: for who signs in by certificate, Dovecot or domain, and may be granted "
	  "addresses; no password is right" },
	{ "ntlm", NULL, FIELD_OF(ARGUMENT_FLAG, ntlm), ADD | PASSWD, 0, 0, 0,
	  "keeps an NT hash of the password too, sealed, for clients that sign in with NTLM" },
	{ "no-ntlm", NULL, FIELD_OF(ARGUMENT_FLAG, no_ntlm), PASSWD, 0, 0, 0,
	  "passwd: keeps none any more; without either it stays as it was" },
	{ "replace", NULL, FIELD_OF(ARGUMENT_FLAG, replace), IMPORT, 0, 0, 0,
	  "import: users who are there already get the new password, and what else the line tells" },
	{ "clear", NULL, FIELD_OF(ARGUMENT_FLAG, clear), IMPORT, 0, 0, 0,
	  "import: all are passwords, also what looks like a hash" },
};

static const struct argument_table table = {
	.command = "user",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct user_request, operands),
	.around = with_config,
	.before = "Shows and changes who may sign in.",
	.after =
		"Names are up to 254 bytes of UTF-8 with no blank and no colon, and found without case. The server may "
		"be "
		"running: what is changed counts at once. Of a password an argon2id hash is stored.\n\n"
		"Exit status: 0 done, 1 no such user or it did not work out, 2 the configuration or the data folder is "
		"wrong, 64 the call is.",
};

int command_user(int argc, char **argv)
{
	struct user_request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
