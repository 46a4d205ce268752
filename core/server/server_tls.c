/* The TLS of a server block; see server_tls.h. */
#include "core/server/server_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"

static bool take_secret(int fd, const char *path, bool is_private, uint8_t secret[TLS_TICKET_SECRET_BYTES],
			struct error *error)
{
	struct stat status;
	uint8_t bytes[TLS_TICKET_SECRET_BYTES + 1];
	if (fstat(fd, &status) != 0)
		return error_set_errno(error, errno, "ticket secret %s", path);
	if (!is_private && status.st_mode & S_IROTH)
		return error_set(error, "ticket secret %s: everybody can read it; chmod 600 it, and make a new one",
				 path);
	ssize_t size = read(fd, bytes, sizeof bytes);
	memcpy(secret, bytes, TLS_TICKET_SECRET_BYTES);
	secret_wipe(bytes, sizeof bytes);
	return size == TLS_TICKET_SECRET_BYTES ||
	       error_set(error, "ticket secret %s: it must have %d bytes; make one with: head -c %d /dev/urandom", path,
			 TLS_TICKET_SECRET_BYTES, TLS_TICKET_SECRET_BYTES);
}

/* Where the configuration's files lie. */
struct place {
	const char *(*find)(void *context, const char *path); /* NULL: where it says */
	void *context;
};

static const char *found(const struct place *place, const char *path)
{
	return path && place->find ? place->find(place->context, path) : path;
}

static bool read_secret(const struct place *place, const char *path, uint8_t secret[TLS_TICKET_SECRET_BYTES],
			struct error *error)
{
	int fd = open(found(place, path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(error, errno, "ticket secret %s", path);
	/* A copy that the server has made is nobody else's to read, whatever its mode. */
	bool done = take_secret(fd, path, place->find != NULL, secret, error);
	close(fd);
	return done;
}

static bool choose_secret(const struct config_tls *tls, const struct place *place, const uint8_t *shared_secret,
			  uint8_t secret[TLS_TICKET_SECRET_BYTES], struct error *error)
{
	if (tls->ticket_secret)
		return read_secret(place, tls->ticket_secret, secret, error);
	if (shared_secret)
		memcpy(secret, shared_secret, TLS_TICKET_SECRET_BYTES);
	else
		secret_random(secret, TLS_TICKET_SECRET_BYTES);
	return true;
}

static struct tls_context *create(const struct config_server *config, const uint8_t *shared_secret,
				  const struct place *place, int *line, struct error *error)
{
	const struct config_tls *tls = &config->tls;
	struct tls_server_settings settings = {
		.certificate_file = found(place, config->certificates[0].certificate),
		.key_file = found(place, config->certificates[0].key),
		.min_version = config->tls_min_version,
		.max_version = TLS_VERSION_1_3,
		.ticket_lifetime_s = (uint32_t)(tls->ticket_lifetime_ms / 1000),
		.ciphers = tls->ciphers,
		.groups = tls->groups[0] ? tls->groups : NULL,
		.min_bits = tls->min_bits,
		.client_ca_file = found(place, tls->client_ca),
		.client_crl_file = found(place, tls->client_crl),
	};
	*line = tls->ticket_secret_line;
	if (!choose_secret(tls, place, shared_secret, settings.ticket_secret, error))
		return NULL;
	*line = config->certificates[0].line;
	struct tls_context *made = tls_server_context_create(&settings, error);
	secret_wipe(settings.ticket_secret, sizeof settings.ticket_secret);
	return made;
}

struct tls_context *server_tls_create(const struct config_server *config,
				      const uint8_t shared_secret[TLS_TICKET_SECRET_BYTES],
				      const char *(*find)(void *context, const char *path), void *context, int *line,
				      struct error *error)
{
	const struct place place = { find, context };
	struct tls_context *made = create(config, shared_secret, &place, line, error);
	for (size_t i = 1; made && i < config->certificate_count; i++) {
		const struct config_certificate *further = &config->certificates[i];
		*line = further->line;
		if (tls_context_add_name(made, further->name, found(&place, further->certificate),
					 found(&place, further->key), error))
			continue;
		tls_context_destroy(made);
		made = NULL;
	}
	return made;
}
