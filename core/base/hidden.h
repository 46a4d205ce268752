/* Memory that is in no core dump: for what may hold passwords for a moment. Whole pages, so for few and large pieces.
 *
 * Who puts a secret there wipes it all the same; this is for the moment between. */
#ifndef POSTERN_BASE_HIDDEN_H
#define POSTERN_BASE_HIDDEN_H

#include <stddef.h>

/* NULL: no memory. It is not zeroed, and begins at a page. */
void *hidden_allocate(size_t size);

/* NULL is allowed; the size is that of hidden_allocate(). */
void hidden_free(void *at, size_t size);

/* Hides whole pages that were mapped otherwise. */
void hidden_hide(void *at, size_t size);

#endif
