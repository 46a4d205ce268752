/* Reading the name of a rule; see suffix.h. */
#include "core/base/limits.h"
#include "core/net/quote.h"
#include "core/net/suffix.h"

/* Letters, digits and hyphens are what hosts are called by; an underscore is seen in reverse zones. */
static bool is_name_byte(uint8_t byte)
{
	uint8_t c = ascii_lower(byte);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* No top-level domain is a number, so this is an address that somebody began to write (RFC 1123 §2.1). */
static bool is_number(struct slice label)
{
	uint64_t number;
	return slice_parse_number(label, UINT64_MAX, &number);
}

static bool explain_byte(uint8_t byte, const char *shown, struct error *error)
{
	if (byte >= 0x80)
		return error_set(error, "\"%s\": write an international name in ASCII, its labels as \"xn--…\"", shown);
	if (byte == '*')
		return error_set(error, "\"%s\": a * is not used; write .example.com for a domain and all below it",
				 shown);
	if (byte == '@')
		return error_set(
			error, "\"%s\": a rule names hosts, not mail addresses; leave out what is before the @", shown);
	if (byte <= ' ' || byte == 0x7f)
		return error_set(error, "\"%s\": a name has no blanks or controls in it; take them out", shown);
	return error_set(error, "\"%s\": '%c' is not part of a name; it has letters, digits, hyphens and dots", shown,
			 byte);
}

static bool check_label(struct slice label, const char *shown, struct error *error)
{
	if (label.size == 0)
		return error_set(error, "\"%s\" has two dots side by side; write one", shown);
	if (label.size > LIMIT_DNS_LABEL_BYTES)
		return error_set(error, "\"%s\": what stands between two dots is at most %d bytes long", shown,
				 LIMIT_DNS_LABEL_BYTES);
	return true;
}

static bool check_name(struct slice name, const char *shown, struct error *error)
{
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] != '.' && !is_name_byte(name.data[i]))
			return explain_byte(name.data[i], shown, error);
	struct slice label = { NULL, 0 };
	for (bool more = true; more;) {
		size_t dot = slice_find(name, '.');
		label = slice_first(name, dot);
		more = dot < name.size;
		name = slice_skip(name, more ? dot + 1 : dot);
		if (!check_label(label, shown, error))
			return false;
	}
	if (is_number(label))
		return error_set(error, "\"%s\" is neither a name nor an address; an address is written like 192.0.2.1",
				 shown);
	return true;
}

bool suffix_parse(struct slice text, struct suffix *suffix, struct error *error)
{
	char shown[NET_QUOTE_BYTES];
	struct slice name = text;
	net_quote(text, shown);
	suffix->below = name.size > 0 && name.data[0] == '.';
	if (suffix->below)
		name = slice_skip(name, 1);
	if (name.size > 1 && name.data[name.size - 1] == '.')
		name.size--;
	if (name.size == 0)
		return error_set(error, "\"%s\" holds no name; write host.example for a host, .example for a domain",
				 shown);
	if (name.size > LIMIT_DNS_NAME_BYTES)
		return error_set(error, "\"%s\": a name is at most %d bytes long", shown, LIMIT_DNS_NAME_BYTES);
	suffix->name = name;
	return check_name(name, shown, error);
}
