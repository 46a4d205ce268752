/* BoringSSL's error queue in words. The queue belongs to the thread, not to a session: whoever lets something fail
 * takes its error at once, so that the next one to look finds only its own. */
#ifndef POSTERN_CRYPTO_LIBRARY_ERROR_H
#define POSTERN_CRYPTO_LIBRARY_ERROR_H

#include <stddef.h>

enum { LIBRARY_ERROR_TEXT_BYTES = 128 };

/* The most telling error in the queue, as "wrong version number"; `otherwise` when there is none. Empties the queue. */
void library_error_take(char text[LIBRARY_ERROR_TEXT_BYTES], const char *otherwise);

#endif
