/* What the sessions of a server block share; see server_block.h. */
#include "core/server/server_block.h"

#include <errno.h>
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/server/server_policy.h"
#include "core/server/server_tls.h"
#include "crypto/secret.h"

enum { CLIENT_ENTRIES_PER_CONNECTION = 8 };

static struct smtp_profile make_profile(const struct config_server *config, enum listener_mode mode)
{
	return (struct smtp_profile){
		.hostname = slice_from_text(config->hostname),
		.mechanisms = config->mechanisms,
		.starttls = mode == LISTENER_STARTTLS,
		.plaintext_sign_in = config->plaintext_sign_in,
		.bare_lf_normalised = config->bare_lf_normalised,
		.message_size_bytes = config->limits.message_size,
		.recipients = config->limits.recipients,
		.errors = config->limits.errors,
	};
}

/* --- TLS --- */

bool server_block_read_tls(const struct config_server *config, const uint8_t *ticket_secret,
			   server_block_find_file *find, void *context, struct tls_context **tls, struct error *error)
{
	*tls = NULL;
	if (config->certificate_count == 0)
		return true;
	int line;
	*tls = server_tls_create(config, ticket_secret, find, context, &line, error);
	return *tls != NULL;
}

bool server_block_each_tls_file(const struct config_server *config, server_block_with_file *with, void *context)
{
	for (size_t i = 0; i < config->certificate_count; i++)
		if (!with(context, config->certificates[i].certificate) || !with(context, config->certificates[i].key))
			return false;
	return (!config->tls.ticket_secret || with(context, config->tls.ticket_secret)) &&
	       (!config->tls.client_ca || with(context, config->tls.client_ca)) &&
	       (!config->tls.client_crl || with(context, config->tls.client_crl));
}

static bool load_certificates(struct server_block *block, const uint8_t *ticket_secret, struct error *error)
{
	block->ticket_secret = secret_allocate(TLS_TICKET_SECRET_BYTES);
	if (!block->ticket_secret)
		return error_set(error, "no memory for TLS");
	memcpy(block->ticket_secret, ticket_secret, TLS_TICKET_SECRET_BYTES);
	return server_block_read_tls(block->config, ticket_secret, NULL, NULL, &block->tls, error);
}

/* --- the rest --- */

static bool make_proxies(struct server_block *block, struct error *error)
{
	const struct config_server *config = block->config;
	if (config->proxy_count == 0)
		return true;
	struct radix_builder builder;
	radix_builder_init(&builder);
	bool added = true;
	for (size_t i = 0; added && i < config->proxy_count; i++)
		added = radix_builder_add(&builder, &config->proxies[i].prefix, (uint32_t)i, 0);
	block->proxies = added ? radix_build(&builder, NULL, NULL) : NULL;
	radix_builder_finish(&builder);
	return block->proxies || error_set(error, "no memory for the proxies of server '%s'", config->name);
}

bool server_block_init(struct server_block *block, const struct config_server *config,
		       const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES], struct error *error)
{
	*block = (struct server_block){
		.config = config,
		.plain_profile = make_profile(config, LISTENER_PLAIN),
		.starttls_profile = make_profile(config, LISTENER_STARTTLS),
		.tls_profile = make_profile(config, LISTENER_TLS),
		.client_limits = {
			.per_address = config->connect.per_address,
			.per_network = config->connect.per_network,
			.rate = { config->connect.rate, config->connect.rate_ms * CLOCK_NS_PER_MS },
		},
	};
	bool judges = server_policy_make(&block->policy, config, error);
	block->takes_outsiders = judges && policy_takes_outsiders(&block->policy);
	if (judges && make_proxies(block, error) && load_certificates(block, ticket_secret, error))
		return true;
	server_block_finish(block);
	return false;
}

/* For all clients that can be there at once, whatever their networks, and as many times more that a set is hardly ever full
 * of open ones. Memory is taken as it is used. */
static uint32_t client_entries(uint32_t connections, unsigned workers)
{
	uint64_t entries = (uint64_t)connections * workers * CLIENT_ENTRIES_PER_CONNECTION;
	if (entries < LIMIT_CLIENTS_LEAST)
		return LIMIT_CLIENTS_LEAST;
	return entries < LIMIT_CLIENTS ? (uint32_t)entries : LIMIT_CLIENTS;
}

bool server_block_count_clients(struct server_block *block, unsigned workers, struct error *error)
{
	const struct client_limits *limits = &block->client_limits;
	if (!limits->per_address && !limits->per_network && !limits->rate.count)
		return true;
	struct clients_settings settings = {
		.entries = client_entries(block->config->limits.connections, workers),
		.workers = workers,
	};
	secret_random(settings.secret, sizeof settings.secret);
	block->clients_bytes = clients_bytes(&settings);
	void *memory = mmap(NULL, block->clients_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return error_set_errno(error, errno, "no memory to count the clients of server '%s'",
				       block->config->name);
	block->clients = clients_init(memory, &settings);
	return true;
}

bool server_block_share_lists(struct server_block *block, struct error *error)
{
	return block->config->connect.rules.file_count == 0 || shared_image_create(&block->lists, error);
}

void server_block_expect_worker(struct server_block *block, unsigned worker)
{
	if (block->lists.state)
		shared_image_expect(&block->lists, worker);
}

void server_block_forget_worker(struct server_block *block, unsigned worker)
{
	if (block->lists.state)
		shared_image_forget(&block->lists, worker);
	if (block->clients)
		clients_forget_worker(block->clients, worker);
}

void server_block_finish(struct server_block *block)
{
	if (block->clients)
		munmap(block->clients, block->clients_bytes);
	block->clients = NULL;
	policy_finish(&block->policy);
	shared_image_unmap(block->list_contents);
	block->list_contents = (struct slice){ NULL, 0 };
	shared_image_destroy(&block->lists);
	tls_context_destroy(block->tls);
	block->tls = NULL;
	secret_free(block->ticket_secret);
	block->ticket_secret = NULL;
	radix_destroy(block->proxies);
	block->proxies = NULL;
}

const struct smtp_profile *server_block_profile(const struct server_block *block, enum listener_mode mode)
{
	switch (mode) {
	case LISTENER_TLS:
		return &block->tls_profile;
	case LISTENER_STARTTLS:
		return &block->starttls_profile;
	case LISTENER_PLAIN:
		break;
	}
	return &block->plain_profile;
}
