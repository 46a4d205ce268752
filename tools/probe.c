/* A client that waits; see probe.h. */
#include "tools/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/users/sign_in_client.h"
#include "crypto/secret.h"
#include "proto/sasl.h"

/* --- bytes --- */

/* True: it may be read or written, or has failed, which the next call tells. */
static bool await_socket(struct probe *probe, short events, struct error *error)
{
	struct pollfd wait = { .fd = probe->fd, .events = events };
	int ready;
	do
		ready = poll(&wait, 1, (int)probe->target->timeout_ms);
	while (ready < 0 && errno == EINTR);
	probe->silent = ready == 0;
	if (ready > 0)
		return true;
	return ready ? error_set_errno(error, errno, "waiting for the server")
		     : error_set(error, "the server says nothing for %u s", probe->target->timeout_ms / 1000);
}

static bool send_raw(struct probe *probe, struct slice bytes, struct error *error)
{
	while (bytes.size) {
		ssize_t sent = send(probe->fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0)
			bytes = slice_skip(bytes, (size_t)sent);
		else if (errno != EAGAIN && errno != EINTR)
			return error_set_errno(error, errno, "sending");
		else if (!await_socket(probe, POLLOUT, error))
			return false;
	}
	return true;
}

static bool receive_raw(struct probe *probe, struct error *error)
{
	if (!await_socket(probe, POLLIN, error))
		return false;
	ssize_t got = recv(probe->fd, probe->raw + probe->raw_size, sizeof probe->raw - probe->raw_size, 0);
	if (got < 0)
		return error_set_errno(error, errno, "receiving");
	if (got == 0)
		return error_set(error, "the server has closed the connection");
	probe->raw_size += (size_t)got;
	return true;
}

/* What TLS did not need yet stays in front. */
static void keep_raw(struct probe *probe, struct slice rest)
{
	if (rest.size)
		memmove(probe->raw, rest.data, rest.size);
	probe->raw_size = rest.size;
}

static bool decrypt(struct probe *probe, struct error *error)
{
	uint8_t storage[1024];
	struct buffer output;
	for (;;) {
		buffer_init(&output, storage, sizeof storage);
		struct tls_window window = { slice_of(probe->raw, probe->raw_size), &output };
		enum tls_status status =
			tls_read(probe->tls, &window, probe->text, sizeof probe->text, &probe->text_size);
		keep_raw(probe, window.input);
		if (output.size && !send_raw(probe, buffer_slice(&output), error))
			return false;
		if (status == TLS_OK)
			return true;
		if (status == TLS_CLOSED)
			return error_set(error, "the server has closed the connection");
		if (status == TLS_FAILED)
			return error_set(error, "TLS: %s", tls_session_error(probe->tls));
		if (status == TLS_WANT_INPUT && !receive_raw(probe, error))
			return false;
	}
}

/* More text, where there is none. */
static bool receive(struct probe *probe, struct error *error)
{
	probe->text_at = probe->text_size = 0;
	if (probe->tls)
		return decrypt(probe, error);
	if (probe->raw_size == 0 && !receive_raw(probe, error))
		return false;
	size_t size = probe->raw_size < sizeof probe->text ? probe->raw_size : sizeof probe->text;
	memcpy(probe->text, probe->raw, size);
	probe->text_size = size;
	keep_raw(probe, slice_skip(slice_of(probe->raw, probe->raw_size), size));
	return true;
}

bool probe_send(struct probe *probe, struct slice bytes, struct error *error)
{
	if (!probe->tls)
		return send_raw(probe, bytes, error);
	uint8_t storage[4096 + TLS_WRITE_OVERHEAD_BYTES];
	while (bytes.size) {
		struct buffer output;
		buffer_init(&output, storage, sizeof storage);
		struct tls_window window = { slice_of(probe->raw, probe->raw_size), &output };
		struct slice piece = slice_first(bytes, bytes.size < 4096 ? bytes.size : 4096);
		if (tls_write(probe->tls, &window, piece) != TLS_OK)
			return error_set(error, "TLS: %s", tls_session_error(probe->tls));
		if (!send_raw(probe, buffer_slice(&output), error))
			return false;
		bytes = slice_skip(bytes, piece.size);
	}
	return true;
}

/* --- connecting --- */

