/* Reading a DNS message; see answer.h. */
#include "core/dns/answer.h"

#include "core/base/cursor.h"

enum {
	HEADER_BYTES = 12,
	FLAG_RESPONSE = 0x8000,
	FLAG_TRUNCATED = 0x0200,
	RCODE_BITS = 0x000f,
	RCODE_NO_ERROR = 0,
	RCODE_NO_NAME = 3,
	CLASS_INTERNET = 1,
	SOA_NUMBERS_BYTES = 20, /* behind its two names; the last four are for negative answers */
};

struct record {
	uint16_t type;
	uint32_t ttl_s;
	size_t owner, data; /* where in the message */
	uint16_t data_size;
};

struct answer {
	struct slice message;
	struct record records[LIMIT_DNS_RECORDS];
	size_t count;
	size_t at; /* in the message, behind what was read */
	unsigned answers, authorities;
	unsigned rcode;
	struct dns_name name; /* the question's, then what it is an alias of */
	uint32_t ttl_s;
};

/* RFC 2181 §8: with the highest bit set it counts as zero. */
static uint32_t sane_ttl(uint32_t ttl_s)
{
	return ttl_s > INT32_MAX ? 0 : ttl_s;
}

static bool read_header(struct answer *answer)
{
	struct cursor cursor = cursor_over(answer->message);
	cursor_take(&cursor, 2);
	unsigned flags = (unsigned)cursor_take_be(&cursor, 2);
	unsigned questions = (unsigned)cursor_take_be(&cursor, 2);
	answer->answers = (unsigned)cursor_take_be(&cursor, 2);
	answer->authorities = (unsigned)cursor_take_be(&cursor, 2);
	cursor_take(&cursor, 2);
	answer->rcode = flags & RCODE_BITS;
	answer->at = HEADER_BYTES;
	return cursor_ok(&cursor) && flags & FLAG_RESPONSE && !(flags & FLAG_TRUNCATED) && questions == 1 &&
	       (answer->rcode == RCODE_NO_ERROR || answer->rcode == RCODE_NO_NAME);
}

/* That it is the one that was asked is the resolver's to see to, which compares it before it takes a message. */
static bool skip_question(struct answer *answer)
{
	struct dns_name name;
	enum { TYPE_AND_CLASS_BYTES = 4 };
	if (!dns_name_read(answer->message, &answer->at, &name) ||
	    answer->message.size - answer->at < TYPE_AND_CLASS_BYTES)
		return false;
	answer->at += TYPE_AND_CLASS_BYTES;
	return true;
}

static bool read_record(struct answer *answer, struct record *record)
{
	struct dns_name owner;
	record->owner = answer->at;
	if (!dns_name_read(answer->message, &answer->at, &owner))
		return false;
	struct cursor cursor = cursor_over(slice_skip(answer->message, answer->at));
	record->type = (uint16_t)cursor_take_be(&cursor, 2);
	unsigned class = (unsigned)cursor_take_be(&cursor, 2);
	record->ttl_s = sane_ttl((uint32_t)cursor_take_be(&cursor, 4));
	record->data_size = (uint16_t)cursor_take_be(&cursor, 2);
	record->data = answer->message.size - cursor.rest.size;
	cursor_take(&cursor, record->data_size);
	answer->at = answer->message.size - cursor.rest.size;
	if (class != CLASS_INTERNET)
		record->type = 0;
	return cursor_ok(&cursor);
}

static bool read_records(struct answer *answer)
{
	for (answer->count = 0; answer->count < answer->answers && answer->count < LIMIT_DNS_RECORDS; answer->count++)
		if (!read_record(answer, &answer->records[answer->count]))
			return false;
	return true;
}

static bool is_owned(const struct answer *answer, const struct record *record)
{
	struct dns_name owner;
	size_t at = record->owner;
	return dns_name_read(answer->message, &at, &owner) && dns_name_equal(&owner, &answer->name);
}

/* The next record of this type that the name has, from *index on; NULL: there is none. */
static const struct record *next_owned(const struct answer *answer, unsigned type, size_t *index)
{
	while (*index < answer->count) {
		const struct record *record = &answer->records[(*index)++];
		if (record->type == type && is_owned(answer, record))
			return record;
	}
	return NULL;
}

