/* Writing a ClientHello by hand (RFC 5246 §7.4.1.2) and reading the first record that comes; see verify_hello.h. */
#include "tools/verify_hello.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/base/buffer.h"
#include "crypto/secret.h"

enum {
	HELLO_BYTES = 512,
	WAIT_MS = 10000,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	SERVER_HELLO = 2,
	ALERT_BYTES = 7
};

/* All that a server of those days had, so that it is the version alone that is refused. */
static const uint16_t old_ciphers[] = { 0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0x000a };

/* NULL, EXPORT, RC4, DES and 3DES, anonymous; with RSA, ECDHE and none. */
static const uint16_t broken_ciphers[] = { 0x0001, 0x0002, 0x003b, 0xc006, 0xc010, 0x0003, 0x0006, 0x0008, 0x0014,
					   0x0004, 0x0005, 0xc007, 0xc011, 0x0009, 0x0015, 0x000a, 0x0016, 0xc008,
					   0xc012, 0x0018, 0x001a, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x00a6,
					   0x00a7, 0xc015, 0xc016, 0xc017, 0xc018, 0xc019 };

static const uint16_t rsa_ciphers[] = { 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0xc09c, 0xc09d };

#define CIPHERS(array) (array), sizeof(array) / sizeof *(array)
const struct verify_hello verify_hello_1_0 = { 0x0301, CIPHERS(old_ciphers) };
const struct verify_hello verify_hello_1_1 = { 0x0302, CIPHERS(old_ciphers) };
const struct verify_hello verify_hello_broken = { 0x0303, CIPHERS(broken_ciphers) };
const struct verify_hello verify_hello_no_forward_secrecy = { 0x0303, CIPHERS(rsa_ciphers) };

static void put_number(struct buffer *out, unsigned number)
{
	buffer_append_byte(out, (uint8_t)(number >> 8));
	buffer_append_byte(out, (uint8_t)number);
}

/* Curves, point form, signatures, and the secret renegotiation that some servers insist on. */
static const uint8_t extensions[] = {
	0x00, 0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, /* supported_groups */
	0x00, 0x0b, 0x00, 0x02, 0x01, 0x00,                                     /* ec_point_formats */
	0x00, 0x0d, 0x00, 0x12, 0x00, 0x10, 0x04, 0x03, 0x05, 0x03, 0x08, 0x04,
	0x08, 0x05, 0x04, 0x01, 0x05, 0x01, 0x02, 0x03, 0x02, 0x01, /* signature_algorithms */
	0xff, 0x01, 0x00, 0x01, 0x00,                               /* renegotiation_info */
};

static void write_body(struct buffer *out, const struct verify_hello *hello)
{
	uint8_t random[32];
	secret_random(random, sizeof random);
	put_number(out, hello->version);
	buffer_append(out, slice_of(random, sizeof random));
	buffer_append_byte(out, 0); /* no session */
	put_number(out, (unsigned)hello->cipher_count * 2);
	for (size_t i = 0; i < hello->cipher_count; i++)
		put_number(out, hello->ciphers[i]);
	buffer_append(out, SLICE_LITERAL("\x01\x00")); /* no compression */
	put_number(out, sizeof extensions);
	buffer_append(out, slice_of(extensions, sizeof extensions));
}

static void write_record(struct buffer *out, const struct verify_hello *hello)
{
	uint8_t storage[HELLO_BYTES];
	struct buffer body;
	buffer_init(&body, storage, sizeof storage);
	write_body(&body, hello);
	buffer_append_byte(out, RECORD_HANDSHAKE);
	put_number(out, 0x0301);
	put_number(out, (unsigned)body.size + 4);
	put_number(out, 0x0100); /* ClientHello, and its length's first byte */
	put_number(out, (unsigned)body.size);
	buffer_append(out, buffer_slice(&body));
}

/* The first bytes of the answer; 0: closed. */
static size_t receive(int fd, uint8_t *bytes, size_t most)
{
	size_t size = 0;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	while (size < most && poll(&wait, 1, WAIT_MS) > 0) {
		ssize_t got = recv(fd, bytes + size, most - size, 0);
		if (got <= 0)
			break;
		size += (size_t)got;
		if (bytes[0] == RECORD_ALERT && size >= ALERT_BYTES)
			break;
	}
	return size;
}

void verify_hello_exchange(int fd, const struct verify_hello *hello, struct verify_hello_answer *answer)
{
	uint8_t storage[HELLO_BYTES + 16], head[11];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	write_record(&out, hello);
	answer->accepted = false;
	bool sent = send(fd, out.data, out.size, MSG_NOSIGNAL) == (ssize_t)out.size;
	size_t size = sent ? receive(fd, head, sizeof head) : 0;
	if (size >= ALERT_BYTES && head[0] == RECORD_ALERT)
		snprintf(answer->text, sizeof answer->text, "refused with alert %u (%s)", head[6],
			 head[6] == 70   ? "protocol version"
			 : head[6] == 40 ? "handshake failure"
					 : "see RFC 8446 §6");
	else if (size >= sizeof head && head[0] == RECORD_HANDSHAKE && head[5] == SERVER_HELLO) {
		answer->accepted = true;
		snprintf(answer->text, sizeof answer->text, "accepted, with version %u.%u", head[9], head[10]);
	} else
		snprintf(answer->text, sizeof answer->text, "%s", size ? "answered with no TLS" : "closed at once");
}
