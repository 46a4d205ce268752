/* BoringSSL's error queue in words; see library_error.h. */
#include "crypto/library_error.h"

#include <openssl/err.h>

#include "core/base/slice.h"

/* What TLS says of it, which comes last; from elsewhere the first error, that is the cause of the others. */
static uint32_t most_telling(void)
{
	uint32_t last = ERR_peek_last_error();
	return ERR_GET_LIB(last) == ERR_LIB_SSL ? last : ERR_peek_error();
}

void library_error_take(char text[LIBRARY_ERROR_TEXT_BYTES], const char *otherwise)
{
	uint32_t code = most_telling();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	slice_to_text(slice_from_text(reason ? reason : otherwise), text, LIBRARY_ERROR_TEXT_BYTES);
	/* BoringSSL's reasons are the constants' names: WRONG_VERSION_NUMBER. */
	for (char *at = text; reason && *at; at++)
		*at = *at == '_' ? ' ' : (char)ascii_lower((uint8_t)*at);
	ERR_clear_error();
}
