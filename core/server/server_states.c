/* The memory behind the states of server blocks; see server_states.h. */
#include "core/server/server_states.h"

#include <errno.h>
#include <sys/mman.h>

struct server_states *server_states_create(struct error *error)
{
	void *memory =
		mmap(NULL, sizeof(struct server_states), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED)
		return memory;
	error_set_errno(error, errno, "no memory for the states of servers");
	return NULL;
}

void server_states_destroy(struct server_states *states)
{
	if (states)
		munmap(states, sizeof *states);
}

uint64_t server_states_all_sessions(const struct server_states *states, size_t server)
{
	uint64_t all = 0;
	for (unsigned worker = 0; worker < LIMIT_WORKERS; worker++)
		all += server_states_sessions(states, worker, server);
	return all;
}

static void add(uint64_t *sum, const _Atomic(uint64_t) *count)
{
	*sum += atomic_load_explicit(count, memory_order_relaxed);
}

struct server_states_sign_ins server_states_all_sign_ins(const struct server_states *states)
{
	struct server_states_sign_ins all = { 0 };
	for (unsigned worker = 0; worker < LIMIT_WORKERS; worker++) {
		const struct sign_in_counts *counts = &states->workers[worker].sign_ins;
		add(&all.remembered, &counts->remembered);
		add(&all.hashed, &counts->hashed);
		add(&all.refused, &counts->refused);
		add(&all.left, &counts->left);
		add(&all.turned_away, &counts->turned_away);
		add(&all.waiting, &counts->waiting);
	}
	return all;
}

void server_states_forget_worker(struct server_states *states, unsigned worker)
{
	atomic_store_explicit(&states->workers[worker].sign_ins.waiting, 0, memory_order_relaxed);
	for (size_t server = 0; server < LIMIT_SERVERS; server++)
		atomic_store_explicit(&states->workers[worker].sessions[server], 0, memory_order_relaxed);
}
