/* Who verifies sign-ins in a worker, whatever configuration is served: the users of the data folder; and services outside that blocks of
 * several configurations may share, so that one which goes on over a change is not started anew. */
#ifndef POSTERN_SERVER_SIGN_IN_BACKENDS_H
#define POSTERN_SERVER_SIGN_IN_BACKENDS_H

#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/users/dovecot.h"
#include "core/users/ntlm_helpers.h"
#include "core/users/sign_in.h"
#include "core/users/sign_in_external.h"
#include "core/users/sign_in_scram.h"
#include "core/users/users.h"

/* A Dovecot auth service, or the helpers of NTLM. Lives as long as somebody holds it. */
struct sign_in_service_outside {
	struct list link;
	char *name;     /* the service's place, or the helpers' program */
	unsigned extra; /* mechanisms that are wanted of the service, or how many helpers there are */
	unsigned holders;
	struct dovecot_service *dovecot; /* NULL: it is the other */
	struct ntlm_helpers *helpers;
};

struct sign_in_backends {
	struct loop *loop;
	struct users *users; /* NULL: nobody can sign in */
	struct sign_in_service *passwords;
	struct sign_in_external external;
	struct sign_in_scram *scram;
	char *ntlm_key_file;
	uint8_t *ntlm_key; /* NULL: nobody has needed it */
	struct list outside;
};

struct sign_in_backends_settings {
	struct loop *loop;
	const char *users_directory;
	const char *ntlm_key_file;     /* made where there is none and it is needed */
	const uint8_t *salt_secret;    /* SECRET_KEY_BYTES, as sign_in_scram_create() takes them */
	struct sign_in_counts *counts; /* of this worker; outlives the back ends; NULL: nobody wants to know */
	int hasher_fd;                 /* taken over */
	unsigned hashers;
};

/* False and `error` otherwise; sign_in_backends_close() then too. */
MUST_USE bool sign_in_backends_open(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
				    struct error *error);

/* Nobody holds anything any more. Of what is zero nothing is closed. */
void sign_in_backends_close(struct sign_in_backends *backends);

/* NULL and `error` otherwise. The first one to ask for it makes it. */
struct sign_in_service_outside *sign_in_hold_dovecot(struct sign_in_backends *backends, const char *place,
						     unsigned wanted, struct error *error);
struct sign_in_service_outside *sign_in_hold_helpers(struct sign_in_backends *backends, const char *program,
						     unsigned count, struct error *error);

/* The last one to leave it ends it, and has no request of its there: turns the loop then; so not from a callback. NULL is allowed. */
void sign_in_leave(struct sign_in_service_outside *service);

/* The key that NT hashes are sealed with; NULL and `error` where there is none and none can be made. */
const uint8_t *sign_in_ntlm_key(struct sign_in_backends *backends, struct error *error);

#endif
