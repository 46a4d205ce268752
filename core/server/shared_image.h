/* Large read-only contents that one process makes while others run that use them: rules from list files.
 *
 * Two pieces of memory, made before the first fork() and reached by all processes: one holds the present contents, the other
 * takes the next ones. Whoever makes them writes there, as long as it likes and disturbing nobody; then the supervisor
 * publishes them, and each worker changes over when it next looks, which is one read of memory. A piece is written again
 * only after every worker has left it, so contents never change under anyone's feet, and there is one copy of them for all. */
#ifndef POSTERN_SERVER_SHARED_IMAGE_H
#define POSTERN_SERVER_SHARED_IMAGE_H

#include <stdatomic.h>

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

struct shared_image_state {
	_Atomic uint64_t generation;
	_Atomic uint64_t seen[LIMIT_WORKERS]; /* which each worker uses; 0: it does not run */
	uint64_t sizes[2];                    /* of the contents of even and odd ones, bytes */
};

/* Contents are counted from the next one on: what a process has before there are any is the first generation. */
enum { SHARED_IMAGE_FIRST = 1 };

struct shared_image {
	struct shared_image_state *state;
	int fds[2]; /* of even and odd generations */
};

/* False and `error`: no memory or descriptors; the image may be destroyed all the same. */
MUST_USE bool shared_image_create(struct shared_image *image, struct error *error);
void shared_image_destroy(struct shared_image *image);

/* --- the supervisor --- */

/* Has every worker left what the next contents will replace? */
bool shared_image_is_free(const struct shared_image *image);

/* What was written is what workers see from now on. */
void shared_image_publish(struct shared_image *image);

/* Before that worker is started, and when it has died. */
void shared_image_expect(struct shared_image *image, unsigned worker);
void shared_image_forget(struct shared_image *image, unsigned worker);

/* --- who makes contents: the supervisor or a child of its, one at a time and only while the image is free --- */

/* Memory for so many bytes, at least one, aligned as by mmap(2); NULL and `error`. It is given back by
 * shared_image_unmap(). */
void *shared_image_reserve(struct shared_image *image, size_t size, struct error *error);

/* --- a worker --- */

static inline uint64_t shared_image_generation(const struct shared_image *image)
{
	return atomic_load_explicit(&image->state->generation, memory_order_acquire);
}

/* The present contents, to be read alone, and their generation; empty where there are none, and with `error` where they can't
 * be mapped. */
struct slice shared_image_map(const struct shared_image *image, uint64_t *generation, struct error *error);
void shared_image_unmap(struct slice contents);

/* This worker has changed over to that generation and has nothing left of those before. */
void shared_image_settle(struct shared_image *image, unsigned worker, uint64_t generation);

#endif
