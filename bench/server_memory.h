/* Memory that a server's processes hold together. */
#ifndef POSTERN_BENCH_SERVER_MEMORY_H
#define POSTERN_BENCH_SERVER_MEMORY_H

#include "bench/process_tree.h"

struct server_memory {
	uint64_t bytes;
	bool shared_once; /* pages that several processes share are counted once (PSS); else in each (RSS) */
};

/* Refreshes the tree and adds up. */
MUST_USE bool server_memory_read(struct process_tree *tree, struct server_memory *memory, struct error *error);

#endif
