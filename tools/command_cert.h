/* What the actions of `postern cert` share: the call, and talking about it. */
#ifndef POSTERN_TOOLS_COMMAND_CERT_H
#define POSTERN_TOOLS_COMMAND_CERT_H

#include "crypto/certificate_examine.h"
#include "crypto/certificate_request.h"
#include "tools/arguments.h"
#include "tools/command.h"

struct cert_request {
	const char *config_file, *server, *sni;
	const char *key_type, *key_file, *output;
	struct certificate_subject subject;
	struct argument_list names, chain, operands;
	unsigned days; /* 0: the usual ones */
	const char *ca;
	bool json, batch, force, for_client;
};

int cert_request(void *request);
int cert_self_sign(void *request);
int cert_ca_create(void *request);
int cert_ca_sign(void *request);
int cert_install(void *request);
int cert_show(void *request);

/* On standard error. */
void cert_complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* "refused", "warning" or "note". */
const char *cert_severity_text(enum certificate_severity severity);

/* Host names that clients use for what this file certifies: the blocks' hostnames and the names of their `sni` blocks that name it.
 * NULL-ended in `names`; the texts are the configuration's. */
void cert_host_names(const struct config *config, const char *certificate_file, struct argument_list *names);

/* The findings, one a line. */
void cert_print_findings(FILE *to, const struct certificate_report *report);

#endif
