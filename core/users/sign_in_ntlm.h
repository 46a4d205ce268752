/* NTLM against our own users: those whose NT hash is kept, sealed (crypto/ntlm.h). Everything is decided at once, in microseconds;
 * a user who is unknown, disabled or has no such hash takes the same way as a wrong password.
 *
 * Which login a client means: the user name as it stands in AUTHENTICATE. Our users have no domains, so the client's domain only counts where
 * it looks like a mail domain: of user "alice" and domain "example.org" the login alice@example.org is meant, if there is one. */
#ifndef POSTERN_USERS_SIGN_IN_NTLM_H
#define POSTERN_USERS_SIGN_IN_NTLM_H

#include "core/io/loop.h"
#include "core/users/ntlm_exchange.h"
#include "core/users/sign_in_backend.h"
#include "core/users/users.h"

struct sign_in_ntlm;

struct sign_in_ntlm_settings {
	struct loop *loop; /* for the time */
	struct users *users;
	const uint8_t *key; /* NTLM_SEAL_KEY_BYTES; stays the caller's, and stays */
	const char *hostname;
	const char *domain; /* NULL or empty: the host's own */
	enum ntlm_binding binding;
};

/* NULL and `error` otherwise. */
struct sign_in_ntlm *sign_in_ntlm_create(const struct sign_in_ntlm_settings *settings, struct error *error);
void sign_in_ntlm_destroy(struct sign_in_ntlm *ntlm);

struct sign_in_backend *sign_in_ntlm_backend(struct sign_in_ntlm *ntlm);

/* The certificate's hash that a client binds to; empty outside TLS and where there is none. */
struct slice sign_in_ntlm_end_point(const struct sign_in_facts *facts, uint8_t storage[TLS_BINDING_MOST_BYTES]);

/* Seals a password's NT hash for a user's record. False for a password that is not UTF-8, of which there is no such hash. */
MUST_USE bool sign_in_ntlm_seal(uint8_t sealed[USERS_NT_SEALED_BYTES], const uint8_t key[NTLM_SEAL_KEY_BYTES],
				struct slice name, struct slice password);

#endif
