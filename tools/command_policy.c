/* `postern policy`: what the rules of a configuration mean, tested and compared. The call; each action is in a file of its
 * own. */

#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/policy_cases.h"
#include "tools/policy_compare.h"

struct request {
	const char *file, *server;
	bool json;
	struct argument_list operands;
};

static int run_test(void *context)
{
	const struct request *request = context;
	struct config *config = command_load_config(request->file);
	if (!config)
		return EXIT_ENVIRONMENT;
	int status = policy_cases_run(config, request->operands.items[0], request->json);
	config_free(config);
	return status;
}

static int run_diff(void *context)
{
	const struct request *request = context;
	return policy_compare_run(request->operands.items[0], request->operands.items[1], request->server,
				  request->json);
}

enum { TEST = 1, DIFF = 2 };

static const struct argument_action actions[] = {
	{ "test", OPERANDS_ONE, "CASES", run_test,
	  "judges each client of the file CASES as the server would and tells where that is not what is expected" },
	{ "diff", OPERANDS_TWO, "OLD NEW", run_diff,
	  "tells which clients are treated otherwise under the configuration NEW than under OLD: for each range of "
	  "addresses and each kind of name in which situations, what was, what is now, and by which rule" },
};

#define FIELD_OF(kind, member) kind, offsetof(struct request, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, file), TEST, 0, 0, 0,
	  "test: the configuration; without it the embedded default in ./postern-data" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), TEST | DIFF, 0, 0, 0, "one object a line" },
	{ "server", "NAME", FIELD_OF(ARGUMENT_TEXT, server), DIFF, 0, 0, 0, "diff: this server block alone" },
};

static const char after[] =
	"A line of CASES is a client's address, what is known of it, and what is expected:\n"
	"\n"
	"  192.0.2.9 -> allow\n"
	"  198.51.100.7 name=mx.bad.example from=a@b.example -> refuse 554 connection\n"
	"  203.0.113.5 tls=256 user=demo from=a@b.example to=c@d.example -> allow\n"
	"\n"
	"  name=     its confirmed host name; unknown: it has none; failed: that can't\n"
	"            be found out now. Without it nobody has asked yet\n"
	"  tls=      bits of the cipher, 0: no TLS. Without it 256 where the server has\n"
	"            TLS\n"
	"  user=     it has signed in\n"
	"  from= to= sender and recipient\n"
	"\n"
	"Behind -> allow, refuse, defer or needs-name; then, if it matters, the code of the reply; then the stage: "
	"connection, sender or recipient. Where there are several servers, a line `server NAME` says which one the "
	"lines "
	"behind it are for. # begins a comment.\n"
	"\n"
	"Exit status: 0 all is as expected, or there is no difference, 1 something is not, or there is, 2 a file can't "
	"be "
	"read, 64 the call is wrong.";

static const struct argument_table table = {
	.command = "policy",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct request, operands),
	.before = "Tests what the rules of a configuration mean, and compares it with what they meant before.",
	.after = after,
};

int command_policy(int argc, char **argv)
{
	struct request request = { 0 };
	return arguments_run(&table, argc, argv, &request);
}
