/* BoringSSL's error queue in words; see library_error.h. */
#include "crypto/library_error.h"

#include <openssl/err.h>

#include "core/base/slice.h"

void library_error_take(char text[LIBRARY_ERROR_TEXT_BYTES], const char *otherwise)
{
	uint32_t code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	if (!slice_to_text(slice_from_text(reason ? reason : otherwise), text, LIBRARY_ERROR_TEXT_BYTES))
		text[LIBRARY_ERROR_TEXT_BYTES - 1] = 0;
	/* BoringSSL's reasons are the constants' names: WRONG_VERSION_NUMBER. */
	for (char *at = text; reason && *at; at++)
		*at = *at == '_' ? ' ' : (char)ascii_lower((uint8_t)*at);
	ERR_clear_error();
}
