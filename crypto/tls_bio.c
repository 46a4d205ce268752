/* The window BIO: BoringSSL reads from the input slice and writes to the output buffer of the call that is running.
 *
 * It holds no bytes and no state of a session. BoringSSL reads a record's header, then exactly the rest of it, so what
 * is left in the input always begins a record or continues one. */
#include "crypto/tls_internal.h"

static int window_read(BIO *bio, char *to, int capacity)
{
	BIO_clear_retry_flags(bio);
	struct tls_session *session = BIO_get_data(bio);
	if (!session || capacity <= 0)
		return -1;
	struct slice *input = &session->window->input;
	if (input->size == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t size = input->size < (size_t)capacity ? input->size : (size_t)capacity;
	memcpy(to, input->data, size);
	session->record_at = to;
	*input = slice_skip(*input, size);
	return (int)size;
}

static int window_write(BIO *bio, const char *from, int count)
{
	BIO_clear_retry_flags(bio);
	struct tls_session *session = BIO_get_data(bio);
	if (!session || count <= 0)
		return -1;
	struct buffer *output = session->window->output;
	size_t room = buffer_room(output);
	if (room == 0) {
		BIO_set_retry_write(bio);
		return -1;
	}
	size_t size = room < (size_t)count ? room : (size_t)count;
	buffer_append(output, slice_of(from, size));
	return (int)size;
}

/* There is nothing to flush: what was written is with the caller already. */
static long window_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* Made once, kept for the life of the process. */
static const BIO_METHOD *window_method(void)
{
	static BIO_METHOD *method;
	if (method)
		return method;
	BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "window");
	if (made && BIO_meth_set_read(made, window_read) && BIO_meth_set_write(made, window_write) &&
	    BIO_meth_set_ctrl(made, window_control))
		method = made;
	else
		BIO_meth_free(made);
	return method;
}

BIO *tls_window_bio_create(void)
{
	const BIO_METHOD *method = window_method();
	BIO *bio = method ? BIO_new(method) : NULL;
	if (bio)
		BIO_set_init(bio, 1);
	return bio;
}

void tls_window_bio_attach(BIO *bio, struct tls_session *session)
{
	BIO_set_data(bio, session);
}

struct tls_session *tls_window_bio_session(BIO *bio)
{
	return BIO_get_data(bio);
}
