/* `postern cert ca`: a small private CA for a site, as a folder: ca.pem, ca.key, and what it has signed in issued/. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/certificate_issue.h"
#include "crypto/durable_file.h"
#include "tools/command_cert.h"

struct ca_paths {
	char certificate[PATH_MAX], key[PATH_MAX], issued[PATH_MAX];
};

static bool find_paths(const char *folder, struct ca_paths *paths)
{
	bool fit = snprintf(paths->certificate, PATH_MAX, "%s/ca.pem", folder) < PATH_MAX - 64 &&
		   snprintf(paths->key, PATH_MAX, "%s/ca.key", folder) < PATH_MAX &&
		   snprintf(paths->issued, PATH_MAX, "%s/issued", folder) < PATH_MAX;
	if (!fit)
		cert_complain("the folder's name is too long");
	return fit;
}

/* --- create --- */

static bool find_kind(const struct cert_request *request, enum key_kind *kind)
{
	*kind = KEY_P256;
	if (!request->key_type || key_kind_find(request->key_type, kind))
		return true;
	cert_complain("there is no key type \"%s\"; there are p256, p384, rsa2048, rsa3072, rsa4096 and ed25519",
		      request->key_type);
	return false;
}

static bool make_folders(const char *folder, const struct ca_paths *paths)
{
	if ((mkdir(folder, 0700) == 0 || errno == EEXIST) && (mkdir(paths->issued, 0700) == 0 || errno == EEXIST))
		return true;
	cert_complain("can't make the folder %s: %s", folder, strerror(errno));
	return false;
}

int cert_ca_create(void *context)
{
	const struct cert_request *request = context;
	const char *folder = request->operands.items[0];
	struct certificate_subject subject = request->subject;
	struct ca_paths paths;
	struct error error;
	enum key_kind kind;
	char host[256] = "this site", name[320];
	if (!find_kind(request, &kind) || !find_paths(folder, &paths))
		return EXIT_USAGE;
	if (!subject.common_name) {
		gethostname(host, sizeof host - 1);
		snprintf(name, sizeof name, "Private CA of %.40s", subject.organisation ? subject.organisation : host);
		subject.common_name = name;
	}
	if (!certificate_subject_check(&subject, &error)) {
		cert_complain("%s", error.text);
		return EXIT_USAGE;
	}
	unsigned days = request->days ? request->days : CERTIFICATE_CA_DAYS;
	if (!make_folders(folder, &paths))
		return EXIT_NOT_DONE;
	if (!certificate_ca_create(kind, paths.key, paths.certificate, &subject, days, &error)) {
		cert_complain("%s", error.text);
		return EXIT_NOT_DONE;
	}
	printf("certificate  %s, for clients to trust; valid for %u days\n"
	       "key          %s: whoever has it can be any server to them\n"
	       "\nNext: postern cert ca sign --ca %s REQUEST\n",
	       paths.certificate, days, paths.key, folder);
	return EXIT_DONE;
}

/* --- sign --- */

/* "mail.csr" becomes "mail.pem". */
static bool find_output(const struct cert_request *request, char output[PATH_MAX])
{
	const char *from = request->operands.items[0];
	size_t size = strlen(from);
	if (request->output)
		return snprintf(output, PATH_MAX, "%s", request->output) < PATH_MAX;
	if (size > 4 && strcmp(from + size - 4, ".csr") == 0)
		size -= 4;
	return snprintf(output, PATH_MAX, "%.*s.pem", (int)size, from) < PATH_MAX;
}

/* So that a site knows what it has signed. */
static void keep_copy(const struct ca_paths *paths, const char *certificate, const char *serial)
{
	char copy[PATH_MAX + 64];
	snprintf(copy, sizeof copy, "%s/%s.pem", paths->issued, serial);
	(void)!mkdir(paths->issued, 0700);
	FILE *from = fopen(certificate, "re");
	static char bytes[64 * 1024];
	struct error error = { "it can't be read" };
	size_t size = from ? fread(bytes, 1, sizeof bytes, from) : 0;
	if (from)
		fclose(from);
	if (size == 0 || !durable_file_write(copy, 0644, slice_of(bytes, size), DURABLE_FILE_REPLACE, &error))
		cert_complain("no copy is kept in %s: %s", copy, error.text);
}

int cert_ca_sign(void *context)
{
	const struct cert_request *request = context;
	struct ca_paths paths;
	char output[PATH_MAX], serial[CERTIFICATE_SERIAL_TEXT_BYTES];
	struct error error;
	unsigned days = request->days ? request->days : CERTIFICATE_SERVER_DAYS;
	if (!find_paths(request->ca, &paths) || !find_output(request, output))
		return EXIT_USAGE;
	if (days > CERTIFICATE_DAYS_MOST) {
		cert_complain("%u days are too many: some clients refuse more than %d", days, CERTIFICATE_DAYS_MOST);
		return EXIT_USAGE;
	}
	struct certificate_signing signing = {
		.ca_certificate_file = paths.certificate,
		.ca_key_file = paths.key,
		.request_file = request->operands.items[0],
		.certificate_file = output,
		.names = request->names.count ? request->names.items : NULL,
		.days = days,
		.for_client = request->for_client,
	};
	if (!certificate_sign(&signing, serial, &error)) {
		cert_complain("%s", error.text);
		return EXIT_NOT_DONE;
	}
	keep_copy(&paths, output, serial);
	printf("certificate  %s, with the CA's behind it; valid for %u days\nserial       %s\n", output, days, serial);
	return EXIT_DONE;
}
