/* `postern user`: who may sign in. The call and its actions; each action is in user_change.c, user_list.c,
 * user_import.c or user_test.c. */
#include "tools/command_user.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/server/data_folder.h"

static const char usage[] = "usage: postern user add [-c FILE] [--password-stdin] [--ntlm] NAME\n"
			    "       postern user passwd [-c FILE] [--password-stdin] [--ntlm|--no-ntlm] NAME\n"
			    "       postern user remove|enable|disable [-c FILE] NAME\n"
			    "       postern user grant|revoke [-c FILE] NAME ADDRESS|@DOMAIN\n"
			    "       postern user list [-c FILE] [--json] [PATTERN]\n"
			    "       postern user show [-c FILE] [--json] NAME\n"
			    "       postern user import [-c FILE] [--replace] [--clear] FILE\n"
			    "       postern user export [-c FILE]\n"
			    "       postern user test [-c FILE] [--json] [--password-stdin] NAME\n";

static void print_help(void)
{
	fputs(usage, stdout);
	puts("\n"
	     "add      adds a user; asks for the password\n"
	     "passwd   gives a user a new password; sign-ins with the old one end at once\n"
	     "remove   removes a user\n"
	     "disable  refuses a user, but keeps name and password; enable takes that back\n"
	     "grant    lets a user send as ADDRESS, or as any address of DOMAIN, beside the\n"
	     "         own name, where the server has senders = own; revoke takes that back\n"
	     "list     prints all names, or those like PATTERN (*@example.org), one a line\n"
	     "show     prints what is known of a user, but no secret\n"
	     "import   adds a user for each line NAME:PASSWORD or NAME:HASH of FILE (-:\n"
	     "         standard input). Goes on behind lines that are wrong and tells them. A\n"
	     "         HASH is what export prints, $argon2id$...\n"
	     "export   prints NAME:HASH lines; the hash of who is disabled begins with !\n"
	     "test     asks for the password and signs in to the running server, on one\n"
	     "         listener of each server block, with each mechanism offered; done when\n"
	     "         all that could be tried worked\n"
	     "\n"
	     "-c FILE           the configuration; without it the embedded default in\n"
	     "                  ./postern-data\n"
	     "--json            one object a line\n"
	     "--password-stdin  reads the password from standard input, one line\n"
	     "--ntlm            keeps an NT hash of the password too, sealed, for clients that\n"
	     "                  sign in with NTLM\n"
	     "--no-ntlm         passwd: keeps none any more; without either it stays as it was\n"
	     "--replace         import: users who are there already get the new password\n"
	     "--clear           import: all are passwords, also what looks like a hash\n"
	     "\n"
	     "Names are up to 254 bytes of UTF-8 with no blank and no colon, and found without\n"
	     "case. The server may be running: what is changed counts at once. Of a password\n"
	     "an argon2id hash is stored.\n"
	     "\n"
	     "Exit status: 0 done, 1 no such user or it did not work out, 2 the configuration\n"
	     "or the data folder is wrong, 64 the call is.");
}

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

enum option_bit { MAY_JSON = 1, MAY_STDIN = 2, MAY_REPLACE = 4, MAY_CLEAR = 8, MAY_NTLM = 16, MAY_NO_NTLM = 32 };

static const struct action {
	const char *name;
	int (*run)(const struct user_request *request);
	const char *operand; /* what the one behind it is; NULL: nothing */
	bool needs_operand;
	const char *second; /* what the one behind that is, which is needed then */
	unsigned options;
} actions[] = {
	{ "add", user_add, "name", true, NULL, MAY_STDIN | MAY_NTLM },
	{ "passwd", user_passwd, "name", true, NULL, MAY_STDIN | MAY_NTLM | MAY_NO_NTLM },
	{ "remove", user_remove, "name", true, NULL, 0 },
	{ "enable", user_enable, "name", true, NULL, 0 },
	{ "disable", user_disable, "name", true, NULL, 0 },
	{ "grant", user_grant, "name", true, "an address or @domain", 0 },
	{ "revoke", user_revoke, "name", true, "an address or @domain", 0 },
	{ "list", user_list, "pattern", false, NULL, MAY_JSON },
	{ "show", user_show, "name", true, NULL, MAY_JSON },
	{ "import", user_import, "file", true, NULL, MAY_REPLACE | MAY_CLEAR },
	{ "export", user_export, NULL, false, NULL, 0 },
	{ "test", user_test, "name", true, NULL, MAY_JSON | MAY_STDIN },
};

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, MAY_JSON },
	{ "password-stdin", no_argument, NULL, MAY_STDIN },
	{ "replace", no_argument, NULL, MAY_REPLACE },
	{ "clear", no_argument, NULL, MAY_CLEAR },
	{ "ntlm", no_argument, NULL, MAY_NTLM },
	{ "no-ntlm", no_argument, NULL, MAY_NO_NTLM },
	{ NULL, 0, NULL, 0 },
};