static void shorten(uint32_t *ttl_s, uint32_t by_s)
{
	*ttl_s = by_s < *ttl_s ? by_s : *ttl_s;
}

static bool follow_aliases(struct answer *answer)
{
	for (unsigned aliases = 0;; aliases++) {
		size_t index = 0;
		const struct record *alias = next_owned(answer, DNS_TYPE_CNAME, &index);
		if (!alias)
			return true;
		size_t at = alias->data;
		if (aliases == LIMIT_DNS_ALIASES || !dns_name_read(answer->message, &at, &answer->name))
			return false;
		shorten(&answer->ttl_s, alias->ttl_s);
	}
}

/* Of the zone's start of authority, which comes along; 0 where it does not. */
static uint32_t negative_ttl(struct answer *answer)
{
	struct record record;
	struct dns_name name;
	if (answer->count < answer->answers)
		return 0;
	for (unsigned i = 0; i < answer->authorities && i < LIMIT_DNS_RECORDS; i++) {
		if (!read_record(answer, &record))
			return 0;
		if (record.type != DNS_TYPE_SOA)
			continue;
		size_t at = record.data;
		if (!dns_name_read(answer->message, &at, &name) || !dns_name_read(answer->message, &at, &name))
			return 0;
		struct cursor cursor = cursor_over(slice_skip(answer->message, at));
		cursor_take(&cursor, SOA_NUMBERS_BYTES - 4);
		uint32_t ttl_s = sane_ttl((uint32_t)cursor_take_be(&cursor, 4));
		shorten(&ttl_s, record.ttl_s);
		return cursor_ok(&cursor) ? ttl_s : 0;
	}
	return 0;
}

static bool open_answer(struct answer *answer, struct slice message, struct slice question)
{
	answer->message = message;
	answer->ttl_s = INT32_MAX;
	return dns_name_from_text(question, &answer->name) && read_header(answer) && skip_question(answer) &&
	       read_records(answer) && follow_aliases(answer);
}

static enum dns_answer none(struct answer *answer, uint32_t *ttl_s)
{
	*ttl_s = negative_ttl(answer);
	shorten(ttl_s, answer->ttl_s);
	return DNS_ANSWER_NONE;
}

enum dns_answer dns_answer_pointers(struct slice message, struct slice question, struct dns_pointers *pointers)
{
	struct answer answer;
	const struct record *record;
	size_t index = 0;
	unsigned seen = 0;
	pointers->count = 0;
	if (!open_answer(&answer, message, question))
		return DNS_ANSWER_BAD;
	for (; (record = next_owned(&answer, DNS_TYPE_PTR, &index)); seen++) {
		struct dns_name name;
		size_t at = record->data;
		shorten(&answer.ttl_s, record->ttl_s);
		if (pointers->count < LIMIT_DNS_POINTERS && dns_name_read(message, &at, &name) &&
		    dns_name_to_host(&name, &pointers->hosts[pointers->count]))
			pointers->count++;
	}
	if (seen == 0)
		return none(&answer, &pointers->ttl_s);
	pointers->ttl_s = answer.ttl_s;
	return DNS_ANSWER_HERE;
}

enum dns_answer dns_answer_match(struct slice message, struct slice question, const struct net_address *address,
				 struct dns_match *match)
{
	struct answer answer;
	const struct record *record;
	size_t index = 0, size = address->family == 6 ? 16 : 4;
	unsigned type = address->family == 6 ? DNS_TYPE_AAAA : DNS_TYPE_A, seen = 0;
	match->found = false;
	if (!open_answer(&answer, message, question))
		return DNS_ANSWER_BAD;
	for (; (record = next_owned(&answer, type, &index)); seen++) {
		shorten(&answer.ttl_s, record->ttl_s);
		if (record->data_size == size && memcmp(message.data + record->data, address->bytes, size) == 0)
			match->found = true;
	}
	if (seen == 0)
		return none(&answer, &match->ttl_s);
	match->ttl_s = answer.ttl_s;
	return DNS_ANSWER_HERE;
}
