/* `postern cert install`: what a CA has sent, put in order, judged as clients would, and put where the configuration wants it. */
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/certificate_arrange.h"
#include "tools/command_cert.h"

struct installation {
	const struct cert_request *request;
	const struct config *config;
	const struct config_server *server;
	const struct config_certificate *target;
	const char *key_file;
	struct buffer pem;
};

/* --- where it goes --- */

static const struct config_server *find_server(const struct cert_request *request, const struct config *config)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (request->server ? strcmp(config->servers[i].name, request->server) == 0 : config->server_count == 1)
			return &config->servers[i];
	if (request->server)
		cert_complain("%s has no server block \"%s\"", config->file, request->server);
	else
		cert_complain("%s has %zu server blocks: say which with --server", config->file, config->server_count);
	return NULL;
}

static const struct config_certificate *find_target(const struct cert_request *request,
						    const struct config_server *server)
{
	for (size_t i = 0; i < server->certificate_count; i++) {
		const struct config_certificate *certificate = &server->certificates[i];
		if (request->sni ? certificate->name && strcasecmp(certificate->name, request->sni) == 0
				 : !certificate->name)
			return certificate;
	}
	if (request->sni)
		cert_complain("%s:%d: tls { … } has no sni block \"%s\"", server->file, server->line, request->sni);
	else
		cert_complain("%s:%d: server '%s' names no certificate; say where it is to be, with\n"
			      "    tls { certificate = \"/etc/postern/cert.pem\"  key = \"/etc/postern/key.pem\" }",
			      server->file, server->line, server->name);
	return NULL;
}

/* Files stay whose they are. New ones are who installs them's: the server reads them with the rights of its start. */
static struct certificate_owner find_owner(const struct installation *at)
{
	struct stat status;
	if (geteuid() != 0 || (stat(at->target->certificate, &status) != 0 && stat(at->target->key, &status) != 0))
		return (struct certificate_owner){ .known = false };
	return (struct certificate_owner){ true, status.st_uid, status.st_gid };
}

/* --- what it is --- */

static bool put_in_order(struct installation *at)
{
	const char *files[ARGUMENT_LIST_MOST + 2] = { at->request->operands.items[0] };
	struct error error;
	memcpy(files + 1, at->request->chain.items, at->request->chain.count * sizeof *files);
	struct certificate_arranging arranging = { .files = files,
						   .key_file = at->key_file,
						   .installed_file = at->target->certificate };
	if (!certificate_arrange(&arranging, &at->pem, &error)) {
		cert_complain("%s", error.text);
		if (!at->request->key_file)
			fputs("    That is the key in place. Is there a new one? Say it with --key.\n", stderr);
		return false;
	}
	if (arranging.reordered)
		puts("the certificates came in the wrong order and were put right: the server's first, then its "
		     "issuers");
	if (arranging.dropped)
		printf("left out what does not belong to the chain: %zu\n", arranging.dropped);
	if (arranging.borrowed)
		printf("issuers were missing and came from %s: %zu\n", at->target->certificate, arranging.borrowed);
	return true;
}

/* False where clients would refuse it. */
static bool judge(const struct installation *at)
{
	static struct certificate_report report;
	struct argument_list names = { .count = 0 };
	cert_host_names(at->config, at->target->certificate, &names);
	struct certificate_question question = {
		.certificate_file = at->request->operands.items[0],
		.pem = buffer_slice(&at->pem),
		.key_file = at->key_file,
		.host_names = names.items,
		.roots_file = at->request->ca,
		.unix_now = (int64_t)time(NULL),
	};
	certificate_examine(&question, &report);
	cert_print_findings(stdout, &report);
	if (certificate_worst(&report) != CERTIFICATE_FAULT)
		return true;
	if (at->request->force)
		return true;
	cert_complain("nothing is installed, since clients would refuse it; --force does it all the same");
	return false;
}

static int place(struct installation *at)
{
	struct certificate_placing placing = {
		.pem = buffer_slice(&at->pem),
		.key_file = at->key_file,
		.target_certificate = at->target->certificate,
		.target_key = at->target->key,
		.owner = find_owner(at),
	};
	struct error error;
	if (!certificate_place(&placing, &error)) {
		cert_complain("%s", error.text);
		return EXIT_NOT_DONE;
	}
	printf("certificate  %s  (server %s, %s:%d)\nkey          %s\n", at->target->certificate, at->server->name,
	       at->server->file, at->target->line, at->target->key);
	puts("A running server serves it within two seconds.");
	if (placing.kept_old_key)
		printf("old key      %s.old: remove it when the new one is served\n", at->target->key);
	return EXIT_DONE;
}

static int install(struct installation *at)
{
	static uint8_t pem[CERTIFICATE_ARRANGED_BYTES];
	buffer_init(&at->pem, pem, sizeof pem);
	at->server = find_server(at->request, at->config);
	at->target = at->server ? find_target(at->request, at->server) : NULL;
	if (!at->target)
		return EXIT_ENVIRONMENT;
	at->key_file = at->request->key_file ? at->request->key_file : at->target->key;
	return put_in_order(at) && judge(at) ? place(at) : EXIT_NOT_DONE;
}

int cert_install(void *context)
{
	struct installation at = { .request = context };
	struct config *config = command_load_config(at.request->config_file);
	if (!config)
		return EXIT_ENVIRONMENT;
	at.config = config;
	int status = install(&at);
	config_free(config);
	return status;
}
