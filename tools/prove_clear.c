/* What can cross a net in the clear, passwords and mail; see prove_print.h. */
#include <stdio.h>

#include "tools/prove_print.h"

/* --- passwords --- */

static bool is_in_the_clear(const struct config_server *server, const struct config_listener *listener)
{
	return server->mechanisms && server->plaintext_sign_in && listener->mode != LISTENER_TLS;
}

/* What is heard on loopback alone does not cross a net. */
static bool crosses_a_net(const struct config_listener *listener)
{
	struct net_address address = net_address_from_socket(&listener->address);
	static const uint8_t loopback[16] = { [15] = 1 };
	return address.family == 4 ? address.bytes[0] != 127 : memcmp(address.bytes, loopback, sizeof loopback) != 0;
}

void prove_print_clear_passwords(const struct prove_subject *subject)
{
	const struct config_server *server = subject->server;
	bool any = false;
	printf("  can a password cross the net in the clear? ");
	for (size_t i = 0; i < server->listener_count; i++) {
		const struct config_listener *listener = &server->listeners[i];
		if (!is_in_the_clear(server, listener) || !crosses_a_net(listener))
			continue;
		printf("%s    on %s  (%s:%d), by auth { plaintext = yes }  (%s:%d)\n", any ? "" : "yes\n",
		       listener->text, server->file, listener->line, server->file, server->auth_line);
		puts("      C: EHLO client.example\n      C: AUTH PLAIN <the password, in base64>");
		any = true;
	}
	if (!any)
		puts("no");
}

json_t *prove_clear_passwords_json(const struct prove_subject *subject)
{
	const struct config_server *server = subject->server;
	json_t *clear = json_array();
	for (size_t i = 0; i < server->listener_count; i++)
		if (is_in_the_clear(server, &server->listeners[i]) && crosses_a_net(&server->listeners[i]))
			json_array_append_new(clear, json_pack("{s:s, s:i}", "listener", server->listeners[i].text,
							       "line", server->listeners[i].line));
	return clear;
}

/* --- mail --- */

/* Who may send without TLS to that listener, over a net; NULL: nobody. */
static const struct prove_clear *clear_mail(const struct prove_subject *subject, const struct config_listener *listener)
{
	const struct prove_clear *clear =
		listener->mode == LISTENER_STARTTLS ? &subject->report.starttls : &subject->report.plain;
	return listener->mode != LISTENER_TLS && crosses_a_net(listener) && clear->classes ? clear : NULL;
}

/* Answers the line where that is written; 0: nowhere but with the listener. */
static int clear_mail_reason(const struct config_server *server, const struct config_listener *listener, char *text,
			     size_t capacity)
{
	bool said = server->tls.require_line;
	bool plain = listener->mode == LISTENER_PLAIN;
	snprintf(text, capacity, "%s",
		 plain  ? "which has no TLS"
		 : said ? "by tls { require = no }"
			: "since auth { plaintext = yes } asks for no TLS");
	return plain ? 0 : said ? server->tls.require_line : server->auth_line;
}

static void print_clear_session(const struct prove_subject *subject, const struct prove_clear *clear,
				char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES])
{
	struct policy_case asked = { .facts = clear->facts };
	struct policy_steps steps;
	char example[NET_ADDRESS_TEXT_BYTES];
	asked.facts.name = slice_from_text(clear->name);
	policy_case_judge(&asked, subject->policy, subject->server, &subject->config->routes, "ID", &steps);
	net_address_format(&clear->facts.client, example);
	printf("      from %llu class%s of clients; here %s%s%s\n", (unsigned long long)clear->classes,
	       clear->classes == 1 ? "" : "es", example, clear->name[0] ? ", with the name " : "", clear->name);
	size_t count = prove_write_session(subject, &asked.facts, &steps, lines);
	for (size_t i = 0; i < count; i++)
		printf("      %s\n", lines[i]);
}

void prove_print_clear_mail(const struct prove_subject *subject)
{
	const struct config_server *server = subject->server;
	char lines[PROVE_SESSION_LINES][PROVE_SESSION_LINE_BYTES], why[128];
	bool any = false;
	printf("  can mail cross the net in the clear? ");
	for (size_t i = 0; i < server->listener_count; i++) {
		const struct prove_clear *clear = clear_mail(subject, &server->listeners[i]);
		int line = clear_mail_reason(server, &server->listeners[i], why, sizeof why);
		if (!clear)
			continue;
		printf("%s    on %s  (%s:%d), %s", any ? "" : "yes\n", server->listeners[i].text, server->file,
		       server->listeners[i].line, why);
		if (line)
			printf("  (%s:%d)", server->file, line);
		putchar('\n');
		print_clear_session(subject, clear, lines);
		any = true;
	}
	if (!any)
		puts("no");
}

json_t *prove_clear_mail_json(const struct prove_subject *subject)
{
	const struct config_server *server = subject->server;
	json_t *list = json_array();
	for (size_t i = 0; i < server->listener_count; i++) {
		const struct prove_clear *clear = clear_mail(subject, &server->listeners[i]);
		char example[NET_ADDRESS_TEXT_BYTES], why[128];
		int line = clear_mail_reason(server, &server->listeners[i], why, sizeof why);
		if (!clear)
			continue;
		net_address_format(&clear->facts.client, example);
		json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:i, s:I, s:s, s:s, s:b}", "listener",
						      server->listeners[i].text, "line", server->listeners[i].line,
						      "rule", why, "rule_line", line, "classes",
						      (json_int_t)clear->classes, "example", example, "name",
						      clear->name, "signed_in", (int)clear->facts.signed_in));
	}
	return list;
}
