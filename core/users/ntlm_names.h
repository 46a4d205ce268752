/* Names that an administrator gives for NTLM: are they sound? */
#ifndef POSTERN_USERS_NTLM_NAMES_H
#define POSTERN_USERS_NTLM_NAMES_H

#include "core/base/error.h"
#include "core/base/slice.h"

enum { NTLM_NETBIOS_BYTES = 15 }; /* of a name */

/* A NetBIOS name: 1–15 bytes of ASCII letters, digits and "-_.!". */
MUST_USE bool ntlm_domain_is_valid(struct slice domain);

/* The pattern of logins from a domain: has a %u (the user), and behind each % comes u or d (the domain). */
MUST_USE bool ntlm_login_is_valid(const char *login);

/* The pattern unless another is given. The domain's NetBIOS name is in it, so that users of two domains are never one. */
#define NTLM_LOGIN "%u@%d"

#endif
