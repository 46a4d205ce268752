/* Checking a configuration and packing what is needed to serve it; see keeper_parts.h, and served.h for the order of things. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/server/data_folder.h"
#include "core/server/keeper_parts.h"
#include "core/server/served.h"
#include "core/server/server_policy.h"
#include "core/server/sockets.h"
#include "core/server/tls_contents.h"

/* A listener that went a moment ago may still be closing. */
enum { TRIES_TO_LISTEN = 10, TRY_AGAIN_US = 100000 };

enum { LISTS_NICENESS = 10 }; /* millions of rules take a while, and mail is more urgent */

/* --- refusing --- */

int keeper_file_of(const char *name, const char *text)
{
	size_t size = strlen(text);
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd >= 0 && write(fd, text, size) == (ssize_t)size)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

bool keeper_refuse(int socket, uint64_t generation, const char *text, struct error *error)
{
	int fd = keeper_file_of("postern-refused", text);
	if (fd < 0)
		return error_set_errno(error, errno, "no memory to tell what is wrong");
	struct parcel parcel = { .kind = PARCEL_REFUSED, .generation = generation, .count = 1, .fds = &fd };
	bool sent = parcel_send(socket, &parcel, error);
	close(fd);
	return sent;
}

/* One a line. */
static char *text_of(const struct config_problems *problems)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	for (size_t i = 0; stream && i < problems->count; i++)
		fprintf(stream, "%s\n", problems->list[i].text);
	if (stream && fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

static bool refuse(const struct packing *packing, const struct config_problems *problems, struct error *error)
{
	char *text = text_of(problems);
	bool sent = keeper_refuse(packing->socket, packing->generation, text ? text : "there is no memory to check it",
				  error);
	free(text);
	return sent;
}

/* --- packing --- */

static bool add(struct parcel *parcel, int fd)
{
	if (fd >= 0)
		parcel->fds[parcel->count++] = fd;
	return fd >= 0;
}

static int make_rules(const struct config_server *server, struct error *error)
{
	struct policy policy;
	if (!server_policy_make(&policy, server, error))
		return -1;
	int fd = memfd_create("postern-lists", MFD_CLOEXEC);
	bool good = fd >= 0 ? server_policy_write_rules(&policy.connect, fd, error)
			    : error_set_errno(error, errno, "no memory for rules of lists");
	policy_finish(&policy);
	if (!good && fd >= 0)
		close(fd);
	return good ? fd : -1;
}

static bool add_rules(struct parcel *parcel, const struct config *config, struct error *error)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (config->servers[i].connect.rules.file_count && !add(parcel, make_rules(&config->servers[i], error)))
			return false;
	return true;
}

static bool has_lists(const struct config *config)
{
	size_t count = 0;
	for (size_t i = 0; i < config->server_count; i++)
		count += config->servers[i].connect.rules.file_count;
	return count > 0;
}

static bool has_port_of(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	return a->ss_family == AF_INET6
		       ? ((const struct sockaddr_in6 *)a)->sin6_port == ((const struct sockaddr_in6 *)b)->sin6_port
		       : ((const struct sockaddr_in *)a)->sin_port == ((const struct sockaddr_in *)b)->sin_port;
}

/* Is there a listener already at one of all addresses, or at all of which this is one? */
static bool is_beside(const struct config *before, const struct config_listener *listener)
{
	const struct config_listener *had;
	for (size_t i = 0; (had = served_listener(before, i, NULL)); i++)
		if (has_port_of(&had->address, &listener->address))
			return true;
	return false;
}

static bool open_listener(const struct config_server *server, const struct config_listener *listener,
			  const struct sockets_wanted *wanted, int *fds, struct error *error)
{
	for (int left = TRIES_TO_LISTEN; left > 0; left--) {
		if (sockets_open_listener(server, listener, wanted, fds, error))
			return true;
		for (unsigned copy = 0; copy < wanted->copies; copy++) {
			if (fds[copy * wanted->apart] >= 0)
				close(fds[copy * wanted->apart]);
			fds[copy * wanted->apart] = -1;
		}
		usleep(TRY_AGAIN_US);
	}
	return false;
}

/* The parcel has room for them. */
static bool add_sockets(struct parcel *parcel, const struct config *config, const struct config *before,
			size_t new_ones, struct error *error)
{
	int *fds = parcel->fds + parcel->count;
	size_t block;
	const struct config_listener *listener;
	for (size_t i = 0; i < new_ones * config->workers; i++)
		fds[i] = -1;
	for (size_t i = 0; (listener = served_listener(config, i, &block)); i++) {
		if (served_listener_before(before, config, i) >= 0)
			continue;
		struct sockets_wanted wanted = { config->workers, new_ones, is_beside(before, listener) };
		if (!open_listener(&config->servers[block], listener, &wanted, fds++, error))
			return false;
	}
	parcel->count += (uint32_t)(new_ones * config->workers);
	return true;
}

/* What is left open at the end ends with the process. */
static bool pack(const struct packing *packing, const struct config *config, struct error *error)
{
	struct run_as run_as;
	size_t new_ones = served_new_listeners(packing->before, config);
	struct parcel parcel = { .kind = PARCEL_CONFIG, .generation = packing->generation };
	parcel.fds = malloc((served_files(config, false) + new_ones * config->workers) * sizeof *parcel.fds);
	if (!parcel.fds)
		return error_set(error, "no memory to hand the configuration over");
	if (has_lists(config) && nice(LISTS_NICENESS) < 0)
		errno = 0;
	bool good = run_as_find(config, &run_as, error) && data_folder_prepare(config, &run_as, error) &&
		    add(&parcel, packing->text_fd) && add(&parcel, tls_contents_write(config, error)) &&
		    add_rules(&parcel, config, error) &&
		    add_sockets(&parcel, config, packing->before, new_ones, error) &&
		    parcel_send(packing->socket, &parcel, error);
	free(parcel.fds);
	return good;
}

int keeper_pack(const struct packing *packing)
{
	struct config_problems problems = { 0 };
	struct error error = { "" };
	struct config *config = config_examine_change(packing->text, packing->before, &problems);
	bool sent = config ? pack(packing, config, &error) ||
				     keeper_refuse(packing->socket, packing->generation, error.text, &error)
			   : refuse(packing, &problems, &error);
	config_free(config);
	config_problems_free(&problems);
	return sent ? EXIT_SUCCESS : EXIT_FAILURE;
}
