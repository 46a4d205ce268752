/* Names of the DNS; see name.h. */
#include "core/dns/name.h"

#include "core/base/buffer.h"
#include "core/base/cursor.h"

enum {
	KIND_BITS = 0xc0, /* of a label's length */
	KIND_POINTER = 0xc0,
};

/* The root's zero needs room behind every label. */
static bool add_label(struct dns_name *name, struct slice label)
{
	if (label.size > LIMIT_DNS_LABEL_BYTES || name->size + label.size + 2 > DNS_NAME_WIRE_BYTES)
		return false;
	name->bytes[name->size++] = (uint8_t)label.size;
	for (size_t i = 0; i < label.size; i++)
		name->bytes[name->size++] = ascii_lower(label.data[i]);
	return true;
}

static void add_root(struct dns_name *name)
{
	name->bytes[name->size++] = 0;
}

/* Each pointer leads further back than the one before it, so that there is an end; that it is near is the limit's to see to. */
bool dns_name_read(struct slice message, size_t *at, struct dns_name *name)
{
	size_t part = *at, end = 0, pointers = 0;
	name->size = 0;
	if (part >= message.size)
		return false;
	struct cursor cursor = cursor_over(slice_skip(message, part));
	for (;;) {
		uint8_t length = cursor_take_u8(&cursor);
		if ((length & KIND_BITS) == KIND_POINTER) {
			size_t to = (size_t)(length & ~KIND_BITS) << 8 | cursor_take_u8(&cursor);
			if (!cursor_ok(&cursor) || to >= part || pointers++ == LIMIT_DNS_LABELS)
				return false;
			end = end ? end : message.size - cursor.rest.size;
			part = to;
			cursor = cursor_over(slice_skip(message, part));
			continue;
		}
		struct slice label = cursor_take(&cursor, length);
		if (!cursor_ok(&cursor) || (length & KIND_BITS))
			return false;
		if (length == 0)
			break;
		if (!add_label(name, label))
			return false;
	}
	add_root(name);
	*at = end ? end : message.size - cursor.rest.size;
	return true;
}

bool dns_name_from_text(struct slice text, struct dns_name *name)
{
	name->size = 0;
	while (text.size) {
		size_t dot = slice_find(text, '.');
		if (dot == 0 || !add_label(name, slice_first(text, dot)))
			return false;
		text = slice_skip(text, dot < text.size ? dot + 1 : dot);
	}
	add_root(name);
	return true;
}

static bool is_host_label(struct slice label)
{
	for (size_t i = 0; i < label.size; i++) {
		uint8_t c = label.data[i];
		bool inside = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
		bool hyphen = c == '-' && i > 0 && i + 1 < label.size;
		if (!inside && !hyphen)
			return false;
	}
	return true;
}

static bool is_number(struct slice label)
{
	for (size_t i = 0; i < label.size; i++)
		if (label.data[i] < '0' || label.data[i] > '9')
			return false;
	return true;
}

bool dns_name_to_host(const struct dns_name *name, struct dns_host *host)
{
	struct cursor cursor = cursor_over(slice_of(name->bytes, name->size));
	struct slice label = { NULL, 0 };
	struct buffer text;
	buffer_init(&text, host->text, sizeof host->text);
	for (uint8_t length; (length = cursor_take_u8(&cursor)) > 0;) {
		label = cursor_take(&cursor, length);
		if (!is_host_label(label))
			return false;
		if (text.size)
			buffer_append_byte(&text, '.');
		buffer_append(&text, label);
	}
	host->size = (uint8_t)text.size;
	buffer_append_byte(&text, 0);
	ASSERT(!text.overflow);
	return host->size > 0 && !is_number(label);
}

static void add_digit_labels(struct buffer *out, const struct net_address *address)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 16; i-- > 0;) {
		uint8_t labels[4] = { (uint8_t)digits[address->bytes[i] & 15], '.',
				      (uint8_t)digits[address->bytes[i] >> 4], '.' };
		buffer_append(out, slice_of(labels, sizeof labels));
	}
}

void dns_reverse_name(const struct net_address *address, char text[DNS_REVERSE_NAME_BYTES])
{
	struct buffer out;
	buffer_init(&out, text, DNS_REVERSE_NAME_BYTES);
	if (address->family == 6) {
		add_digit_labels(&out, address);
		buffer_append_text(&out, "ip6.arpa");
	} else {
		for (size_t i = 4; i-- > 0;) {
			buffer_append_number(&out, address->bytes[i]);
			buffer_append_byte(&out, '.');
		}
		buffer_append_text(&out, "in-addr.arpa");
	}
	buffer_append_byte(&out, 0);
	ASSERT(!out.overflow);
}
