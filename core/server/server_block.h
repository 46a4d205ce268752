/* A `server NAME { … }` block as it runs: what its sessions share. Made before fork(), read-only after but for what says
 * that it is of all workers. */
#ifndef POSTERN_SERVER_SERVER_BLOCK_H
#define POSTERN_SERVER_SERVER_BLOCK_H

#include "core/net/clients.h"
#include "core/net/radix.h"
#include "core/policy/policy.h"
#include "core/server/config.h"
#include "core/server/shared_image.h"
#include "crypto/tls.h"
#include "proto/smtp_session.h"

struct server_block {
	const struct config_server *config;
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
	struct shared_image
		lists; /* the rules of `connect` when a list file has changed; state NULL: there are no files */
	struct slice list_contents; /* of `lists`, that the policy lies in; empty: it does not */
	struct radix_tree *proxies; /* whose connections begin with a PROXY header; NULL: nobody's */
};

/* Reads certificates and keys. `ticket_secret` is shared by all workers, and by all nodes that should resume each other's sessions.
 * False and `error` otherwise. `config` outlives the block. */
MUST_USE bool server_block_init(struct server_block *block, const struct config_server *config,
				const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES], struct error *error);
void server_block_finish(struct server_block *block);

/* What sessions of such a block use, from its files; *tls NULL: it has no certificate. `find` says where a file is to be read instead,
 * NULL: where the configuration says. Without `ticket_secret` nobody can resume sessions of it. */
typedef const char *server_block_find_file(void *context, const char *path);
MUST_USE bool server_block_read_tls(const struct config_server *config, const uint8_t *ticket_secret,
				    server_block_find_file *find, void *context, struct tls_context **tls,
				    struct error *error);

/* Calls `with` for each file that this reads, until one answers false; so is the answer then. */
typedef bool server_block_with_file(void *context, const char *path);
bool server_block_each_tls_file(const struct config_server *config, server_block_with_file *with, void *context);

/* Makes the table of clients that so many workers share, where one is needed; without it, no limit of clients holds. */
MUST_USE bool server_block_count_clients(struct server_block *block, unsigned workers, struct error *error);

/* Makes room for rules that are read anew, where there are list files, before the first worker. */
MUST_USE bool server_block_share_lists(struct server_block *block, struct error *error);

/* That worker is going to be started: it uses the present rules until it changes over. */
void server_block_expect_worker(struct server_block *block, unsigned worker);

/* That worker is dead: its connections count no more, and it uses no rules. */
void server_block_forget_worker(struct server_block *block, unsigned worker);

/* Does a connection from there begin with a PROXY header? */
static inline bool server_block_is_proxy(const struct server_block *block, const struct net_address *address)
{
	return block->proxies && radix_find(block->proxies, address) != RADIX_NO_RULE;
}

const struct smtp_profile *server_block_profile(const struct server_block *block, enum listener_mode mode);

#endif
