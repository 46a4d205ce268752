/* A lock in memory that several processes share, for the few nanoseconds of a change there, never over a system call.
 *
 * Its holder may be killed or stopped while he has it. So nobody waits for it longer than some 50 µs, and whoever waits must do
 * without what it guards then; and who knows that a holder is dead frees what was his. */
#ifndef POSTERN_BASE_SHARED_LOCK_H
#define POSTERN_BASE_SHARED_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* 0: free; else the number of its holder, a worker, and 1. */
struct shared_lock {
	atomic_uint holder;
};

enum { SHARED_LOCK_PAUSES = 2000 };

/* Some 25 ns in which the processor leaves its resources to others. */
static inline void shared_lock_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb");
#endif
}

/* False: somebody holds it far too long. */
static inline bool shared_lock_take(struct shared_lock *lock, uint32_t worker)
{
	for (int i = 0; i < SHARED_LOCK_PAUSES; i++) {
		unsigned expected = 0;
		if (atomic_load_explicit(&lock->holder, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong_explicit(&lock->holder, &expected, worker + 1, memory_order_acquire,
							    memory_order_relaxed))
			return true;
		shared_lock_pause();
	}
	return false;
}

static inline void shared_lock_free(struct shared_lock *lock)
{
	atomic_store_explicit(&lock->holder, 0, memory_order_release);
}

/* That worker is dead. */
static inline void shared_lock_forget(struct shared_lock *lock, uint32_t worker)
{
	if (atomic_load_explicit(&lock->holder, memory_order_relaxed) == worker + 1)
		shared_lock_free(lock);
}

#endif
