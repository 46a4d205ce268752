/* A sign-in service on a real loop and a database with a few users, for the tests of core/users: clients that ask, and the
 * whole run once for each back end of the loop. */
#ifndef POSTERN_TESTS_USERS_SIGN_IN_FIXTURE_H
#define POSTERN_TESTS_USERS_SIGN_IN_FIXTURE_H

#include "core/users/sign_in.h"
#include "crypto/password.h"
#include "tests/unit/users/scratch.h"

/* HASHERS is what the service is told; how many there are is the test's affair. */
enum { HASHERS = 1, IN_FLIGHT = 2 * HASHERS, QUEUE = 8, WAIT_MS = 400, ANSWER_MS = 200 };

extern char hash_of_right[LIMIT_HASH_TEXT_BYTES], hash_of_other[LIMIT_HASH_TEXT_BYTES];

/* Alice@Example.org, bob and carol, whose password is "right", and off, who is disabled. */
struct fixture {
	struct scratch scratch;
	struct users *users;
	struct loop *loop;
	struct sign_in_service *service;
	int hashers_fd; /* the hashers' end */
	pid_t hasher;   /* 0: none */
};

/* Hurried: the bounds above. Small: that queue, without haste. Patient: none that a test meets. With a hasher: patient, and a
 * real one runs. */
int set_up_hurried(void **state);
int set_up_small(void **state);
int set_up_patient(void **state);
int set_up_with_hasher(void **state);
int tear_down(void **state);

struct sign_in_service *make_service(struct fixture *fixture, const struct sign_in_bounds *bounds);
void start_hasher(struct fixture *fixture);

/* A client: what it asks, and what it was told. */
struct client {
	struct sign_in_request request;
	bool answered;
	enum sign_in_outcome outcome;
	unsigned order; /* of the answers */
};

void client_answered(struct sign_in_request *request, enum sign_in_outcome outcome);
void ask_from(struct fixture *fixture, struct client *client, const char *name, const char *password, uint64_t network);
void ask(struct fixture *fixture, struct client *client, const char *name, const char *password);
void turn(struct fixture *fixture, bool wait);
enum sign_in_outcome await(struct fixture *fixture, struct client *client);
enum sign_in_outcome sign_in(struct fixture *fixture, const char *name, const char *password);

/* --- the hashers' end, where the test is in their place --- */

struct job {
	uint64_t number;
	char hash[LIMIT_HASH_TEXT_BYTES];
	char password[LIMIT_PASSWORD_BYTES + 1];
};

/* False when the service has sent nothing more. */
bool take_job(struct fixture *fixture, struct job *taken);
void answer(struct fixture *fixture, uint64_t number, enum password_verdict verdict);
/* There is one. */
void answer_next(struct fixture *fixture, enum password_verdict verdict);

enum change { REMOVE, DISABLE, NEW_PASSWORD };
void change_user(struct fixture *fixture, const char *name, enum change change);

/* Hashes the passwords, then calls `run_all` for each back end that this kernel has; the number of failed tests. */
int run_on_all_loops(int (*run_all)(void));

#endif
