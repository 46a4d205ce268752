/* core/server/config: right configurations become the struct that was meant; wrong ones are told of wholly, each
 * problem with its line and what was probably meant. Read at the end: a text cut and damaged everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/server/config.h"
#include "crypto/tls.h"
#include "proto/sasl.h"

/* The one of the manual, with everything in it. */
static const char full_text[] =
	"# comments, {braces} and \"quotes in them\n"
	"data    = \"/var/lib/postern\"\n"
	"user    = \"postern\"          # dropped to\n"
	"workers = 3 hashers = 4\n"
	"loop = epoll log = warn shutdown = 10s\n"
	"/* a longer one,\n"
	"   over lines */\n"
	"server client-access {\n"
	"    hostname = \"mail.example.org\"\n"
	"    listen   = { \"0.0.0.0:587 starttls\", # all\n"
	"                 \"[::]:587 starttls\", \"0.0.0.0:465   tls\" }\n"
	"    tls    { certificate = \"tls/cert.pem\"  key = \"/etc/postern/key.pem\" min_version = 1.3\n"
	"             sni \"smtp.example.net\" { certificate = net.pem key = ./net.key } }\n"
	"    auth   { mechanisms = { \"LOGIN\" } plaintext = yes }\n"
	"    relay  { authenticated = allow  default = deny }\n"
	"    limits { message_size = 1M  recipients = 5  connections = 7  errors = 2  idle = 2min  handshake = 1500ms\n"
	"             sign_in = 61s command = 62s session = 0 data_rate = 2K data_grace = 1min\n"
	"             proxy_header = 3s }\n"
	"    received { client = hide }\n"
	"    message { bare_lf = normalise }\n"
	"    proxy_protocol = { \"10.0.0.5\", \"2001:DB8::/64\" }\n"
	"    connect { per_address = 50 per_network = 500\n"
	"              rate = \"30/min\" tarpit = 5s } quota { messages_per_hour = 10 recipients_per_day = 20 }\n"
	"}\n"
	"server second { hostname = localhost listen = \"127.0.0.1:25 plain\"\n"
	"    relay { default = allow open_relay = \"I mean it\" } }\n"
	"delivery {\n"
	"    route \"Example.ORG\" { maildir = \"/var/mail/%d/%u\" }\n"
	"    route \".example.net\" { maildir = all }\n"
	"    route \"*\"           { hold = yes }\n"
	"}\n";

static struct config *parse_right(const char *text, const char *file)
{
	struct config_problems problems = { 0 };
	struct config *config = config_parse(text, file, &problems);
	for (size_t i = 0; i < problems.count; i++)
		print_message("unexpected: %s\n", problems.list[i].text);
	assert_int_equal(problems.count, 0);
	assert_non_null(config);
	return config;
}

static void outermost_settings_are_read(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	assert_string_equal(config->file, "/etc/postern.conf");
	assert_string_equal(config->data, "/var/lib/postern");
	assert_string_equal(config->user, "postern");
	assert_int_equal(config->user_line, 3);
	assert_int_equal(config->workers, 3);
	assert_int_equal(config->hashers, 4);
	assert_int_equal(config->loop, LOOP_EPOLL);
	assert_int_equal(config->log_level, LOG_WARN);
	assert_int_equal(config->drain_ms, 10000);
	assert_int_equal(config->server_count, 2);
	assert_false(config->built_in);
	config_free(config);
}

