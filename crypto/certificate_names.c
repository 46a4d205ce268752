/* The names and the subject of a certificate; see certificate_parts.h and certificate_request.h. */
#include "crypto/certificate_parts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/nid.h>

#include "core/base/slice.h"

enum { DNS_NAME_MOST = 253, DNS_LABEL_MOST = 63, MAILBOX_MOST = 254 };

/* --- names --- */

static bool is_dns_label(struct slice label)
{
	if (label.size == 0 || label.size > DNS_LABEL_MOST)
		return false;
	for (size_t i = 0; i < label.size; i++) {
		uint8_t c = ascii_lower(label.data[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

static bool is_plain_dns_name(struct slice rest)
{
	if (rest.size > DNS_NAME_MOST)
		return false;
	size_t dot;
	while ((dot = slice_find(rest, '.')) < rest.size) {
		if (!is_dns_label(slice_first(rest, dot)))
			return false;
		rest = slice_skip(rest, dot + 1);
	}
	return is_dns_label(rest);
}

/* A first label of "*" is a wildcard, where another one follows. */
static bool is_dns_name(const char *text)
{
	struct slice name = slice_from_text(text);
	return is_plain_dns_name(slice_starts_with(name, SLICE_LITERAL("*.")) ? slice_skip(name, 2) : name);
}

/* What an IA5String of a certificate may hold and a login may be: printable ASCII, one @, a domain behind it. */
static bool is_mailbox(const char *text)
{
	struct slice all = slice_from_text(text);
	size_t at = slice_find(all, '@');
	if (all.size > MAILBOX_MOST || at == 0 || at == all.size || !is_plain_dns_name(slice_skip(all, at + 1)))
		return false;
	for (size_t i = 0; i < at; i++)
		if (all.data[i] <= ' ' || all.data[i] >= 0x7f)
			return false;
	return true;
}

static size_t parse_address(const char *text, uint8_t bytes[16])
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

bool certificate_name_check(const char *name, struct error *error)
{
	uint8_t address[16];
	if (parse_address(name, address) || is_dns_name(name) || is_mailbox(name))
		return true;
	return error_set(error,
			 "\"%s\" is neither a DNS name nor an address; international names are "
			 "written in their xn-- form",
			 name);
}

static bool push_name(GENERAL_NAMES *names, int type, const void *data, size_t size)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	if (!name || !value || !ASN1_STRING_set(value, data, (int)size)) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name))
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool push_text(GENERAL_NAMES *names, const char *text)
{
	uint8_t address[16];
	size_t size = parse_address(text, address);
	if (size)
		return push_name(names, GEN_IPADD, address, size);
	return push_name(names, strchr(text, '@') ? GEN_EMAIL : GEN_DNS, text, strlen(text));
}

static bool collect_names(GENERAL_NAMES *list, const char *const *names, struct error *error)
{
	for (size_t i = 0; names[i]; i++) {
		if (!certificate_name_check(names[i], error))
			return false;
		if (!push_text(list, names[i]))
			return certificate_fail(error, names[i]);
	}
	return sk_GENERAL_NAME_num(list) > 0 || error_set(error, "a certificate needs at least one name");
}

GENERAL_NAMES *certificate_names_make(const char *const *names, struct error *error)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	if (!list)
		certificate_fail(error, "certificate");
	else if (collect_names(list, names, error))
		return list;
	GENERAL_NAMES_free(list);
	return NULL;
}

/* --- subject --- */

/* In the order that names have, from the largest to the smallest; most: RFC 5280's upper bounds. */
static const struct attribute {
	int nid;
	size_t offset, most;
	const char *what;
} attributes[] = {
	{ NID_countryName, offsetof(struct certificate_subject, country), 2, "country" },
	{ NID_stateOrProvinceName, offsetof(struct certificate_subject, state), 128, "state" },
	{ NID_localityName, offsetof(struct certificate_subject, city), 128, "city" },
	{ NID_organizationName, offsetof(struct certificate_subject, organisation), 64, "organisation" },
	{ NID_organizationalUnitName, offsetof(struct certificate_subject, unit), 64, "unit" },
	{ NID_commonName, offsetof(struct certificate_subject, common_name), 64, "common name" },
};
enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static const char *value_of(const struct certificate_subject *subject, const struct attribute *attribute)
{
	const char *value = *(const char *const *)((const char *)subject + attribute->offset);
	return value ? value : "";
}

static bool is_country(const char *text)
{
	return text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z' && !text[2];
}

static bool add_attribute(X509_NAME *to, const struct attribute *attribute, const char *value, struct error *error)
{
	if (attribute->nid == NID_countryName && !is_country(value))
		return error_set(error, "the country \"%s\" must be two capital letters, like GB or JP", value);
	if (strlen(value) > attribute->most * 4)
		return error_set(error, "the %s is longer than %zu characters", attribute->what, attribute->most);
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ')
			return error_set(error, "the %s has a control character in it", attribute->what);
	if (X509_NAME_add_entry_by_NID(to, attribute->nid, MBSTRING_UTF8, (const uint8_t *)value, -1, -1, 0))
		return true;
	char what[64];
	snprintf(what, sizeof what, "the %s (at most %zu characters of UTF-8)", attribute->what, attribute->most);
	return certificate_fail(error, what);
}

bool certificate_set_subject(X509_NAME *to, const struct certificate_subject *subject, struct error *error)
{
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		const char *value = value_of(subject, &attributes[i]);
		if (*value && !add_attribute(to, &attributes[i], value, error))
			return false;
	}
	return true;
}

bool certificate_subject_check(const struct certificate_subject *subject, struct error *error)
{
	X509_NAME *name = X509_NAME_new();
	bool done = name ? certificate_set_subject(name, subject, error) : certificate_fail(error, "subject");
	X509_NAME_free(name);
	return done;
}

void certificate_name_text(const X509_NAME *name, char *text, size_t capacity)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const uint8_t *data = NULL;
	size_t size = 0;
	unsigned long flags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
	if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0 && !BIO_mem_contents(bio, &data, &size))
		size = 0;
	(void)!slice_to_text(slice_of(data, size), text, capacity);
	BIO_free(bio);
}
