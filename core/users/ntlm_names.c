/* Names for NTLM; see ntlm_names.h. */
#include "core/users/ntlm_names.h"

#include <string.h>

bool ntlm_domain_is_valid(struct slice domain)
{
	static const char others[] = "-_.!";
	for (size_t i = 0; i < domain.size; i++) {
		uint8_t c = ascii_lower(domain.data[i]);
		bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!is_word && (c == 0 || !strchr(others, c)))
			return false;
	}
	return domain.size > 0 && domain.size <= NTLM_NETBIOS_BYTES;
}

bool ntlm_login_is_valid(const char *login)
{
	bool has_user = false;
	for (const char *at = strchr(login, '%'); at; at = strchr(at + 2, '%')) {
		if (at[1] != 'u' && at[1] != 'd')
			return false;
		has_user |= at[1] == 'u';
	}
	return has_user;
}