static void server_blocks_are_read(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	const struct config_server *server = &config->servers[0];
	assert_string_equal(server->name, "client-access");
	assert_int_equal(server->line, 8);
	assert_string_equal(server->hostname, "mail.example.org");
	assert_int_equal(server->listener_count, 3);
	assert_int_equal(server->listeners[1].line, 11);
	assert_int_equal(server->listeners[1].address.ss_family, AF_INET6);
	assert_int_equal(server->listeners[2].mode, LISTENER_TLS);
	assert_int_equal(server->certificate_count, 2);
	assert_null(server->certificates[0].name);
	assert_string_equal(server->certificates[0].certificate, "/etc/tls/cert.pem");
	assert_string_equal(server->certificates[0].key, "/etc/postern/key.pem");
	assert_string_equal(server->certificates[1].name, "smtp.example.net");
	assert_string_equal(server->certificates[1].certificate, "/etc/net.pem");
	assert_string_equal(server->certificates[1].key, "/etc/net.key");
	assert_int_equal(server->certificates[1].line, 13);
	assert_int_equal(server->tls_min_version, TLS_VERSION_1_3);
	assert_int_equal(server->mechanisms, SASL_LOGIN);
	assert_true(server->plaintext_sign_in);
	assert_true(server->relay.authenticated.value);
	assert_false(server->relay.default_allow.value);
	assert_false(server->received_shows_client);
	assert_true(server->bare_lf_normalised);
	assert_true(config->servers[1].relay.default_allow.value);
	config_free(config);
}

static void access_is_read(void **state)
{
	(void)state;
	struct config *config = parse_right(
		"data = d delivery { route \"*\" { hold = yes } }\n"
		"server a { hostname = a.example listen = \"127.0.0.1:25 plain\" auth { anonymous = yes }\n"
		"connect { default = deny allow = { \"192.0.2.0/24\",\n"
		"  \"2001:db8::/32\" } deny = { Printer.example, .bad.example }\n"
		"  lists = { \"deny:lists/a\", \"allow:/b\" } unknown_name = deny per_address = 50\n"
		"  per_network = 500 rate = \"30/10min\" tarpit = 5s }\n"
		"relay { allow = { 192.0.2.7 }\n authenticated = deny }\n"
		"dns { reverse = on servers = { \"127.0.0.1:5353\", \"::1\" } timeout = 1500ms cache = 5000 } }\n",
		"/etc/postern.conf");
	const struct config_server *server = &config->servers[0];
	const struct config_connect *connect = &server->connect;
	assert_true(server->anonymous);
	assert_int_equal(connect->line, 3);
	assert_int_equal(connect->rules.count, 4);
	assert_int_equal(connect->rules.list[1].line, 4);
	assert_true(connect->rules.list[1].allow && !connect->rules.list[1].what.is_name);
	assert_int_equal(connect->rules.list[1].what.prefix.length, 32);
	assert_string_equal(connect->rules.list[2].text, "Printer.example");
	assert_false(connect->rules.list[2].what.suffix.below);
	assert_true(connect->rules.list[3].what.suffix.below);
	assert_int_equal(connect->rules.file_count, 2);
	assert_string_equal(connect->rules.files[0].path, "/etc/lists/a");
	assert_true(connect->rules.files[1].allow);
	assert_int_equal(connect->default_allow.value, false);
	assert_int_equal(connect->default_allow.line, 3);
	assert_int_equal(connect->unknown_name.value, UNKNOWN_NAME_DENY);
	assert_int_equal(connect->unknown_name.line, 5);
	assert_int_equal(connect->per_address, 50);
	assert_int_equal(connect->per_network, 500);
	assert_int_equal(connect->rate, 30);
	assert_int_equal(connect->rate_line, 6);
	assert_int_equal(connect->rate_ms, 600000);
	assert_int_equal(connect->tarpit, 5000);
	assert_int_equal(server->relay.rules.count, 1);
	assert_int_equal(server->relay.authenticated.value, false);
	assert_int_equal(server->relay.authenticated.line, 8);
	assert_int_equal(server->dns.reverse.value, REVERSE_ON);
	assert_int_equal(server->dns.server_count, 2);
	assert_int_equal(server->dns.servers[0].port, 5353);
	assert_int_equal(server->dns.servers[1].port, 53);
	assert_int_equal(server->dns.timeout_ms, 1500);
	assert_int_equal(server->dns.cache, 5000);
	config_free(config);
}

