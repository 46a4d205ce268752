/* Mail addresses and paths; see address.h.
 *
 * One small function for each rule of the grammar in RFC 5321 §4.1.2, which answers how many bytes of the text in front of
 * it the rule takes, 0 for none. No rule that is used this way matches the empty text. Lengths are judged at the end, so
 * that what is too long is told apart from what is wrong. */
#include "proto/address.h"

#include "core/base/limits.h"
#include "proto/address_literal.h"
#include "proto/utf8.h"

enum { LABEL_BYTES = 63 }; /* RFC 1035 §2.3.4 */

/* What ASCII characters are, a bit each; one look at a table, as addresses are parsed for every message. */
enum { LETTER_OR_DIGIT = 1, ATEXT = 2 };

#define LETTERS_AND_DIGITS(from, to) [(from)...(to)] = LETTER_OR_DIGIT | ATEXT
static const uint8_t classes[256] = {
	LETTERS_AND_DIGITS('a', 'z'),
	LETTERS_AND_DIGITS('A', 'Z'),
	LETTERS_AND_DIGITS('0', '9'),
	['!'] = ATEXT,
	['#'] = ATEXT,
	['$'] = ATEXT,
	['%'] = ATEXT,
	['&'] = ATEXT,
	['\''] = ATEXT,
	['*'] = ATEXT,
	['+'] = ATEXT,
	['-'] = ATEXT,
	['/'] = ATEXT,
	['='] = ATEXT,
	['?'] = ATEXT,
	['^'] = ATEXT,
	['_'] = ATEXT,
	['`'] = ATEXT,
	['{'] = ATEXT,
	['|'] = ATEXT,
	['}'] = ATEXT,
	['~'] = ATEXT,
};

/* How many characters in front are of the class. */
static size_t take_class(struct slice text, uint8_t class)
{
	size_t size = 0;
	while (size < text.size && classes[text.data[size]] & class)
		size++;
	return size;
}

static bool starts_with(struct slice text, uint8_t byte)
{
	return text.size && text.data[0] == byte;
}

/* A character beyond ASCII; these are letters everywhere in RFC 6531 §3.3. */
static size_t take_wide(struct slice text)
{
	return text.size && text.data[0] >= 0x80 ? utf8_character_size(text) : 0;
}

static bool has_wide(struct slice text)
{
	const uint64_t high_bits = 0x8080808080808080;
	uint64_t word;
	for (; text.size >= sizeof word; text = slice_skip(text, sizeof word)) {
		memcpy(&word, text.data, sizeof word);
		if (word & high_bits)
			return true;
	}
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] >= 0x80)
			return true;
	return false;
}

/* --- local parts --- */

static size_t take_atom(struct slice text)
{
	size_t taken = 0, size;
	do {
		taken += take_class(slice_skip(text, taken), ATEXT);
		size = take_wide(slice_skip(text, taken));
		taken += size;
	} while (size);
	return taken;
}

/* Parts with single dots between them; 0 when one is missing. */
static size_t take_dotted(struct slice text, size_t (*take_part)(struct slice text))
{
	struct slice rest = text;
	for (;;) {
		size_t size = take_part(rest);
		if (size == 0)
			return 0;
		rest = slice_skip(rest, size);
		if (!starts_with(rest, '.'))
			return text.size - rest.size;
		rest = slice_skip(rest, 1);
	}
}

/* QcontentSMTP: printable but for quote and backslash, or a backslash and anything printable. */
static size_t take_quoted_content(struct slice text)
{
	if (text.size == 0)
		return 0;
	uint8_t c = text.data[0];
	if (c == '\\')
		return text.size > 1 && text.data[1] >= ' ' && text.data[1] <= '~' ? 2 : 0;
	if (c >= ' ' && c <= '~')
		return c != '"';
	return take_wide(text);
}

static size_t take_quoted_string(struct slice text)
{
	if (!starts_with(text, '"'))
		return 0;
	struct slice rest = slice_skip(text, 1);
	size_t size;
	while ((size = take_quoted_content(rest)))
		rest = slice_skip(rest, size);
	return starts_with(rest, '"') ? text.size - rest.size + 1 : 0;
}

static size_t take_local_part(struct slice text)
{
	return starts_with(text, '"') ? take_quoted_string(text) : take_dotted(text, take_atom);
}

/* --- domains --- */

/* sub-domain: letters, digits, hyphens inside. The bound holds for a label in ASCII: how long one beyond it becomes there
 * is for whoever converts it. */
static size_t take_label(struct slice text)
{
	struct slice rest = text;
	size_t taken = 0;
	for (;;) {
		size_t size = take_class(rest, LETTER_OR_DIGIT); /* Let-dig, or U-label's letters */
		if (size == 0)
			size = take_wide(rest);
		bool hyphen = size == 0 && taken && starts_with(rest, '-');
		if (size == 0 && !hyphen)
			break;
		rest = slice_skip(rest, hyphen ? 1 : size);
		if (!hyphen)
			taken = text.size - rest.size;
	}
	if (taken != text.size - rest.size)
		return 0;
	return taken <= LABEL_BYTES || has_wide(slice_first(text, taken)) ? taken : 0;
}

