/* Contradictions and omissions; see config_rules.h. */
#include "core/server/config_rules.h"

#include <string.h>

#include "core/server/config_tls.h"
#include "proto/address.h"

static void check_hostname(const struct config_server *server, struct config_problems *problems)
{
	if (server->hostname && !server->hostname[0])
		return; /* said already */
	if (!server->hostname)
		config_problem_add(problems, server->file, server->line,
				   "server '%s' has no hostname; it is what clients are greeted with", server->name);
	else if (!address_domain_is_valid(slice_from_text(server->hostname), false))
		config_problem_add(problems, server->file, server->line, "hostname '%s' is no domain name",
				   server->hostname);
}

/* A listener that was written wrong has no address; that was said when it was read. */
static bool is_usable(const struct config_listener *listener)
{
	return listener->address_size > 0;
}

static void check_pair(const struct config_server *server, const struct config_certificate *certificate,
		       struct config_problems *problems)
{
	if (certificate->certificate && certificate->key)
		return;
	config_problem_add(problems, server->file, certificate->line, "%s%s of server '%s' has no %s",
			   certificate->name ? "sni " : "tls", certificate->name ? certificate->name : "", server->name,
			   certificate->certificate ? "key"
			   : certificate->key       ? "certificate"
						    : "certificate and key");
}

static void check_certificates(const struct config_server *server, struct config_problems *problems)
{
	for (size_t i = 0; i < server->certificate_count; i++)
		check_pair(server, &server->certificates[i], problems);
	for (size_t i = 0; i < server->listener_count && server->certificate_count == 0; i++) {
		const struct config_listener *listener = &server->listeners[i];
		if (is_usable(listener) && listener->mode != LISTENER_PLAIN)
			config_problem_add(problems, server->file, listener->line,
					   "listener '%s' needs a certificate; add tls { certificate = … key = … }",
					   listener->text);
	}
}

/* --- who may --- */

static bool has_allow(const struct config_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->list[i].allow)
			return true;
	for (size_t i = 0; i < rules->file_count; i++)
		if (rules->files[i].allow)
			return true;
	return false;
}

static bool delivers_here(const struct config *config)
{
	for (size_t i = 0; i < config->routes.count; i++)
		if (config->routes.routes[i].kind == ROUTE_MAILDIR)
			return true;
	return false;
}

/* Is there mail that is taken from somebody who has not signed in? */
static bool takes_from_outsiders(const struct config_server *server)
{
	return server->relay.default_allow.value || has_allow(&server->relay.rules) || server->anonymous;
}

static void check_sign_in(const struct config *config, const struct config_server *server,
			  struct config_problems *problems)
{
	if (takes_from_outsiders(server))
		return;
	if (!server->relay.authenticated.value && !delivers_here(config)) {
		config_problem_add(problems, server->file, server->relay.line,
				   "nobody may send: relay denies those who signed in and everybody else");
		return;
	}
	if (!server->mechanisms) {
		config_problem_add(problems, server->file, server->auth_line,
				   "nobody can sign in: auth has no mechanisms, and relay takes mail from nobody else");
		return;
	}
	for (size_t i = 0; i < server->listener_count && !server->plaintext_sign_in; i++) {
		const struct config_listener *listener = &server->listeners[i];
		if (is_usable(listener) && listener->mode == LISTENER_PLAIN)
			config_problem_add(problems, server->file, listener->line,
					   "nobody can sign in on '%s': it has no TLS; make it starttls, or say "
					   "auth { plaintext = yes }",
					   listener->text);
	}
}

static void check_open_relay(const struct config_server *server, struct config_problems *problems)
{
	if (!server->relay.default_allow.value || server->relay.open_relay_meant)
		return;
	problems->open_relays++;
	config_problem_add(problems, server->file, server->relay.line,
			   "relay { default = allow } lets everybody send anywhere (an open relay); if so it shall be, "
			   "add open_relay = \"I mean it\"");
}

static void check_connect(const struct config_server *server, struct config_problems *problems)
{
	const struct config_connect *connect = &server->connect;
	if (!connect->default_allow.value && !has_allow(&connect->rules) &&
	    connect->unknown_name.value != UNKNOWN_NAME_ALLOW)
		config_problem_add(problems, server->file, connect->default_allow.line,
				   "nobody may connect: connect denies everybody; add allow = { … }");
}