/* Field by field: the struct has holes. */
static void assert_limits_equal(const struct config_limits *a, const struct config_limits *b)
{
	assert_int_equal(a->message_size, b->message_size);
	assert_int_equal(a->recipients, b->recipients);
	assert_int_equal(a->connections, b->connections);
	assert_int_equal(a->errors, b->errors);
	assert_int_equal(a->idle, b->idle);
	assert_int_equal(a->proxy_header, b->proxy_header);
	assert_int_equal(a->handshake, b->handshake);
	assert_int_equal(a->sign_in, b->sign_in);
	assert_int_equal(a->command, b->command);
	assert_int_equal(a->session, b->session);
	assert_int_equal(a->data_rate, b->data_rate);
	assert_int_equal(a->data_grace, b->data_grace);
}

static void limits_of_clients_are_read(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	const struct config_connect *given = &config->servers[0].connect, *none = &config->servers[1].connect;
	assert_int_equal(given->per_address, 50);
	assert_int_equal(given->per_network, 500);
	assert_int_equal(given->rate, 30);
	assert_int_equal(given->rate_ms, 60000);
	assert_int_equal(given->tarpit, 5000);
	assert_int_equal(given->per_network_line, given->per_address_line);
	assert_int_equal(given->rate_line, given->per_address_line + 1);
	assert_int_equal(none->per_address + none->per_network + none->rate + none->tarpit, 0);
	config_free(config);
}

static void quotas_are_read(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	const struct quota *given = &config->servers[0].quota;
	assert_true(given->hour_messages == 10 && given->day_recipients == 20);
	assert_true(given->day_messages == 0 && given->hour_recipients == 0);
	const int *lines = config->servers[0].quota_lines;
	assert_true(lines[QUOTA_HOUR_MESSAGES] > 0 && lines[QUOTA_DAY_RECIPIENTS] >= lines[QUOTA_HOUR_MESSAGES]);
	assert_true(lines[QUOTA_DAY_MESSAGES] == 0 && lines[QUOTA_HOUR_RECIPIENTS] == 0);
	assert_false(quota_limits_anything(&config->servers[1].quota));
	config_free(config);
}

static void limits_are_read_and_have_defaults(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	const struct config_limits given = {
		.message_size = 1 << 20,
		.recipients = 5,
		.connections = 7,
		.errors = 2,
		.idle = 120000,
		.proxy_header = 3000,
		.handshake = 1500,
		.sign_in = 61000,
		.command = 62000,
		.data_rate = 2048,
		.data_grace = 60000,
	};
	assert_limits_equal(&config->servers[0].limits, &given);
	const struct config_limits defaults = {
		.message_size = 36 << 20,
		.recipients = 1000,
		.connections = 100000,
		.errors = 20,
		.idle = 300000,
		.proxy_header = 5000,
		.handshake = 30000,
		.sign_in = 60000,
		.command = 60000,
		.session = 3600000,
		.data_rate = 1024,
		.data_grace = 30000,
	};
	assert_limits_equal(&config->servers[1].limits, &defaults);
	assert_int_equal(config->servers[1].mechanisms,
			 SASL_PLAIN | SASL_LOGIN | SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS);
	config_free(config);
}

static void proxies_are_read(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	const struct config_server *server = &config->servers[0];
	char text[NET_PREFIX_TEXT_BYTES];
	assert_int_equal(server->proxy_count, 2);
	net_prefix_format(&server->proxies[0].prefix, text);
	assert_string_equal(text, "10.0.0.5");
	net_prefix_format(&server->proxies[1].prefix, text);
	assert_string_equal(text, "2001:db8::/64");
	assert_int_equal(server->proxies[1].line, 21);
	assert_int_equal(config->servers[1].proxy_count, 0);
	config_free(config);
}

static void routes_are_read(void **state)
{
	(void)state;
	struct config *config = parse_right(full_text, "/etc/postern.conf");
	const struct route *routes = config->routes.routes;
	assert_int_equal(config->routes.count, 3);
	assert_string_equal(routes[0].domain, "example.org");
	assert_string_equal(routes[0].maildir, "/var/mail/%d/%u");
	assert_int_equal(routes[0].kind, ROUTE_MAILDIR);
	assert_string_equal(routes[1].maildir, "/etc/all");
	assert_string_equal(routes[2].domain, "*");
	assert_int_equal(routes[2].kind, ROUTE_HOLD);
	assert_int_equal(routes[2].line, 30);
	assert_string_equal(routes[2].file, "/etc/postern.conf");
	config_free(config);
}

