/* DNS messages for tests, made record by record. */
#ifndef POSTERN_TESTS_DNS_MESSAGE_H
#define POSTERN_TESTS_DNS_MESSAGE_H

#include "core/base/buffer.h"
#include "core/dns/answer.h"

enum { MESSAGE_NO_ERROR = 0, MESSAGE_SERVFAIL = 2, MESSAGE_NO_NAME = 3, MESSAGE_TRUNCATED = 0x200 };

struct message {
	struct buffer out;
	uint8_t bytes[65536];
};

/* `flags`: a response code, or MESSAGE_TRUNCATED. */
void message_begin(struct message *message, unsigned flags, const char *question, enum dns_type type);

/* Records of the answer; those of the authority come last, by message_add_start(). */
void message_add(struct message *message, const char *owner, unsigned type, uint32_t ttl_s, struct slice data);
void message_add_name(struct message *message, const char *owner, enum dns_type type, uint32_t ttl_s, const char *name);
void message_add_address(struct message *message, const char *owner, uint32_t ttl_s, const char *address);

/* A start of authority with this time for negative answers. */
void message_add_start(struct message *message, const char *owner, uint32_t ttl_s, uint32_t negative_s);

static inline struct slice message_bytes(const struct message *message)
{
	return buffer_slice(&message->out);
}

#endif
