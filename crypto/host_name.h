/* Host names as TLS and certificates see them: what is an address is matched and sent another way than a name. */
#ifndef POSTERN_CRYPTO_HOST_NAME_H
#define POSTERN_CRYPTO_HOST_NAME_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/x509v3.h>

/* RFC 6125: "*" is a whole label, and the subject's common name counts for nothing. */
enum { HOST_NAME_CHECK_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT };

static inline bool host_name_is_address(const char *text)
{
	uint8_t bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* Is the certificate for this host? */
static inline bool host_name_is_covered(X509 *leaf, const char *host)
{
	return host_name_is_address(host) ? X509_check_ip_asc(leaf, host, 0) == 1
					  : X509_check_host(leaf, host, strlen(host), HOST_NAME_CHECK_FLAGS, NULL) == 1;
}

#endif
