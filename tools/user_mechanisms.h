/* By which mechanisms a user can sign in, from what is kept of the password and what the server blocks offer. */
#ifndef POSTERN_TOOLS_USER_MECHANISMS_H
#define POSTERN_TOOLS_USER_MECHANISMS_H

#include <jansson.h>

#include "core/server/config.h"
#include "core/users/users.h"

/* Why the mechanism (one bit) is not possible with what is kept; NULL: it is, or is not known here. Static text. */
const char *user_mechanisms_lack(const struct user_record *record, unsigned mechanism);

/* A line each on standard output: the mechanisms, and whether they work or why not. */
void user_mechanisms_print(const struct config *config, const struct user_record *record);

/* {"PLAIN": {"works": true}, "NTLM": {"works": false, "why": "…"}, …}; NULL when memory has run out. */
json_t *user_mechanisms_to_json(const struct config *config, const struct user_record *record);

#endif
