/* A `server NAME { … }` block as it runs: what its sessions share. Made before fork(), read-only after but for what says
 * that it is of all workers. */
#ifndef POSTERN_SERVER_SERVER_BLOCK_H
#define POSTERN_SERVER_SERVER_BLOCK_H

#include "core/net/clients.h"
#include "core/net/radix.h"
#include "core/policy/policy.h"
#include "core/server/config.h"
#include "crypto/tls.h"
#include "proto/smtp_session.h"

struct server_block {
	const struct config_server *config;
	unsigned place;                    /* in its configuration */
	unsigned slot;                     /* in server_states.h; that of its place, until somebody says another */
	struct tls_context *tls;           /* NULL: no certificate, no TLS */
	uint8_t *ticket_secret;            /* guarded memory, TLS_TICKET_SECRET_BYTES */
	struct smtp_profile plain_profile; /* for listeners without TLS, and with STARTTLS */
	struct smtp_profile starttls_profile;
	struct smtp_profile tls_profile;
	struct policy policy;
	bool takes_outsiders; /* mail of some who have not signed in */
	struct client_limits client_limits;
	struct clients *clients; /* in memory of all workers; NULL: nothing is limited */
	size_t clients_bytes;
	int clients_fd;             /* that memory, where the block has made it; else -1 */
	struct slice image;         /* that the rules of `connect` lie in; empty: they do not */
	struct radix_tree *proxies; /* whose connections begin with a PROXY header; NULL: nobody's */
};

/* Where that file of the configuration lies now. */
typedef const char *server_block_find_file(void *context, const char *path);

/* What a block is made of beside its configuration. */
struct server_block_parts {
	const uint8_t *
		ticket_secret; /* TLS_TICKET_SECRET_BYTES: shared by all workers, and by all nodes that should resume each
				       * other's sessions */
	server_block_find_file *find; /* where a file of TLS is to be read; NULL: where the configuration says */
	void *context;
	int rules_fd; /* a file with the rules of `connect` as an image (policy/rules_image.h); -1: list files are read */
};

/* Reads certificates, keys and list files. False and `error` otherwise. `config` outlives the block. */
MUST_USE bool server_block_init(struct server_block *block, const struct config_server *config,
				const struct server_block_parts *parts, struct error *error);
void server_block_finish(struct server_block *block);

/* What sessions of such a block use, from its files; *tls NULL: it has no certificate. `find` says where a file is to be read instead,
 * NULL: where the configuration says. Without `ticket_secret` nobody can resume sessions of it. */
MUST_USE bool server_block_read_tls(const struct config_server *config, const uint8_t *ticket_secret,
				    server_block_find_file *find, void *context, struct tls_context **tls,
				    struct error *error);

/* Calls `with` for each file that this reads, until one answers false; so is the answer then. */
typedef bool server_block_with_file(void *context, const char *path);
bool server_block_each_tls_file(const struct config_server *config, server_block_with_file *with, void *context);

/* Counts clients, where that is needed, in a table that so many workers share; without it, no limit of clients holds. The table goes on
 * that `before`, a block of the same name, has, if it has the same size; `before` may be NULL. */
MUST_USE bool server_block_count_clients(struct server_block *block, const struct server_block *before,
					 unsigned workers, struct error *error);

/* Does it count clients? Then another process that has made the same block shares the table by a descriptor of block->clients_fd. */
bool server_block_counts_clients(const struct config_server *config);
MUST_USE bool server_block_share_clients(struct server_block *block, int fd, struct error *error);

/* From now on the rules of `connect` are those of the image in that file, or, with `error`, as they were. The file may be closed then. Nothing may
 * hold on to rules of the block. */
MUST_USE bool server_block_change_rules(struct server_block *block, int fd, struct error *error);

/* That worker is dead: its connections count no more. */
void server_block_forget_worker(struct server_block *block, unsigned worker);

/* Does a connection from there begin with a PROXY header? */
static inline bool server_block_is_proxy(const struct server_block *block, const struct net_address *address)
{
	return block->proxies && radix_find(block->proxies, address) != RADIX_NO_RULE;
}

const struct smtp_profile *server_block_profile(const struct server_block *block, enum listener_mode mode);

#endif