static void built_in_default_is_right(void **state)
{
	(void)state;
	struct config_problems problems = { 0 };
	struct config *config = config_default(&problems);
	assert_non_null(config);
	assert_true(config->built_in);
	assert_int_equal(config->servers[0].listener_count, 2);
	char folder[4096];
	assert_non_null(getcwd(folder, sizeof folder));
	assert_memory_equal(config->data, folder, strlen(folder));
	assert_string_equal(config->data + strlen(folder), "/postern-data");
	config_free(config);
}

/* What is put around a few wrong lines, so that nothing else is wrong. Line 1 is the server's first. */
#define SERVER(lines)                                                                                                  \
	"server a { hostname = a.example listen = \"127.0.0.1:25 plain\" auth { plaintext = yes }\n" lines "\n}\n"     \
	"data = d delivery { route \"*\" { hold = yes } }"
#define RELAY(lines)                                                                                                   \
	"server a { hostname = a.example listen = \"127.0.0.1:25 plain\"\n" lines "\n}\n"                              \
	"data = d delivery { route \"*\" { hold = yes } }"
#define ROUTES(lines)                                                                                                  \
	"data = d server a { hostname = a.example listen = \"127.0.0.1:25 plain\" auth { plaintext = yes } }\n"        \
	"delivery {\n" lines "\n}\n"
#define OUTERMOST(lines) SERVER("") "\n" lines "\n"

