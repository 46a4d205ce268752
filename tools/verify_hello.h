/* TLS handshakes that no library of today would begin: only old versions, only bad ciphers. A server that goes on with one is
 * what `postern verify` is to find. */
#ifndef POSTERN_TOOLS_VERIFY_HELLO_H
#define POSTERN_TOOLS_VERIFY_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify_hello {
	uint16_t version; /* 0x0301: TLS 1.0 */
	const uint16_t *ciphers;
	size_t cipher_count;
};

extern const struct verify_hello verify_hello_1_0, verify_hello_1_1, verify_hello_broken,
	verify_hello_no_forward_secrecy;

struct verify_hello_answer {
	bool accepted; /* the server has answered with a ServerHello */
	char text[128];
};

/* Over a socket that waits for a handshake; it is of no use afterwards. */
void verify_hello_exchange(int fd, const struct verify_hello *hello, struct verify_hello_answer *answer);

#endif
