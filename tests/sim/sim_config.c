/* See sim_config.h. */
#include "tests/sim/sim_config.h"

#include "tests/sim/failure.h"

#define LIMITS                                                                                                         \
	"limits { message_size = 1M  recipients = 30  connections = 25  errors = 12  idle = 40s  sign_in = 60s\n"      \
	"         command = 20s  session = 10min  data_rate = 100  data_grace = 10s }\n"

/* Of those that clients have, some. */
#define PROXIES "proxy_protocol = { \"10.0.0.8/29\", \"10.0.0.32/28\", \"10.0.0.96/29\", \"10.0.1.0/26\" }\n"

static const char text[] = "data = \"/data\"\n"
			   "shutdown = 20s\n"
			   "hashers = 2\n"
			   "server open {\n"
			   "    hostname = \"open.test\"\n"
			   "    listen = { \"127.0.0.1:2525 plain\" }\n"
			   "    relay { default = allow  open_relay = \"I mean it\" }\n"
			   "    received { client = show }\n" PROXIES LIMITS "}\n"
			   "server signed {\n"
			   "    hostname = \"signed.test\"\n"
			   "    listen = { \"127.0.0.1:2587 plain\" }\n"
			   "    auth { mechanisms = { \"PLAIN\", \"LOGIN\" }  plaintext = yes }\n"
			   "    relay { authenticated = allow  default = deny }\n" PROXIES LIMITS "}\n"
			   "delivery {\n"
			   "    route \"hold.test\" { hold = yes }\n"
			   "    route \"box.test\" { maildir = \"/mail/%d/%u\" }\n"
			   "}\n";

void sim_config_make(struct sim_config *made)
{
	static const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES];
	const struct server_block_parts parts = { .ticket_secret = ticket_secret, .rules_fd = -1 };
	struct config_problems problems = { 0 };
	struct error error = { "" };
	made->config = config_parse(text, "/sim.conf", &problems);
	if (!made->config || made->config->server_count != SIM_SERVERS)
		sim_fail("the configuration is wrong: %s", problems.count ? problems.list[0].text : "servers");
	config_problems_free(&problems);
	made->states = server_states_create(&error);
	if (!made->states)
		sim_fail("%s", error.text);
	for (size_t i = 0; i < SIM_SERVERS; i++)
		if (!server_block_init(&made->servers[i], &made->config->servers[i], &parts, &error))
			sim_fail("%s", error.text);
}

void sim_config_free(struct sim_config *made)
{
	for (size_t i = 0; i < SIM_SERVERS; i++)
		server_block_finish(&made->servers[i]);
	server_states_destroy(made->states);
	config_free(made->config);
}