/* One row: a text, and all that is said of it. */
static const struct {
	const char *text;
	const char *problems;
} wrong[] = {
	/* --- nothing there --- */
	{ "", "f: no data folder; add data = \"/var/lib/postern\"\n"
	      "f: no server; add server NAME { … }\n"
	      "f: no route; add delivery { route \"*\" { … } } to say where mail goes\n" },

	/* --- names --- */
	{ SERVER("hostnam = b"), "f:2: unknown 'hostnam' in 'server a'; did you mean 'hostname'?\n"
				 "f:2: 'hostname' is given twice; first on line 1\n" },
	{ SERVER("limts { mesage_size = 3X }"),
	  "f:2: unknown 'limts' in 'server a'; did you mean 'limits'?\n"
	  "f:2: unknown 'mesage_size' in 'limits'; did you mean 'message_size'?\n"
	  "f:2: message_size = \"3X\": not a size; write bytes, or a number with K, M or G, like 36M\n" },
	{ SERVER("colour = blue\nflavour { a = 1 b { c = { 1, 2 } } }\ntaste x { y = 1 }"),
	  "f:2: unknown 'colour' in 'server a'\n"
	  "f:3: unknown 'flavour' in 'server a'\n"
	  "f:4: unknown 'taste' in 'server a'\n" },
	{ SERVER("certificate = x\nworkers = 2"),
	  "f:2: 'certificate' does not belong in 'server a'; it belongs in 'tls'\n"
	  "f:3: 'workers' does not belong in 'server a'; it belongs in 'the outermost level'\n" },
	{ SERVER("tls { }\nlisten += { \"127.0.0.1:26 plain\", bad }"),
	  "f:2: tls of server 'a' has no certificate and key\n"
	  "f:3: listen = \"bad\": a listener is written \"ADDRESS:PORT MODE\", like \"0.0.0.0:587 starttls\"\n" },
	{ OUTERMOST("worker = 2\nidle = 3s"), "f:5: unknown 'worker'; did you mean 'workers'?\n"
					      "f:6: 'idle' does not belong here; it belongs in 'limits'\n" },
	{ OUTERMOST("root { }"), "f:5: 'root' is not known here\n" },
	{ OUTERMOST("workers = 1\nworkers = 2\nserver A { }"), "f:6: 'workers' is given twice; first on line 5\n"
							       "f:7: 'server A' is given twice; first on line 1\n" },

	/* --- shapes --- */
	{ SERVER("tls = x\nreceived yes { client = show }\nmessage_size { }"),
	  "f:2: 'tls' is a block without a name: write tls { … }\n"
	  "f:3: 'received' is a block without a name: write received { … }\n"
	  "f:4: 'message_size' does not belong in 'server a'; it belongs in 'limits'\n" },
	{ OUTERMOST("user { }"), "f:5: 'user' is a value: write user = VALUE\n" },
	{ "data = d delivery { route \"*\" { hold = yes } }\nserver { }",
	  "f:2: 'server' is a block with a name: write server NAME { … }\n"
	  "f: no server; add server NAME { … }\n" },
	{ OUTERMOST("user = { a, b }\nworkers = { }"), "f:5: 'user' takes one value, not 2\n"
						       "f: 'workers' takes one value, not 0\n" },
	{ OUTERMOST("user = \"\""), "f:5: user = \"\": must not be empty\n" },

	/* --- values --- */
	{ SERVER("limits { message_size = 36X recipients = many\n errors = 0 idle = 300 }"),
	  "f:2: message_size = \"36X\": not a size; write bytes, or a number with K, M or G, like 36M\n"
	  "f:2: recipients = \"many\": must be a whole number from 1 to 50000\n"
	  "f:3: errors = \"0\": must be a whole number from 1 to 100000\n"
	  "f:3: idle = \"300\": a time needs a unit: ms, s, min, h or d, like 300s\n" },
	{ SERVER("limits { message_size = 1 idle = 2d handshake = 5mins data_rate = 5G }"),
	  "f:2: message_size = \"1\": must be from 1K to 1T\n"
	  "f:2: idle = \"2d\": must be from 1s to 1d\n"
	  "f:2: handshake = \"5mins\": not a time; write a number with ms, s, min, h or d, like 5min\n"
	  "f:2: data_rate = \"5G\": must be from 1 to 4294967295\n" },
	{ OUTERMOST("loop = io_urng log = verbose\nworkers = 99"),
	  "f:5: loop = \"io_urng\": 'io_urng' is none of auto, io_uring or epoll; did you mean 'io_uring'?\n"
	  "f:5: log = \"verbose\": 'verbose' is none of debug, info, warn or error\n"
	  "f:6: workers = \"99\": must be a whole number from 1 to 64\n" },
	{ SERVER("received { client = true } message { bare_lf = normalize }"),
	  "f:2: client = \"true\": 'true' is none of show or hide\n"
	  "f:2: bare_lf = \"normalize\": 'normalize' is none of refuse or normalise; did you mean 'normalise'?\n" },
	{ SERVER("tls { min_version = 1.1 certificate = c key = k }"),
	  "f:2: min_version = \"1.1\": '1.1' is none of 1.2 or 1.3; did you mean '1.2'?\n" },
	{ RELAY("auth { mechanisms = { PLAIN, LOGN } plaintext = yes }"),
	  "f:2: mechanisms = \"LOGN\": 'LOGN' is none of PLAIN, LOGIN, SCRAM-SHA-256, "
	  "SCRAM-SHA-256-PLUS, NTLM, EXTERNAL, OAUTHBEARER, XOAUTH2, GSSAPI, GSS-SPNEGO, CRAM-MD5, DIGEST-MD5 or "
	  "SCRAM-SHA-1; did you mean 'LOGIN'?\n" },

	/* --- listeners --- */
	{ "data = d delivery { route \"*\" { hold = yes } }\nserver a { hostname = a.example\n"
	  "listen = { \"0.0.0.0:25\",\n\"0.0.0.0:25 startls\", \n\"0.0.0.0 plain\" } }",
	  "f:3: listen = \"0.0.0.0:25\": a listener is written \"ADDRESS:PORT MODE\", like \"0.0.0.0:587 starttls\"\n"
	  "f:4: listen = \"0.0.0.0:25 startls\": 'startls' is none of starttls, tls or plain; did you mean "
	  "'starttls'?\n"
	  "f:5: listen = \"0.0.0.0 plain\": \"0.0.0.0\" has no port; write 0.0.0.0:PORT\n" },
	{ SERVER("}\nserver b { hostname = b.example listen = \"127.0.0.1:25 plain\" auth { plaintext = yes }"),
	  "f:3: listener '127.0.0.1:25 plain' is given twice; first on line 1\n" },

	/* --- proxies --- */
	{ SERVER("proxy_protocol = { \"10.0.0.5\", \"10.0.0.5/24\",\n\"10.0.0.5/32\", \"proxy.example\" }"),
	  "f:2: proxy_protocol = \"10.0.0.5/24\": \"10.0.0.5/24\" has bits set behind its length; write 10.0.0.0/24 "
	  "for "
	  "the network or 10.0.0.5 for the address\n"
	  "f:3: proxy_protocol = \"10.0.0.5/32\": is given twice; first on line 2\n"
	  "f:3: proxy_protocol = \"proxy.example\": \"proxy.example\" is not an address; write it in numbers, like "
	  "192.0.2.1 or 2001:db8::1\n" },

	/* --- limits of clients --- */
	{ SERVER("connect { per_address = 0\nper_adress = 1 rate = 30\ntarpit = 2min }"),
	  "f:2: per_address = \"0\": must be a whole number from 1 to 1000000\n"
	  "f:3: unknown 'per_adress' in 'connect'; did you mean 'per_address'?\n"
	  "f:3: 'per_address' is given twice; first on line 2\n"
	  "f:3: rate = \"30\": not a rate; write how many connections in which time, like 30/min, 500/h or 100/10min, "
	  "of at most a day\n"
	  "f:4: tarpit = \"2min\": must be from 0ms to 1min\n" },
	/* --- who may --- */
	{ SERVER("connect { allow = { \"10.0.0.5/24\", \".bad.example.\", \"b*.example\" }\n"
		 "deny = { 192.0.2.1,\n.BAD.example, \"192.0.2.1/32\" } default = denied }"),
	  "f:2: allow = \"10.0.0.5/24\": \"10.0.0.5/24\" has bits set behind its length; write 10.0.0.0/24 for the "
	  "network or 10.0.0.5 for the address\n"
	  "f:2: allow = \"b*.example\": \"b*.example\": a * is not used; write .example.com for a domain and all "
	  "below it\n"
	  "f:4: deny = \".BAD.example\": is both allowed and denied; it is allowed on line 2\n"
	  "f:4: deny = \"192.0.2.1/32\": is given twice; first on line 3\n"
	  "f:4: default = \"denied\": 'denied' is none of allow or deny\n" },
	{ SERVER("connect { lists = { \"deny:blocked\", \"block:x\", \"deny:\",\n\"deny:./blocked\" } unknown_name = "
		 "yes }"),
	  "f:2: lists = \"block:x\": a list is written \"deny:FILE\" or \"allow:FILE\", like "
	  "\"deny:/etc/postern/blocked.txt\"\n"
	  "f:2: lists = \"deny:\": a list is written \"deny:FILE\" or \"allow:FILE\", like "
	  "\"deny:/etc/postern/blocked.txt\"\n"
	  "f:3: lists = \"deny:./blocked\": this file is given twice; first on line 2\n"
	  "f:3: unknown_name = \"yes\": 'yes' is none of allow or deny\n" },
	{ SERVER("connect {\ndefault = deny deny = { 192.0.2.1 } }"),
	  "f:3: nobody may connect: connect denies everybody; add allow = { … }\n" },
	{ SERVER("dns { reverse = off servers = { \"127.0.0.1\", \"[::1]:x\", resolver } timeout = 1ms }\n"
		 "connect { deny = { .bad.example } }\nrelay { allow = { .good.example, 192.0.2.1 } }"),
	  "f:2: servers = \"[::1]:x\": \"[::1]:x\": the port is a number from 1 to 65535\n"
	  "f:2: servers = \"resolver\": \"resolver\" has no port; write resolver:PORT\n"
	  "f:2: timeout = \"1ms\": must be from 50ms to 30s\n"
	  "f:3: '.bad.example' needs the names of clients, and dns { reverse = off } on line 2 asks for none; make "
	  "that "
	  "auto\n"
	  "f:4: '.good.example' needs the names of clients, and dns { reverse = off } on line 2 asks for none; make "
	  "that "
	  "auto\n" },

	/* --- contradictions --- */
	{ "data = d delivery { route \"*\" { hold = yes } }\nserver a { }",
	  "f:2: server 'a' has no hostname; it is what clients are greeted with\n"
	  "f:2: server 'a' has no listener; add listen = { \"0.0.0.0:587 starttls\" }\n" },
	{ "data = d delivery { route \"*\" { hold = yes } }\nserver a { hostname = \"a b\" \nlisten = {\n"
	  "\"0.0.0.0:465 tls\", \"0.0.0.0:25 plain\" } }",
	  "f:2: hostname 'a b' is no domain name\n"
	  "f:4: listener '0.0.0.0:465 tls' needs a certificate; add tls { certificate = … key = … }\n"
	  "f:4: nobody can sign in on '0.0.0.0:25 plain': it has no TLS; make it starttls, or say auth { plaintext = "
	  "yes }\n" },
	{ SERVER("tls { certificate = c\n sni b.example { key = k } }"),
	  "f:2: tls of server 'a' has no key\n"
	  "f:3: sni b.example of server 'a' has no certificate\n" },
	{ SERVER("tls { }"), "f:2: tls of server 'a' has no certificate and key\n" },
	{ SERVER("relay { authenticated = deny }"),
	  "f:2: nobody may send: relay denies those who signed in and everybody else\n" },
	{ RELAY("auth { mechanisms = { } }"),
	  "f:2: nobody can sign in: auth has no mechanisms, and relay takes mail from nobody else\n" },
	{ SERVER("relay { default = allow }"),
	  "f:2: relay { default = allow } lets everybody send anywhere (an open relay); if so it shall be, add "
	  "open_relay = \"I mean it\"\n" },
	{ SERVER("relay { default = allow open_relay = yes }"),
	  "f:2: open_relay = \"yes\": there is one value for it: \"I mean it\"\n"
	  "f:2: relay { default = allow } lets everybody send anywhere (an open relay); if so it shall be, add "
	  "open_relay = \"I mean it\"\n" },

	/* --- routes --- */
	{ ROUTES("route a.example { }\nroute b.example { hold = yes maildir = m }\nroute \"c d\" { hold = yes }\n"
		 "route A.Example { hold = yes }\nroute x { maildir = \"m/%h\" }\nroute y { hold = no }"),
	  "f:3: route 'a.example' leads nowhere; say hold = yes or maildir = …\n"
	  "f:4: route 'b.example' both holds and delivers; say hold = yes or maildir = …\n"
	  "f:5: route 'c d' is no domain; write example.org, .example.org for what is below it, or * for all others\n"
	  "f:6: 'route A.Example' is given twice; first on line 3\n"
	  "f:7: maildir = \"m/%h\": behind % comes d (the domain) or u (the local part)\n"
	  "f:8: route 'y' leads nowhere; say hold = yes or maildir = …\n" },

	/* --- syntax: the first one is told, and what is wrong before it --- */
	{ "workers = 0\nserver a {\n  hostname = x", "f:2: the { on this line is not closed\n" },
	{ "data = d }", "f:1: this } closes nothing\n" },
	{ "\ndata = \"d\nuser = x", "f:2: a text that starts with \" is not closed on its line\n" },
	{ "\n/* data = \"d\nuser = x", "f:2: this comment has no end; close it with */\n" },
	{ "data = d\001", "f:1: a control character (0x01)\n" },
	{ "a { b { c { d { e { f { g { h { i { } } } } } } } } }", "f:1: blocks are nested too deeply\n" },
	{ "workrs = 0\nuser = { a b }\nhashers = 0",
	  "f:1: unknown 'workrs'; did you mean 'workers'?\n"
	  "f:1: workers = \"0\": must be a whole number from 1 to 64\n"
	  "f:2: syntax: 'b' can't stand here; is a comma, = or a value missing before it?\n" },
	{ "data = d\nuser\nworkers = 1",
	  "f:3: syntax: behind 'user' must come = VALUE, { … } or NAME { … }, the same everywhere\n" },
	{ "server x { tls { } }\nserver|tls { }", "f:2: syntax: a name can't have a | in it\n" },
	{ "\"server|tls\" { }", "f:1: syntax: no sub-section title/index for 'server'\n" },
	{ "data =", "f:1: syntax: the file ends inside a statement\n" },
	{ "data = = d", "f:1: syntax: '=' can't stand here; is a comma, = or a value missing before it?\n" },
	{ "data = \"\\1777\"", "f:1: syntax: bad escape sequence '\\1777'\n" },
};

