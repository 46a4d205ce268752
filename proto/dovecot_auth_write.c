/* What is sent to Dovecot's auth service; see dovecot_auth.h. */
#include "proto/base64.h"
#include "proto/dovecot_auth.h"

/* Values are cut off the line by these; the escape byte stands before what replaces them. */
static uint8_t escaped(uint8_t byte)
{
	switch (byte) {
	case 0:
		return '0';
	case 1:
		return '1';
	case '\t':
		return 't';
	case '\r':
		return 'r';
	case '\n':
		return 'n';
	default:
		return 0;
	}
}

static void append_value(struct buffer *out, struct slice value)
{
	for (size_t i = 0; i < value.size; i++) {
		uint8_t instead = escaped(value.data[i]);
		if (instead)
			buffer_append_byte(out, 1);
		buffer_append_byte(out, instead ? instead : value.data[i]);
	}
}

static void append_field(struct buffer *out, const char *key, struct slice value)
{
	if (!value.size)
		return;
	buffer_append_text(out, key);
	append_value(out, value);
}

/* 0 is none. */
static void append_number_field(struct buffer *out, const char *key, uint64_t value)
{
	if (!value)
		return;
	buffer_append_text(out, key);
	buffer_append_number(out, value);
}

/* Ends the line that began at `start`, or takes it back. */
static bool end_line(struct buffer *out, size_t start)
{
	buffer_append_byte(out, '\n');
	if (!out->overflow && out->size - start <= LIMIT_DOVECOT_LINE_BYTES)
		return true;
	explicit_bzero(out->data + start, out->size - start);
	out->size = start;
	out->overflow = false;
	return false;
}

bool dovecot_auth_write_greeting(struct buffer *out, uint32_t process)
{
	size_t start = out->size;
	buffer_append_text(out, "VERSION\t1\t2\nCPID\t");
	buffer_append_number(out, process);
	return end_line(out, start);
}

/* The response has to come last. */
bool dovecot_auth_write_request(struct buffer *out, const struct dovecot_auth_request *request)
{
	size_t start = out->size;
	ASSERT(request->id != 0);
	buffer_append_text(out, "AUTH\t");
	buffer_append_number(out, request->id);
	append_field(out, "\t", slice_from_text(request->mechanism));
	/* How often one may guess is told apart here, by client; Dovecot sees us alone. */
	buffer_append_text(out, "\tservice=smtp\tno-penalty");
	if (request->inside_tls)
		buffer_append_text(out, "\tsecured=tls");
	append_number_field(out, "\tsession=", request->session);
	append_field(out, "\tlip=", request->server);
	append_field(out, "\trip=", request->client);
	append_number_field(out, "\tlport=", request->server_port);
	append_number_field(out, "\trport=", request->client_port);
	append_field(out, "\tvalid-client-cert\tcert_username=", request->certificate_name);
	if (request->has_response) {
		buffer_append_text(out, "\tresp=");
		base64_encode(out, request->response);
	}
	return end_line(out, start);
}

bool dovecot_auth_write_response(struct buffer *out, uint32_t id, struct slice response)
{
	size_t start = out->size;
	buffer_append_text(out, "CONT\t");
	buffer_append_number(out, id);
	buffer_append_byte(out, '\t');
	base64_encode(out, response);
	return end_line(out, start);
}

bool dovecot_auth_write_cancel(struct buffer *out, uint32_t id)
{
	size_t start = out->size;
	buffer_append_text(out, "CANCEL\t");
	buffer_append_number(out, id);
	return end_line(out, start);
}
