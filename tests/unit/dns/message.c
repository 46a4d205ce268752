/* DNS messages for tests; see message.h. */
#include "tests/unit/dns/message.h"

#include "core/dns/name.h"

enum { HEADER_BYTES = 12, AT_ANSWERS = 6, AT_AUTHORITIES = 8, CLASS_INTERNET = 1 };

static void add_number(struct message *message, uint32_t number, unsigned bytes)
{
	while (bytes-- > 0)
		buffer_append_byte(&message->out, (uint8_t)(number >> 8 * bytes));
}

static void add_name(struct buffer *out, const char *text)
{
	struct dns_name name;
	if (!dns_name_from_text(slice_from_text(text), &name))
		ASSERT(!"a name for a test is right");
	buffer_append(out, slice_of(name.bytes, name.size));
}

static void count_up(struct message *message, size_t at)
{
	if (++message->out.data[at + 1] == 0)
		message->out.data[at]++;
}

void message_begin(struct message *message, unsigned flags, const char *question, enum dns_type type)
{
	buffer_init(&message->out, message->bytes, sizeof message->bytes);
	add_number(message, 0x1234, 2);
	add_number(message, 0x8180 | flags, 2);
	add_number(message, 1, 2);
	while (message->out.size < HEADER_BYTES)
		add_number(message, 0, 2);
	add_name(&message->out, question);
	add_number(message, type, 2);
	add_number(message, CLASS_INTERNET, 2);
}

static void add_record(struct message *message, const char *owner, unsigned type, uint32_t ttl_s, struct slice data)
{
	add_name(&message->out, owner);
	add_number(message, type, 2);
	add_number(message, CLASS_INTERNET, 2);
	add_number(message, ttl_s, 4);
	add_number(message, (uint32_t)data.size, 2);
	buffer_append(&message->out, data);
}

void message_add(struct message *message, const char *owner, unsigned type, uint32_t ttl_s, struct slice data)
{
	add_record(message, owner, type, ttl_s, data);
	count_up(message, AT_ANSWERS);
}

void message_add_name(struct message *message, const char *owner, enum dns_type type, uint32_t ttl_s, const char *name)
{
	uint8_t bytes[DNS_NAME_WIRE_BYTES];
	struct buffer data;
	buffer_init(&data, bytes, sizeof bytes);
	add_name(&data, name);
	message_add(message, owner, type, ttl_s, buffer_slice(&data));
}

void message_add_address(struct message *message, const char *owner, uint32_t ttl_s, const char *address)
{
	struct net_address parsed;
	if (!net_address_parse(slice_from_text(address), &parsed, NULL))
		ASSERT(!"an address for a test is right");
	bool six = parsed.family == 6;
	message_add(message, owner, six ? DNS_TYPE_AAAA : DNS_TYPE_A, ttl_s, slice_of(parsed.bytes, six ? 16 : 4));
}

void message_add_start(struct message *message, const char *owner, uint32_t ttl_s, uint32_t negative_s)
{
	uint8_t bytes[64];
	struct buffer data;
	buffer_init(&data, bytes, sizeof bytes);
	add_name(&data, "ns.test");
	add_name(&data, "postmaster.test");
	for (unsigned i = 0; i < 16; i++)
		buffer_append_byte(&data, 0x11);
	for (unsigned i = 4; i-- > 0;)
		buffer_append_byte(&data, (uint8_t)(negative_s >> 8 * i));
	add_record(message, owner, DNS_TYPE_SOA, ttl_s, buffer_slice(&data));
	count_up(message, AT_AUTHORITIES);
}
