/* The back end of users that Dovecot knows: passwd-file, LDAP, SQL, PAM, OAuth, Kerberos, whatever its auth service verifies.
 *
 * A worker has one connection to each auth service, with as many sign-ins under way over it as there are, answered in any
 * order. It is made when the service is created and made again whenever it breaks, at once and then less and less often.
 * A sign-in waits only while a connection is being made for the first time or right after a good one broke; while Dovecot
 * is away it is SIGN_IN_UNAVAILABLE at once, and so is what was under way when the connection broke. The log tells of
 * a change once. Memory is bounded by LIMIT_SIGN_INS, LIMIT_DOVECOT_WAITING and the buffers.
 *
 * PLAIN and LOGIN are both asked as PLAIN, which spares a step. Mechanisms that bind to the channel (…-PLUS) are never asked:
 * the protocol (proto/dovecot_auth.h) can't tell the binding. */
#ifndef POSTERN_USERS_DOVECOT_H
#define POSTERN_USERS_DOVECOT_H

#include "core/io/loop.h"
#include "core/users/sign_in_backend.h"

struct dovecot_settings {
	const char *place; /* of dovecot_place.h; stays as long as the service */
	unsigned wanted; /* SASL_… bits that are to be verified there; the log tells which of them it does not have */
	bool quiet;      /* nothing goes to the log */
	/* 0: those of limits.h */
	uint64_t greeting_ms;
	uint64_t answer_ms;
};

struct dovecot_service;

/* NULL and `error` otherwise. Whether Dovecot is there shows later. */
struct dovecot_service *dovecot_create(struct loop *loop, const struct dovecot_settings *settings, struct error *error);

/* Waiting requests get SIGN_IN_UNAVAILABLE, from here. Turns the loop until its operations have ended; so not from a
 * callback. NULL is allowed. */
void dovecot_destroy(struct dovecot_service *service);

/* Valid as long as the service. */
struct sign_in_backend *dovecot_backend(struct dovecot_service *service);

/* SASL_… bits that it can be asked for: what its greeting said, also while it is away; until the first one all that is wanted. */
unsigned dovecot_mechanisms(const struct dovecot_service *service);

/* For the command line: connects once and waits for the greeting. *mechanisms is as of dovecot_mechanisms(). False and
 * `error`: it is not there, or is something else. Blocks for up to `wait_ms`. */
MUST_USE bool dovecot_probe(const char *place, uint64_t wait_ms, unsigned *mechanisms, struct error *error);

#endif
