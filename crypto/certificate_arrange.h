/* Putting what a CA has sent into the one file that a server serves: the certificate that was made for the key first, each issuer
 * behind what it issued, nothing else. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_ARRANGE_H
#define POSTERN_CRYPTO_CERTIFICATE_ARRANGE_H

#include <stddef.h>
#include <sys/types.h>

#include "core/base/buffer.h"

enum { CERTIFICATE_ARRANGED_BYTES = 128 * 1024 };

struct certificate_arranging {
	const char *const *files;   /* PEM, NULL-ended; in whatever order */
	const char *key_file;       /* NULL: the first that is no CA's is the server's */
	const char *installed_file; /* NULL, or where to look for issuers that are missing: what is served now */

	/* What had to be done. */
	bool reordered;
	size_t dropped;  /* twice there, or of another chain */
	size_t borrowed; /* issuers that came from installed_file */
};

/* Appends the chain to `pem` (give it CERTIFICATE_ARRANGED_BYTES). False when a file can't be read, or none of the certificates
 * is for the key. */
MUST_USE bool certificate_arrange(struct certificate_arranging *arranging, struct buffer *pem, struct error *error);

/* Whose the files become; where `known` is false they are the caller's. */
struct certificate_owner {
	bool known;
	uid_t user;
	gid_t group;
};

/* Puts the arranged chain and its key into place, the key first, each under a temporary name that is then renamed. The key is
 * 0600, the chain 0644; where both go to one file it is 0600. `key_file` may be the target itself: then it stays. A different key
 * that the target holds is kept beside it, with ".old" behind its name. */
struct certificate_placing {
	struct slice pem;
	const char *key_file;
	const char *target_certificate, *target_key;
	struct certificate_owner owner;
	bool kept_old_key; /* answered */
};
MUST_USE bool certificate_place(struct certificate_placing *placing, struct error *error);

#endif