/* Rules in files are not known here. */
static void check_names(const struct config_server *server, const struct config_rules *rules,
			struct config_problems *problems)
{
	for (size_t i = 0; i < rules->count && server->dns.reverse.value == REVERSE_OFF; i++)
		if (rules->list[i].what.is_name)
			config_problem_add(problems, server->file, rules->list[i].line,
					   "'%s' needs the names of clients, and dns { reverse = off } on line %d asks "
					   "for none; make that auto",
					   rules->list[i].text, server->dns.reverse.line);
}

static void check_server(const struct config *config, const struct config_server *server,
			 struct config_problems *problems)
{
	check_hostname(server, problems);
	if (server->listener_count == 0)
		config_problem_add(problems, server->file, server->line,
				   "server '%s' has no listener; add listen = { \"0.0.0.0:587 starttls\" }",
				   server->name);
	check_certificates(server, problems);
	config_tls_check(server, problems);
	check_sign_in(config, server, problems);
	config_ntlm_check(server, problems);
	config_backends_check(server, problems);
	check_open_relay(server, problems);
	check_connect(server, problems);
	check_names(server, &server->connect.rules, problems);
	check_names(server, &server->relay.rules, problems);
}

/* --- listeners of all servers --- */

static bool is_same_address(const struct config_listener *a, const struct config_listener *b)
{
	return a->address_size > 0 && a->address_size == b->address_size &&
	       memcmp(&a->address, &b->address, a->address_size) == 0;
}

/* The listener at a place in the order of all servers, or NULL behind the last. */
static const struct config_listener *listener_at(const struct config *config, size_t place)
{
	for (size_t i = 0; i < config->server_count; i++) {
		if (place < config->servers[i].listener_count)
			return &config->servers[i].listeners[place];
		place -= config->servers[i].listener_count;
	}
	return NULL;
}

static void check_listeners(const struct config *config, struct config_problems *problems)
{
	const struct config_listener *listener, *before;
	for (size_t i = 0; i <= LIMIT_LISTENERS && (listener = listener_at(config, i)); i++) {
		if (i == LIMIT_LISTENERS)
			config_problem_add(problems, config->file, listener->line, "over %d listeners",
					   LIMIT_LISTENERS);
		for (size_t j = 0; j < i && (before = listener_at(config, j)); j++) {
			if (!is_same_address(listener, before))
				continue;
			config_problem_add(problems, config->file, listener->line,
					   "listener '%s' is given twice; first on line %d", listener->text,
					   before->line);
			break;
		}
	}
}

/* --- routes --- */

static bool is_route_domain(const char *domain)
{
	if (strcmp(domain, "*") == 0)
		return true;
	return address_domain_is_valid(slice_from_text(domain[0] == '.' ? domain + 1 : domain), true);
}

static void check_route(const struct route *route, struct config_problems *problems)
{
	if (!is_route_domain(route->domain))
		config_problem_add(problems, route->file, route->line,
				   "route '%s' is no domain; write example.org, .example.org for what is below it, "
				   "or * for all others",
				   route->domain);
	if (route->kind == ROUTE_HOLD && route->maildir)
		config_problem_add(problems, route->file, route->line,
				   "route '%s' both holds and delivers; say hold = yes or maildir = …", route->domain);
	if (route->kind == ROUTE_MAILDIR && !route->maildir)
		config_problem_add(problems, route->file, route->line,
				   "route '%s' leads nowhere; say hold = yes or maildir = …", route->domain);
}

void config_rules_check(const struct config *config, struct config_problems *problems)
{
	if (!config->data)
		config_problem_add(problems, config->file, 0, "no data folder; add data = \"/var/lib/postern\"");
	if (config->server_count == 0)
		config_problem_add(problems, config->file, 0, "no server; add server NAME { … }");
	if (config->server_count > LIMIT_SERVERS)
		config_problem_add(problems, config->file, config->servers[LIMIT_SERVERS].line, "over %d servers",
				   LIMIT_SERVERS);
	if (config->routes.count == 0)
		config_problem_add(problems, config->file, 0,
				   "no route; add delivery { route \"*\" { … } } to say where mail goes");
	for (size_t i = 0; i < config->server_count; i++)
		check_server(config, &config->servers[i], problems);
	check_listeners(config, problems);
	for (size_t i = 0; i < config->routes.count; i++)
		check_route(&config->routes.routes[i], problems);
}