static bool bind_to(const struct probe *probe, struct error *error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *address;
	if (getaddrinfo(probe->target->source, NULL, &hints, &address) != 0)
		return error_set(error, "%s is no address", probe->target->source);
	int code = bind(probe->fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
	freeaddrinfo(address);
	return code == 0 || error_set_errno(error, code, "coming from %s", probe->target->source);
}

static bool connect_to(struct probe *probe, const struct addrinfo *address, struct error *error)
{
	probe->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe->fd < 0)
		return error_set_errno(error, errno, "making a socket");
	if (probe->target->source && !bind_to(probe, error)) {
		close(probe->fd);
		return false;
	}
	int code = connect(probe->fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
	socklen_t size = sizeof code;
	if (code == EINPROGRESS) {
		if (!await_socket(probe, POLLOUT, error)) {
			close(probe->fd);
			return false;
		}
		(void)!getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &code, &size);
	}
	if (code == 0)
		return true;
	close(probe->fd);
	return error_set_errno(error, code, "connecting to %s port %s", probe->target->host, probe->target->port);
}

static bool connect_to_any(struct probe *probe, struct error *error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *addresses;
	int code = getaddrinfo(probe->target->host, probe->target->port, &hints, &addresses);
	if (code)
		return error_set(error, "%s port %s: %s", probe->target->host, probe->target->port, gai_strerror(code));
	bool connected = false;
	for (const struct addrinfo *address = addresses; address && !connected; address = address->ai_next)
		connected = connect_to(probe, address, error);
	freeaddrinfo(addresses);
	return connected;
}

bool probe_start_tls(struct probe *probe, struct error *error)
{
	uint8_t storage[8192];
	struct buffer output;
	if (probe->text_at < probe->text_size || probe->raw_size)
		return error_set(error, "the server spoke before the handshake");
	probe->tls = tls_connect_create(probe->target->context, probe->target->name);
	if (!probe->tls)
		return error_set(error, "no memory for TLS");
	for (;;) {
		buffer_init(&output, storage, sizeof storage);
		struct tls_window window = { slice_of(probe->raw, probe->raw_size), &output };
		enum tls_status status = tls_handshake(probe->tls, &window);
		keep_raw(probe, window.input);
		if (output.size && !send_raw(probe, buffer_slice(&output), error))
			return false;
		if (status == TLS_OK)
			return true;
		if (status == TLS_FAILED || status == TLS_CLOSED)
			return error_set(error, "TLS handshake: %s", tls_session_error(probe->tls));
		if (status == TLS_WANT_INPUT && !receive_raw(probe, error))
			return false;
	}
}

bool probe_connect(struct probe *probe, const struct probe_target *target, struct error *error)
{
	memset(probe, 0, sizeof *probe);
	probe->target = target;
	if (!connect_to_any(probe, error))
		return false;
	if ((target->proxy_header.size == 0 || send_raw(probe, target->proxy_header, error)) &&
	    (target->security != PROBE_TLS || probe_start_tls(probe, error)))
		return true;
	tls_session_destroy(probe->tls);
	close(probe->fd);
	return false;
}

void probe_close(struct probe *probe)
{
	struct error error;
	uint8_t storage[64 + TLS_WRITE_OVERHEAD_BYTES];
	struct buffer output;
	buffer_init(&output, storage, sizeof storage);
	(void)!probe_send(probe, SLICE_LITERAL("QUIT\r\n"), &error);
	if (probe->tls) {
		struct tls_window window = { slice_of(NULL, 0), &output };
		tls_close(probe->tls, &window);
		(void)!send_raw(probe, buffer_slice(&output), &error);
	}
	tls_session_destroy(probe->tls);
	close(probe->fd);
	secret_wipe(probe, sizeof *probe);
	probe->fd = -1;
}

/* --- SMTP --- */

bool probe_await(struct probe *probe, struct error *error)
{
	for (;;) {
		struct slice text = slice_of(probe->text + probe->text_at, probe->text_size - probe->text_at);
		if (text.size == 0) {
			if (!receive(probe, error))
				return false;
			continue;
		}
		size_t consumed;
		enum smtp_client_status status = smtp_client_read(&probe->reply, text, &consumed);
		probe->text_at += consumed;
		if (status == SMTP_CLIENT_REPLY)
			return true;
		if (status == SMTP_CLIENT_MALFORMED)
			return error_set(error, "what the server says is not SMTP");
	}
}

