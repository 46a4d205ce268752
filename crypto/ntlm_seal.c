/* NT hashes as they stand in the database, and the key that they are sealed with; see ntlm.h. */
#include "crypto/ntlm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "crypto/durable_file.h"
#include "crypto/secret.h"

enum {
	NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
};
_Static_assert((int)NTLM_SEALED_BYTES == NONCE_BYTES + TAG_BYTES + NTLM_HASH_BYTES, "nonce, hash, tag");
_Static_assert((int)NTLM_SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "XChaCha20-Poly1305's keys");

void ntlm_seal(uint8_t sealed[NTLM_SEALED_BYTES], const uint8_t key[NTLM_SEAL_KEY_BYTES], struct slice name,
	       const uint8_t hash[NTLM_HASH_BYTES])
{
	secret_random(sealed, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, NULL, hash, NTLM_HASH_BYTES, name.data,
						   name.size, NULL, sealed, key);
}

bool ntlm_unseal(uint8_t hash[NTLM_HASH_BYTES], const uint8_t key[NTLM_SEAL_KEY_BYTES], struct slice name,
		 const uint8_t sealed[NTLM_SEALED_BYTES])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(hash, NULL, NULL, sealed + NONCE_BYTES,
							  NTLM_SEALED_BYTES - NONCE_BYTES, name.data, name.size, sealed,
							  key) == 0;
}

/* --- the key's file --- */

static bool find_owner_of_folder(const char *path, struct durable_file_owner *owner, struct error *error)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat status;
	if (!slice_to_text(slash ? slice_of(path, (size_t)(slash - path) + 1) : SLICE_LITERAL("."), folder,
			   sizeof folder))
		return error_set_errno(error, ENAMETOOLONG, "cannot write %s", path);
	if (stat(folder, &status) < 0)
		return error_set_errno(error, errno, "cannot write %s", path);
	*owner = (struct durable_file_owner){ status.st_uid, status.st_gid };
	return true;
}

/* Who comes first makes it: whoever else makes one at the same time finds it there. Root makes it for the owner of the folder: the
 * server, which is somebody else, reads it too. It has its owner before it has its name: never is there one that the server
 * can't read, and an owner who puts something else in its place is not given that. */
static bool make_file(const char *path, struct error *error)
{
	uint8_t key[NTLM_SEAL_KEY_BYTES];
	struct durable_file_owner owner;
	bool for_owner = geteuid() == 0;
	if (for_owner && !find_owner_of_folder(path, &owner, error))
		return false;
	secret_random(key, sizeof key);
	bool made = durable_file_write_for(path, 0600, slice_of(key, sizeof key), DURABLE_FILE_KEEP,
					   for_owner ? &owner : NULL, error);
	secret_wipe(key, sizeof key);
	return made || access(path, F_OK) == 0;
}

/* One byte more than there may be is asked for. */
static bool read_file(const char *path, uint8_t *key, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(error, errno, "cannot open the key of NTLM's password hashes, %s", path);
	ssize_t size = read(fd, key, NTLM_SEAL_KEY_BYTES + 1);
	int code = errno;
	close(fd);
	if (size < 0)
		return error_set_errno(error, code, "cannot read %s", path);
	if (size != NTLM_SEAL_KEY_BYTES)
		return error_set(error, "%s is not the key of NTLM's password hashes: it has not %d bytes", path,
				 NTLM_SEAL_KEY_BYTES);
	return true;
}

uint8_t *ntlm_seal_key_load(const char *path, bool make, struct error *error)
{
	if (make && access(path, F_OK) < 0 && errno == ENOENT && !make_file(path, error))
		return NULL;
	uint8_t *key = secret_allocate(NTLM_SEAL_KEY_BYTES + 1);
	if (!key) {
		error_set(error, "no memory for the key in %s", path);
		return NULL;
	}
	if (read_file(path, key, error))
		return key;
	secret_free(key);
	return NULL;
}
