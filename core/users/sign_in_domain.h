/* NTLM against a Windows domain, through helpers (ntlm_helpers.h). The domain verifies the password and makes the challenges; what the client
 * binds its sign-in to is checked here, as the domain can't know it. LM and NTLMv1 are refused here too, whatever the domain
 * says of them. The MIC is not checked: the key for it does not leave the helper.
 *
 * Who has signed in is named by a pattern in which %u is the user and %d the domain, both in small letters. */
#ifndef POSTERN_USERS_SIGN_IN_DOMAIN_H
#define POSTERN_USERS_SIGN_IN_DOMAIN_H

#include "core/users/ntlm_exchange.h"
#include "core/users/ntlm_helpers.h"
#include "core/users/sign_in_backend.h"

struct sign_in_domain;

/* `login` stays; it is one that ntlm_login_is_valid() takes. NULL when memory has run out. */
struct sign_in_domain *sign_in_domain_create(struct ntlm_helpers *helpers, enum ntlm_binding binding, const char *login,
					     struct error *error);
void sign_in_domain_destroy(struct sign_in_domain *domain);

struct sign_in_backend *sign_in_domain_backend(struct sign_in_domain *domain);

/* Of DOMAIN\user, appended. False where it becomes no login. */
MUST_USE bool sign_in_domain_login(struct buffer *out, const char *login, struct slice user);

#endif