static void wrong_configurations_are_told_of_wholly(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct config_problems problems = { 0 };
		assert_null(config_parse(wrong[i].text, "f", &problems));
		char said[4096] = "";
		size_t used = 0;
		for (size_t j = 0; j < problems.count; j++)
			used += (size_t)snprintf(said + used, sizeof said - used, "%s\n", problems.list[j].text);
		if (strcmp(said, wrong[i].problems) != 0)
			print_message("%s\n", wrong[i].text);
		assert_string_equal(said, wrong[i].problems);
		config_problems_free(&problems);
	}
}

static void problems_know_their_line_and_sentence(void **state)
{
	(void)state;
	struct config_problems problems = { 0 };
	config_problem_add(&problems, "f", 0, "whole");
	config_problem_add(&problems, "f", 12, "later %d", 2);
	config_problem_add(&problems, "f", 3, "first");
	config_problem_add(&problems, "f", 12, "after it");
	static const char *const order[] = { "f:3: first", "f:12: later 2", "f:12: after it", "f: whole" };
	assert_int_equal(problems.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(problems.list[i].text, order[i]);
	assert_string_equal(problems.list[1].text + problems.list[1].said_at, "later 2");
	assert_int_equal(problems.list[1].line, 12);
	config_problems_free(&problems);
}

/* A file as an editor crash, a disk or a cat leaves it: never a crash, and never taken for right where braces are gone. */
static void damaged_texts_are_survived(void **state)
{
	(void)state;
	static const char damage[] = "{}\"'=#,/*\n\\|$ x";
	char text[sizeof full_text];
	/* Steps that share no divisor: each kind of damage meets each part of the text. */
	for (size_t at = 0; at < sizeof full_text - 1; at += 3) {
		memcpy(text, full_text, sizeof text);
		text[at] = damage[at / 3 % sizeof damage]; /* the last one, NUL, cuts it */
		struct config_problems problems = { 0 };
		struct config *config = config_parse(text, "f", &problems);
		assert_true((config == NULL) == (problems.count > 0));
		config_free(config);
		config_problems_free(&problems);
	}
}

static void files_that_cannot_be_read_are_told_of(void **state)
{
	(void)state;
	struct config_problems problems = { 0 };
	assert_null(config_read("/nonexistent/postern.conf", &problems));
	assert_null(config_read("/", &problems));
	assert_int_equal(problems.count, 2);
	assert_string_equal(problems.list[0].text,
			    "/nonexistent/postern.conf: can't be opened: No such file or directory");
	assert_string_equal(problems.list[1].text, "/: can't be read: Is a directory");
	config_problems_free(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outermost_settings_are_read),
		cmocka_unit_test(server_blocks_are_read),
		cmocka_unit_test(limits_of_clients_are_read),
		cmocka_unit_test(access_is_read),
		cmocka_unit_test(quotas_are_read),
		cmocka_unit_test(limits_are_read_and_have_defaults),
		cmocka_unit_test(proxies_are_read),
		cmocka_unit_test(routes_are_read),
		cmocka_unit_test(built_in_default_is_right),
		cmocka_unit_test(wrong_configurations_are_told_of_wholly),
		cmocka_unit_test(problems_know_their_line_and_sentence),
		cmocka_unit_test(damaged_texts_are_survived),
		cmocka_unit_test(files_that_cannot_be_read_are_told_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
