/* What the sessions of a server block share; see server_block.h. */
#include "core/server/server_block.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/policy/rules_image.h"
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

static bool load_certificates(struct server_block *block, const struct server_block_parts *parts, struct error *error)
{
	block->ticket_secret = secret_allocate(TLS_TICKET_SECRET_BYTES);
	if (!block->ticket_secret)
		return error_set(error, "no memory for TLS");
	memcpy(block->ticket_secret, parts->ticket_secret, TLS_TICKET_SECRET_BYTES);
	return server_block_read_tls(block->config, parts->ticket_secret, parts->find, parts->context, &block->tls,
				     error);
}

/* --- rules --- */

/* Replaces the rules; takes over the image. */
static bool take_image(struct server_block *block, struct slice image, struct error *error)
{
	struct policy_rules rules;
	if (!policy_rules_image_open(image, &rules)) {
		munmap((void *)(uintptr_t)image.data, image.size);
		return error_set(error, "server %s: no memory for rules", block->config->name);
	}
	policy_rules_finish(&block->policy.connect);
	if (block->image.size)
		munmap((void *)(uintptr_t)block->image.data, block->image.size);
	block->policy.connect = rules;
	block->image = image;
	return true;
}

bool server_block_change_rules(struct server_block *block, int fd, struct error *error)
{
	struct stat status;
	if (fstat(fd, &status) != 0 || status.st_size == 0)
		return error_set(error, "server %s: there are no rules", block->config->name);
	void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return error_set_errno(error, errno, "server %s: no memory for rules", block->config->name);
	return take_image(block, slice_of(memory, (size_t)status.st_size), error);
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

static bool make_policy(struct server_block *block, int rules_fd, struct error *error)
{
	if (rules_fd < 0)
		return server_policy_make(&block->policy, block->config, error);
	return server_policy_make_relay(&block->policy, block->config, error) &&
	       server_block_change_rules(block, rules_fd, error);
}

bool server_block_init(struct server_block *block, const struct config_server *config,
		       const struct server_block_parts *parts, struct error *error)
{
	*block = (struct server_block){
		.config = config,
		.place = config->place,
		.slot = config->place,
		.plain_profile = make_profile(config, LISTENER_PLAIN),
		.starttls_profile = make_profile(config, LISTENER_STARTTLS),
		.tls_profile = make_profile(config, LISTENER_TLS),
		.client_limits = {
			.per_address = config->connect.per_address,
			.per_network = config->connect.per_network,
			.rate = { config->connect.rate, config->connect.rate_ms * CLOCK_NS_PER_MS },
		},
		.clients_fd = -1,
	};
	bool judges = make_policy(block, parts->rules_fd, error);
	block->takes_outsiders = judges && policy_takes_outsiders(&block->policy);
	if (judges && make_proxies(block, error) && load_certificates(block, parts, error))
		return true;
	server_block_finish(block);
	return false;
}

/* --- clients --- */

/* For all clients that can be there at once, whatever their networks, and as many times more that a set is hardly ever full
 * of open ones. Memory is taken as it is used. */
static uint32_t client_entries(uint32_t connections, unsigned workers)
{
	uint64_t entries = (uint64_t)connections * workers * CLIENT_ENTRIES_PER_CONNECTION;
	if (entries < LIMIT_CLIENTS_LEAST)
		return LIMIT_CLIENTS_LEAST;
	return entries < LIMIT_CLIENTS ? (uint32_t)entries : LIMIT_CLIENTS;
}

bool server_block_counts_clients(const struct config_server *config)
{
	const struct config_connect *connect = &config->connect;
	return connect->per_address || connect->per_network || connect->rate;
}

static bool no_table(const struct server_block *block, int code, struct error *error)
{
	return error_set_errno(error, code, "no memory to count the clients of server '%s'", block->config->name);
}

bool server_block_share_clients(struct server_block *block, int fd, struct error *error)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return no_table(block, errno, error);
	size_t bytes = (size_t)status.st_size;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return no_table(block, errno, error);
	block->clients = memory;
	block->clients_bytes = bytes;
	return true;
}

bool server_block_count_clients(struct server_block *block, const struct server_block *before, unsigned workers,
				struct error *error)
{
	if (!server_block_counts_clients(block->config))
		return true;
	struct clients_settings settings = {
		.entries = client_entries(block->config->limits.connections, workers),
		.workers = workers,
	};
	bool goes_on = before && before->clients && before->clients_bytes == clients_bytes(&settings);
	block->clients_fd =
		goes_on ? fcntl(before->clients_fd, F_DUPFD_CLOEXEC, 0) : memfd_create("postern-clients", MFD_CLOEXEC);
	if (block->clients_fd < 0 || (!goes_on && ftruncate(block->clients_fd, (off_t)clients_bytes(&settings)) != 0))
		return no_table(block, errno, error);
	if (!server_block_share_clients(block, block->clients_fd, error))
		return false;
	secret_random(settings.secret, sizeof settings.secret);
	if (!goes_on)
		block->clients = clients_init(block->clients, &settings);
	return true;
}

void server_block_forget_worker(struct server_block *block, unsigned worker)
{
	if (block->clients)
		clients_forget_worker(block->clients, worker);
}

void server_block_finish(struct server_block *block)
{
	if (block->clients)
		munmap(block->clients, block->clients_bytes);
	block->clients = NULL;
	if (block->clients_fd >= 0)
		close(block->clients_fd);
	block->clients_fd = -1;
	policy_finish(&block->policy);
	if (block->image.size)
		munmap((void *)(uintptr_t)block->image.data, block->image.size);
	block->image = (struct slice){ NULL, 0 };
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
