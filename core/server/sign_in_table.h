/* Which back end verifies a mechanism of a server block: of one configuration, in a worker. */
#ifndef POSTERN_SERVER_SIGN_IN_TABLE_H
#define POSTERN_SERVER_SIGN_IN_TABLE_H

#include "core/server/config.h"
#include "core/server/sign_in_backends.h"
#include "core/users/sign_in_domain.h"
#include "core/users/sign_in_ntlm.h"
#include "proto/sasl.h"

struct sign_in_block {
	struct sign_in_backend *of[SASL_MECHANISMS];               /* by the mechanism's bit; NULL: nobody's */
	struct sign_in_service_outside *dovecots[SASL_MECHANISMS]; /* likewise */
	struct sign_in_service_outside *helpers;                   /* NULL: none; likewise the next */
	struct sign_in_domain *domain;
	struct sign_in_ntlm *ntlm;
};

struct sign_in_table {
	size_t count;
	struct sign_in_block blocks[]; /* in the configuration's order */
};

/* The configuration and the back ends outlive it. Where these have no users, nobody can sign in. NULL and `error` otherwise. */
struct sign_in_table *sign_in_table_create(struct sign_in_backends *backends, const struct config *config,
					   struct error *error);

/* All requests have ended. Turns the loop: not from a callback. NULL is allowed. */
void sign_in_table_destroy(struct sign_in_table *table);

/* NULL: nobody can verify it. `mechanism` is one bit. */
struct sign_in_backend *sign_in_table_find(const struct sign_in_table *table, size_t block, unsigned mechanism);

/* SASL_… bits of those that somebody can verify now. */
unsigned sign_in_table_able(const struct sign_in_table *table, size_t block);

#endif
