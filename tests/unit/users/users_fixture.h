/* A user database in a scratch folder, for the tests of core/users; cmocka's state is the fixture. */
#ifndef POSTERN_TESTS_UNIT_USERS_USERS_FIXTURE_H
#define POSTERN_TESTS_UNIT_USERS_USERS_FIXTURE_H

#include "core/users/users.h"
#include "tests/unit/users/scratch.h"

#define HASH_A "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
#define HASH_B "$argon2id$v=19$m=65536,t=2,p=1$b3RoZXJvdGhlcm90aGVycw$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

struct fixture {
	struct scratch scratch;
	struct users *users; /* NULL: not open */
};

/* Ends the program where it can't be opened: for children as well. */
struct users *open_or_die(const struct scratch *scratch, bool writable);

int set_up(void **state);
int set_up_open(void **state);
int tear_down(void **state);

enum users_status put(struct users *users, const char *name, const char *hash, bool replace);
enum users_status find(struct users *users, const char *name, struct user_record *record);

#endif