static size_t take_literal(struct slice text)
{
	if (!starts_with(text, '['))
		return 0;
	size_t end = slice_find(text, ']');
	if (end == text.size || !address_literal_is_valid(slice_skip(slice_first(text, end), 1)))
		return 0;
	return end + 1;
}

static size_t take_domain(struct slice text)
{
	return starts_with(text, '[') ? take_literal(text) : take_dotted(text, take_label);
}

/* --- mailboxes and paths --- */

static size_t take_mailbox(struct slice text, struct address *address)
{
	size_t local = take_local_part(text);
	if (local == 0 || !starts_with(slice_skip(text, local), '@'))
		return 0;
	struct slice rest = slice_skip(text, local + 1);
	size_t domain = take_domain(rest);
	if (domain == 0)
		return 0;
	address->local = slice_first(text, local);
	address->domain = slice_first(rest, domain);
	address->text = slice_first(text, local + 1 + domain);
	address->needs_utf8 = has_wide(address->text);
	return address->text.size;
}

static enum address_status check_limits(const struct address *address, bool utf8)
{
	if (address->local.size > LIMIT_LOCAL_PART_BYTES || address->domain.size > LIMIT_DOMAIN_BYTES)
		return ADDRESS_TOO_LONG;
	return address->needs_utf8 && !utf8 ? ADDRESS_NEEDS_UTF8 : ADDRESS_OK;
}

/* "@one,@two:" in front of the mailbox (A-d-l): right, and of no use any more. False: wrong. */
static bool skip_source_route(struct slice *rest)
{
	while (starts_with(*rest, '@')) {
		*rest = slice_skip(*rest, 1);
		size_t size = take_dotted(*rest, take_label);
		if (size == 0)
			return false;
		*rest = slice_skip(*rest, size);
		bool last = starts_with(*rest, ':');
		if (!last && !starts_with(*rest, ','))
			return false;
		*rest = slice_skip(*rest, 1);
		if (last)
			return true;
		if (!starts_with(*rest, '@'))
			return false;
	}
	return true;
}

/* "<>" or "<postmaster>", where they are allowed. */
static bool take_special(struct slice inside, bool allow_null, bool allow_postmaster, struct address *address)
{
	static const struct slice postmaster = { (const uint8_t *)"postmaster", 10 };
	if (allow_null && starts_with(inside, '>'))
		return true;
	if (!allow_postmaster || inside.size <= postmaster.size || inside.data[postmaster.size] != '>' ||
	    !slice_equal_nocase(slice_first(inside, postmaster.size), postmaster))
		return false;
	address->text = address->local = slice_first(inside, postmaster.size);
	return true;
}

enum address_status address_parse_path(struct slice input, bool allow_null, bool allow_postmaster, bool utf8,
				       struct address *address, size_t *consumed)
{
	*address = (struct address){ 0 };
	*consumed = 0;
	if (!starts_with(input, '<'))
		return ADDRESS_MALFORMED;
	struct slice rest = slice_skip(input, 1);
	if (take_special(rest, allow_null, allow_postmaster, address)) {
		*consumed = address->text.size + 2;
		return ADDRESS_OK;
	}
	if (!skip_source_route(&rest))
		return ADDRESS_MALFORMED;
	size_t size = take_mailbox(rest, address);
	if (size == 0 || !starts_with(slice_skip(rest, size), '>'))
		return ADDRESS_MALFORMED;
	*consumed = input.size - rest.size + size + 1;
	if (*consumed > LIMIT_PATH_BYTES)
		return ADDRESS_TOO_LONG;
	return check_limits(address, utf8);
}

enum address_status address_parse(struct slice input, bool utf8, struct address *address)
{
	*address = (struct address){ 0 };
	size_t size = take_mailbox(input, address);
	if (size == 0 || size != input.size)
		return ADDRESS_MALFORMED;
	if (size + 2 > LIMIT_PATH_BYTES)
		return ADDRESS_TOO_LONG;
	return check_limits(address, utf8);
}

bool address_domain_is_strict(struct slice domain, bool utf8)
{
	if (domain.size == 0 || domain.size > LIMIT_DOMAIN_BYTES || (!utf8 && has_wide(domain)))
		return false;
	return take_domain(domain) == domain.size;
}

bool address_domain_is_valid(struct slice domain, bool utf8)
{
	if (domain.size == 0 || domain.size > LIMIT_DOMAIN_BYTES)
		return false;
	for (size_t i = 0; i < domain.size; i++)
		if (domain.data[i] <= ' ' || domain.data[i] == 0x7f)
			return false;
	return !has_wide(domain) || (utf8 && utf8_is_valid(domain));
}
