/* What the files of `postern user` share. */
#ifndef POSTERN_TOOLS_COMMAND_USER_H
#define POSTERN_TOOLS_COMMAND_USER_H

#include "core/users/users.h"
#include "tools/arguments.h"
#include "tools/command.h"

struct user_request {
	const char *file;
	const struct config *config;
	const char *database; /* the folder "users" in the data folder */
	const char *operand;  /* a name, a pattern or a file, as the action says; NULL: none */
	const char *second;   /* grant and revoke: an address or "@domain" */
	bool json;
	bool password_stdin;
	bool replace;
	bool clear;
	bool ntlm;
	bool no_ntlm;
	bool no_password;
	struct argument_list operands; /* of which those two are */
};

/* "postern user: …" on standard error. */
void user_complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* Makes the data folder as `serve` would where something is to be written. NULL, told on standard error, when the database
 * can't be opened. */
struct users *user_open(const struct user_request *request, bool writable);

/* Seals the NT hash of a password, with the key in the data folder, which is made where there is none. False and `error`
 * otherwise. */
MUST_USE bool user_seal_nt_hash(const struct user_request *request, struct slice password,
				uint8_t sealed[USERS_NT_SEALED_BYTES], struct error *error);

/* Says that there is no such user, and who may have been meant; answers the exit status. */
int user_say_unknown(struct users *users, const char *name);

/* Says what makes a name valid; answers the exit status. */
int user_say_bad_name(const char *name);

/* The actions; each takes a struct user_request and answers the exit status. */
int user_add(void *request);
int user_passwd(void *request);
int user_remove(void *request);
int user_enable(void *request);
int user_disable(void *request);
int user_grant(void *request);
int user_revoke(void *request);
int user_list(void *request);
int user_show(void *request);
int user_export(void *request);
int user_test(void *request);
int user_import(void *request);

#endif
