/* For the TLS tests: two sessions joined in memory, fed in steps of any size through output buffers of any size, and a
 * folder with certificates. */
#ifndef POSTERN_TESTS_TLS_PAIR_H
#define POSTERN_TESTS_TLS_PAIR_H

#include "crypto/tls.h"

enum { PAIR_STORAGE_BYTES = 64 * 1024, PAIR_PATH_BYTES = 128 };

struct pair_end {
	struct tls_session *session;
	struct buffer output; /* ciphertext on its way to the other end */
	uint8_t storage[PAIR_STORAGE_BYTES];
	enum tls_status status; /* of the last call */
	uint64_t cpu_ns;        /* spent in handshakes */
};

struct pair {
	struct pair_end client;
	struct pair_end server;
	size_t step; /* bytes handed over at once */
};

/* `capacity`: room of each output buffer. */
void pair_init(struct pair *pair, struct tls_context *client, struct tls_context *server, const char *host, size_t step,
	       size_t capacity);
void pair_finish(struct pair *pair);

/* Runs both handshakes until nothing moves any more. True when both are TLS_OK. */
bool pair_handshake(struct pair *pair);

/* Lets `to` read once from what `from` has written. */
enum tls_status pair_read(struct pair *pair, struct pair_end *to, uint8_t *bytes, size_t capacity, size_t *got);

/* Sends from one end to the other and checks that it comes out. */
bool pair_carries(struct pair *pair, struct pair_end *from, struct slice bytes);

/* Reads at the client until it wants input: it has the tickets then. */
void pair_take_tickets(struct pair *pair);

/* --- certificates: "ca", "server" (localhost, 127.0.0.1, ::1), "other" (mail.example.org), "wild" (*.example.net), and "strange_ca",
 * that signed none of these --- */
int folder_set_up(void **state);
int folder_tear_down(void **state);

/* Path of e.g. "server.pem" or "server.key"; one of four texts in turn. */
const char *folder_path(const char *name);

/* Contexts over the folder's files, of one version or (0) of both; they abort the test when they can't be made. `secret` stands for a
 * ticket secret. */
struct tls_context *make_server(uint16_t version, uint8_t secret);
struct tls_context *make_client(uint16_t version, const char *ca, bool resume);

uint64_t cpu_now_ns(void);

#endif
