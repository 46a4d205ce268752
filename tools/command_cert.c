/* `postern cert`: keys, requests, certificates. The call; each action is in a file of its own, cert_*.c. */
#include "tools/command_cert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/certificate_issue.h"

/* Numbers of the actions, as bits. */
enum { REQUEST = 1, SELF_SIGN = 2, CA_CREATE = 4, CA_SIGN = 8, INSTALL = 16, SHOW = 32 };

static const struct argument_action actions[] = {
	{ "request", OPERANDS_NONE, NULL, cert_request,
	  "makes a key and a request for a certificate, to be sent to a CA; on a terminal\n"
	  "it asks for what is not given" },
	{ "self-sign", OPERANDS_NONE, NULL, cert_self_sign,
	  "makes a key and a certificate that it signs itself; asks likewise" },
	{ "ca create", OPERANDS_ONE, "FOLDER", cert_ca_create,
	  "makes a private CA for a site in a new folder: ca.pem for clients, ca.key" },
	{ "ca sign", OPERANDS_ONE, "REQUEST", cert_ca_sign, "signs a request with the key of a private CA" },
	{ "install", OPERANDS_ONE, "CERTIFICATE", cert_install,
	  "checks what a CA has sent and puts it where the configuration wants it" },
	{ "show", OPERANDS_ANY, "CERTIFICATE", cert_show,
	  "tells what is served where, how long it lasts, and what clients would\n"
	  "complain of; or that of files" },
};

#define FIELD_OF(kind, member) kind, offsetof(struct cert_request, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, config_file), REQUEST | SELF_SIGN | INSTALL | SHOW, 0, 0, 0,
	  "the configuration; install and show take the embedded default\n"
	  "in ./postern-data without it, request and self-sign none" },
	{ "server", "NAME", FIELD_OF(ARGUMENT_TEXT, server), REQUEST | SELF_SIGN | INSTALL | SHOW, 0, 0, 0,
	  "the server block; it need not be said where there is one" },
	{ "sni", "NAME", FIELD_OF(ARGUMENT_TEXT, sni), INSTALL, 0, 0, 0,
	  "its certificate for this name, instead of the default one" },
	{ "name", "NAME", FIELD_OF(ARGUMENT_LIST, names), REQUEST | SELF_SIGN | CA_SIGN | SHOW, 0, 0, 0,
	  "a host name, address or mailbox that it is for; request and\n"
	  "self-sign: hostnames of the configuration unless said; ca sign:\n"
	  "instead of those in the request; show: that clients use" },
	{ "key-type", "TYPE", FIELD_OF(ARGUMENT_TEXT, key_type), REQUEST | SELF_SIGN | CA_CREATE, 0, 0, 0,
	  "p256 (unless said), p384, rsa2048, rsa3072, rsa4096, ed25519" },
	{ "key", "FILE", FIELD_OF(ARGUMENT_TEXT, key_file), REQUEST | SELF_SIGN | INSTALL, 0, 0, 0,
	  "request, self-sign: the key's file; one that is there is used\n"
	  "and never overwritten. install: the certificate's key, unless\n"
	  "it is the one in place" },
	{ "out", "FILE", FIELD_OF(ARGUMENT_TEXT, output), REQUEST | SELF_SIGN | CA_SIGN, 0, 0, 0, "the file to write" },
	{ "common-name", "TEXT", FIELD_OF(ARGUMENT_TEXT, subject.common_name), REQUEST | SELF_SIGN | CA_CREATE, 0, 0, 0,
	  "the first name unless said" },
	{ "organisation", "TEXT", FIELD_OF(ARGUMENT_TEXT, subject.organisation), REQUEST | SELF_SIGN | CA_CREATE, 0, 0,
	  0, "who runs it" },
	{ "unit", "TEXT", FIELD_OF(ARGUMENT_TEXT, subject.unit), REQUEST | SELF_SIGN | CA_CREATE, 0, 0, 0,
	  "the unit of the organisation" },
	{ "city", "TEXT", FIELD_OF(ARGUMENT_TEXT, subject.city), REQUEST | SELF_SIGN | CA_CREATE, 0, 0, 0, "the city" },
	{ "state", "TEXT", FIELD_OF(ARGUMENT_TEXT, subject.state), REQUEST | SELF_SIGN | CA_CREATE, 0, 0, 0,
	  "the state or province" },
	{ "country", "CC", FIELD_OF(ARGUMENT_TEXT, subject.country), REQUEST | SELF_SIGN | CA_CREATE, 0, 0, 0,
	  "the country, two letters" },
	{ "days", "DAYS", FIELD_OF(ARGUMENT_NUMBER, days), SELF_SIGN | CA_CREATE | CA_SIGN, 0, 1,
	  CERTIFICATE_CA_DAYS_MOST, "how long it is valid: 397, a CA 3650" },
	{ "client", NULL, FIELD_OF(ARGUMENT_FLAG, for_client), CA_SIGN, 0, 0, 0,
	  "for a client that signs in with it, not for a server" },
	{ "chain", "FILE", FIELD_OF(ARGUMENT_LIST, chain), INSTALL, 0, 0, 0,
	  "further certificates: the CA's intermediate ones" },
	{ "ca", "PATH", FIELD_OF(ARGUMENT_TEXT, ca), CA_SIGN | INSTALL | SHOW, CA_SIGN, 0, 0,
	  "ca sign: the folder of the CA. install, show: a file with the\n"
	  "CAs that clients know, instead of the system's" },
	{ "force", NULL, FIELD_OF(ARGUMENT_FLAG, force), INSTALL, 0, 0, 0,
	  "installs in spite of what clients would refuse" },
	{ "batch", NULL, FIELD_OF(ARGUMENT_FLAG, batch), REQUEST | SELF_SIGN, 0, 0, 0, "asks nothing" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), SHOW, 0, 0, 0, "one object a certificate and line" },
};

static const struct argument_table table = {
	.command = "cert",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct cert_request, operands),
	.before = "Makes keys, requests and certificates, and sees that what is served is what clients accept.",
	.after = "Keys are made with mode 0600, and none is ever overwritten.\n"
		 "\n"
		 "Exit status: 0 done, 1 clients would refuse it or it did not work out, 2 the configuration or the "
		 "machine\n"
		 "is wrong, 64 the call is.",
};

int command_cert(int argc, char **argv)
{
	struct cert_request request = { .config_file = NULL };
	return arguments_run(&table, argc, argv, &request);
}

/* --- what the actions share --- */

void cert_complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("postern cert: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

const char *cert_severity_text(enum certificate_severity severity)
{
	switch (severity) {
	case CERTIFICATE_FAULT:
		return "refused";
	case CERTIFICATE_WARNING:
		return "warning";
	case CERTIFICATE_NOTE:
		break;
	}
	return "note";
}

static void add_name(struct argument_list *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return;
	if (names->count < ARGUMENT_LIST_MOST)
		names->items[names->count++] = name;
}

void cert_host_names(const struct config *config, const char *certificate_file, struct argument_list *names)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		for (size_t j = 0; j < server->certificate_count; j++) {
			const struct config_certificate *certificate = &server->certificates[j];
			if (certificate->certificate && strcmp(certificate->certificate, certificate_file) == 0)
				add_name(names, certificate->name ? certificate->name : server->hostname);
		}
	}
}

void cert_print_findings(FILE *to, const struct certificate_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		fprintf(to, "  %-8s  %s: %s\n", cert_severity_text(report->findings[i].severity),
			report->findings[i].name, report->findings[i].text);
}