bool probe_ask(struct probe *probe, const char *command, struct error *error)
{
	uint8_t storage[LIMIT_COMMAND_LINE_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	if (!smtp_client_command(&out, command))
		return error_set(error, "a command that is too long");
	return probe_send(probe, buffer_slice(&out), error) && probe_await(probe, error);
}

void probe_reply_text(const struct probe *probe, struct buffer *text)
{
	const struct smtp_client_reply *reply = &probe->reply;
	buffer_append_number(text, reply->code);
	buffer_append_byte(text, ' ');
	if (reply->enhanced_class) {
		buffer_append_number(text, reply->enhanced_class);
		buffer_append_byte(text, '.');
		buffer_append_number(text, reply->enhanced_subject);
		buffer_append_byte(text, '.');
		buffer_append_number(text, reply->enhanced_detail);
		buffer_append_byte(text, ' ');
	}
	buffer_append(text, smtp_client_reply_text(reply));
}

/* Is the reply of this class? Else `error` says what came instead. */
static bool is_good(const struct probe *probe, unsigned class, const char *to_what, struct error *error)
{
	char storage[LIMIT_CLIENT_TEXT_BYTES + 32] = { 0 };
	struct buffer text;
	if (probe->reply.code / 100 == class)
		return true;
	buffer_init(&text, (uint8_t *)storage, sizeof storage - 1);
	probe_reply_text(probe, &text);
	return error_set(error, "%s: %s", to_what, storage);
}

static bool say_ehlo(struct probe *probe, struct error *error)
{
	uint8_t storage[LIMIT_COMMAND_LINE_BYTES];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	if (!smtp_client_ehlo(&out, slice_from_text(probe->target->client_name)))
		return error_set(error, "a client's name that can't be sent");
	return probe_send(probe, buffer_slice(&out), error) && probe_await(probe, error) &&
	       is_good(probe, 2, "EHLO", error);
}

bool probe_introduce(struct probe *probe, struct error *error)
{
	if (!probe_await(probe, error) || !is_good(probe, 2, "greeting", error) || !say_ehlo(probe, error))
		return false;
	if (probe->target->security != PROBE_STARTTLS)
		return true;
	if (!(probe->reply.extensions & SMTP_EXTENSION_STARTTLS))
		return error_set(error, "STARTTLS is not offered");
	return probe_ask(probe, "STARTTLS", error) && is_good(probe, 2, "STARTTLS", error) &&
	       probe_start_tls(probe, error) && say_ehlo(probe, error);
}

/* --- signing in --- */

enum { RESPONSE_BYTES = LIMIT_SASL_RESPONSE_BYTES };

static bool send_auth(struct probe *probe, struct sign_in_client *client, struct error *error)
{
	uint8_t response_storage[RESPONSE_BYTES], storage[LIMIT_AUTH_LINE_BYTES];
	struct buffer response, out;
	bool given;
	buffer_init(&response, response_storage, sizeof response_storage);
	buffer_init(&out, storage, sizeof storage);
	bool good = sign_in_client_begin(client, &response, &given, error);
	struct slice initial = buffer_slice(&response);
	if (good && !smtp_client_auth(&out, sasl_mechanism_name(client->mechanism), given ? &initial : NULL))
		good = error_set(error, "name and password are too long for one line");
	good = good && probe_send(probe, buffer_slice(&out), error) && probe_await(probe, error);
	secret_wipe(response_storage, response.size);
	secret_wipe(storage, out.size);
	return good;
}

static bool answer_challenge(struct probe *probe, struct sign_in_client *client, struct error *error)
{
	uint8_t challenge_storage[LIMIT_CLIENT_LINE_BYTES], response_storage[RESPONSE_BYTES],
		storage[LIMIT_AUTH_LINE_BYTES];
	struct buffer challenge, response, out;
	buffer_init(&challenge, challenge_storage, sizeof challenge_storage);
	buffer_init(&response, response_storage, sizeof response_storage);
	buffer_init(&out, storage, sizeof storage);
	bool good = smtp_client_challenge(&probe->reply, &challenge) ||
		    error_set(error, "a challenge that is not base64, or too long");
	good = good && sign_in_client_answer(client, buffer_slice(&challenge), &response, error);
	if (good && !smtp_client_response(&out, buffer_slice(&response)))
		good = error_set(error, "a response that is too long for one line");
	good = good && probe_send(probe, buffer_slice(&out), error) && probe_await(probe, error);
	secret_wipe(response_storage, response.size);
	secret_wipe(storage, out.size);
	return good;
}

bool probe_sign_in(struct probe *probe, unsigned mechanism, struct slice name, struct slice password,
		   struct error *error)
{
	struct sign_in_client client = {
		.mechanism = mechanism,
		.name = name,
		.password = password,
		.tls = probe->tls,
	};
	struct error cancelled;
	bool good = send_auth(probe, &client, error);
	while (good && probe->reply.code == 334)
		good = answer_challenge(probe, &client, error);
	if (good && probe->reply.code == 235 && !sign_in_client_is_content(&client))
		good = error_set(error, "the server has not proved that it knows the password");
	if (!good && probe->reply.code == 334)
		(void)!probe_ask(probe, "*", &cancelled);
	sign_in_client_end(&client);
	return good;
}