struct call {
	const struct action *action;
	const char *file;
	const char *operand;
	const char *second;
	unsigned options;
	bool help;
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(name, actions[i].name) == 0)
			return &actions[i];
	return NULL;
}

static bool parse_options(int argc, char **argv, struct call *call)
{
	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		if (option == 'c')
			call->file = optarg;
		else if (option == 'h')
			call->help = true;
		else if (option == '?')
			return false;
		else
			call->options |= (unsigned)option;
	}
	return true;
}

static bool has_sense(const struct call *call, int operands, struct error *error)
{
	const struct action *action = call->action;
	if (call->options & ~action->options) {
		for (const struct option *option = options; option->name; option++)
			if ((unsigned)option->val & call->options & ~action->options)
				return error_set(error, "%s has no --%s", action->name, option->name);
	}
	if ((call->options & MAY_NTLM) && (call->options & MAY_NO_NTLM))
		return error_set(error, "--ntlm and --no-ntlm can't both be meant");
	if (operands > 0 && !action->operand)
		return error_set(error, "%s takes nothing more", action->name);
	if (action->second && operands != 2)
		return error_set(error, "%s takes a %s and %s", action->name, action->operand, action->second);
	if (!action->second && operands > 1)
		return error_set(error, "%s takes one %s", action->name, action->operand);
	return operands > 0 || !action->needs_operand ||
	       error_set(error, "%s needs a %s", action->name, action->operand);
}

/* Options may stand anywhere: getopt moves the other words together behind them. */
static bool parse_call(int argc, char **argv, struct call *call, struct error *error)
{
	if (!parse_options(argc, argv, call))
		return error_set(error, "%s: there is no such option, or its argument is missing", argv[optind - 1]);
	if (call->help)
		return true;
	if (optind >= argc)
		return error_set(error, "what is to be done?");
	call->action = find_action(argv[optind]);
	if (!call->action)
		return error_set(error, "there is no action \"%s\"", argv[optind]);
	call->operand = argv[optind + 1];
	call->second = call->action->second && call->operand ? argv[optind + 2] : NULL;
	return has_sense(call, argc - optind - 1, error);
}

int command_user(int argc, char **argv)
{
	struct call call = { 0 };
	struct error error;
	if (!parse_call(argc, argv, &call, &error)) {
		user_complain("%s\n%s", error.text, usage);
		return EXIT_USAGE;
	}
	if (call.help) {
		print_help();
		return EXIT_DONE;
	}
	struct config *config = command_load_config(call.file);
	if (!config)
		return EXIT_ENVIRONMENT;
	char *database = command_data_path(config, "users");
	struct user_request request = {
		.config = config,
		.database = database,
		.operand = call.operand,
		.second = call.second,
		.json = call.options & MAY_JSON,
		.password_stdin = call.options & MAY_STDIN,
		.replace = call.options & MAY_REPLACE,
		.clear = call.options & MAY_CLEAR,
		.ntlm = call.options & MAY_NTLM,
		.no_ntlm = call.options & MAY_NO_NTLM,
	};
	int status = database ? call.action->run(&request) : EXIT_NOT_DONE;
	if (fflush(stdout) != 0) {
		user_complain("can't write: %s", strerror(errno));
		status = EXIT_NOT_DONE;
	}
	free(database);
	config_free(config);
	return status;
}
