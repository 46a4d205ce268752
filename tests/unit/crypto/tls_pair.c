/* Two TLS sessions joined in memory; see tls_pair.h. */
#include "tests/unit/crypto/tls_pair.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "crypto/secret.h"

uint64_t cpu_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void pair_init(struct pair *pair, struct tls_context *client, struct tls_context *server, const char *host, size_t step,
	       size_t capacity)
{
	pair->step = step;
	pair->client.session = tls_connect_create(client, host);
	pair->server.session = tls_accept_create(server);
	struct pair_end *ends[] = { &pair->client, &pair->server };
	for (size_t i = 0; i < 2; i++) {
		buffer_init(&ends[i]->output, ends[i]->storage, capacity);
		ends[i]->status = TLS_WANT_INPUT;
		ends[i]->cpu_ns = 0;
	}
}

void pair_finish(struct pair *pair)
{
	tls_session_destroy(pair->client.session);
	tls_session_destroy(pair->server.session);
}

static struct pair_end *other_end(struct pair *pair, const struct pair_end *end)
{
	return end == &pair->client ? &pair->server : &pair->client;
}

static struct tls_window window_of(struct pair *pair, struct pair_end *end)
{
	struct slice waiting = buffer_slice(&other_end(pair, end)->output);
	size_t size = waiting.size < pair->step ? waiting.size : pair->step;
	return (struct tls_window){ slice_first(waiting, size), &end->output };
}

static void consume_input(struct pair *pair, struct pair_end *end, const struct tls_window *window)
{
	struct buffer *waiting = &other_end(pair, end)->output;
	buffer_consume(waiting, (size_t)(window->input.data - waiting->data));
}

static bool is_waiting(const struct pair_end *end)
{
	return end->status == TLS_WANT_INPUT || end->status == TLS_WANT_OUTPUT;
}

/* True when bytes moved or the handshake ended. */
static bool handshake_once(struct pair *pair, struct pair_end *end)
{
	if (!is_waiting(end))
		return false;
	struct tls_window window = window_of(pair, end);
	size_t input_size = window.input.size, output_size = end->output.size;
	uint64_t before = cpu_now_ns();
	end->status = tls_handshake(end->session, &window);
	end->cpu_ns += cpu_now_ns() - before;
	bool moved = window.input.size != input_size || end->output.size != output_size;
	consume_input(pair, end, &window);
	return moved || !is_waiting(end);
}

/* A client that is done reads on, so that the server's tickets find room in a small buffer. */
static bool make_room(struct pair *pair)
{
	uint8_t unwanted[1];
	size_t got, waiting = pair->server.output.size;
	if (pair->client.status == TLS_OK && pair->server.status == TLS_WANT_OUTPUT)
		(void)!pair_read(pair, &pair->client, unwanted, sizeof unwanted, &got);
	return pair->server.output.size != waiting;
}

bool pair_handshake(struct pair *pair)
{
	bool moved;
	do {
		moved = handshake_once(pair, &pair->client);
		moved |= handshake_once(pair, &pair->server);
		moved |= make_room(pair);
	} while (moved);
	return pair->client.status == TLS_OK && pair->server.status == TLS_OK;
}

enum tls_status pair_read(struct pair *pair, struct pair_end *to, uint8_t *bytes, size_t capacity, size_t *got)
{
	struct tls_window window = window_of(pair, to);
	enum tls_status status = tls_read(to->session, &window, bytes, capacity, got);
	consume_input(pair, to, &window);
	return status;
}

bool pair_carries(struct pair *pair, struct pair_end *from, struct slice bytes)
{
	static uint8_t storage[TLS_WRITE_MOST_BYTES];
	struct tls_window window = { { NULL, 0 }, &from->output };
	if (tls_write(from->session, &window, bytes) != TLS_OK)
		return false;
	size_t size = 0;
	while (size < bytes.size) {
		size_t got;
		struct pair_end *to = other_end(pair, from);
		size_t waiting = from->output.size;
		enum tls_status status = pair_read(pair, to, storage + size, sizeof storage - size, &got);
		if (status != TLS_OK && (status != TLS_WANT_INPUT || from->output.size == waiting))
			return false;
		size += got;
	}
	return size == bytes.size && memcmp(storage, bytes.data, size) == 0;
}

void pair_take_tickets(struct pair *pair)
{
	uint8_t unwanted[1];
	size_t got;
	while (pair->server.output.size && pair_read(pair, &pair->client, unwanted, 1, &got) == TLS_WANT_INPUT)
		continue;
}

/* --- the folder --- */

static char folder[64];

const char *folder_path(const char *name)
{
	static char paths[4][PAIR_PATH_BYTES];
	static size_t turn;
	char *path = paths[turn++ % 4];
	snprintf(path, PAIR_PATH_BYTES, "%s/%s", folder, name);
	return path;
}

static bool make(const char *ca, const char *name, const char *const *names)
{
	char texts[4][PAIR_PATH_BYTES];
	const char *const bases[] = { ca, ca, name, name };
	const char *const ends[] = { "pem", "key", "pem", "key" };
	for (size_t i = 0; i < 4; i++)
		snprintf(texts[i], sizeof texts[i], "%s/%s.%s", folder, bases[i], ends[i]);
	struct certificate_files files = { texts[0], texts[1], texts[2], texts[3] };
	struct error error;
	if (certificate_make_private(&files, names, 30, &error))
		return true;
	fprintf(stderr, "%s\n", error.text);
	return false;
}

int folder_set_up(void **state)
{
	(void)state;
	const char *top = getenv("TMPDIR");
	snprintf(folder, sizeof folder, "%s/postern-tls-XXXXXX", top && strlen(top) < 32 ? top : "/tmp");
	static const char *const server[] = { "localhost", "127.0.0.1", "::1", NULL };
	static const char *const other[] = { "mail.example.org", NULL };
	static const char *const wild[] = { "*.example.net", NULL };
	bool made = secret_setup() && mkdtemp(folder) && make("ca", "server", server) && make("ca", "other", other) &&
		    make("ca", "wild", wild) && make("strange_ca", "strange", server);
	return made ? 0 : -1;
}

int folder_tear_down(void **state)
{
	(void)state;
	DIR *directory = opendir(folder);
	struct dirent *entry;
	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			unlink(folder_path(entry->d_name));
	if (directory)
		closedir(directory);
	return rmdir(folder);
}

struct tls_context *make_server(uint16_t version, uint8_t secret)
{
	struct tls_server_settings settings = {
		.certificate_file = folder_path("server.pem"),
		.key_file = folder_path("server.key"),
		.min_version = version ? version : TLS_VERSION_1_2,
		.max_version = version ? version : TLS_VERSION_1_3,
		.ticket_secret = { secret },
	};
	struct error error;
	struct tls_context *context = tls_server_context_create(&settings, &error);
	if (!context)
		fprintf(stderr, "%s\n", error.text);
	ASSERT(context);
	return context;
}

struct tls_context *make_client(uint16_t version, const char *ca, bool resume)
{
	struct tls_client_settings settings = {
		.ca_file = ca ? folder_path(ca) : NULL,
		.min_version = version ? version : TLS_VERSION_1_2,
		.max_version = version ? version : TLS_VERSION_1_3,
		.resume = resume,
	};
	struct error error;
	struct tls_context *context = tls_client_context_create(&settings, &error);
	if (!context)
		fprintf(stderr, "%s\n", error.text);
	ASSERT(context);
	return context;
}
