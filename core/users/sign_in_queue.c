/* The fair queue of sign-in jobs; see sign_in_queue.h. */
#include "core/users/sign_in_queue.h"

#include <stdlib.h>

enum { TURNS_A_SLAB = 64 };

struct sign_in_turn {
	struct map_node node;
	struct list order;
	struct list same_size;
	struct list jobs;
	uint64_t network;
	size_t size;
};

bool sign_in_queue_init(struct sign_in_queue *queue, size_t most)
{
	*queue = (struct sign_in_queue){ .most = most };
	list_init(&queue->order);
	pool_init(&queue->pool, sizeof(struct sign_in_turn), TURNS_A_SLAB, most);
	secret_random(queue->key, sizeof queue->key);
	queue->by_size = malloc((most + 1) * sizeof *queue->by_size);
	if (!queue->by_size || !map_init(&queue->turns, 0)) {
		free(queue->by_size);
		*queue = (struct sign_in_queue){ .most = 0 };
		return false;
	}
	for (size_t size = 0; size <= most; size++)
		list_init(&queue->by_size[size]);
	return true;
}

void sign_in_queue_finish(struct sign_in_queue *queue)
{
	ASSERT(queue->size == 0);
	pool_finish(&queue->pool);
	map_finish(&queue->turns);
	free(queue->by_size);
	queue->by_size = NULL;
}

static uint64_t hash_network(const struct sign_in_queue *queue, uint64_t network)
{
	return secret_short_hash(queue->key, slice_of(&network, sizeof network));
}

static struct sign_in_turn *find_turn(const struct sign_in_queue *queue, uint64_t network)
{
	struct map_node *node = map_find(&queue->turns, hash_network(queue, network));
	for (; node; node = map_find_next(node)) {
		struct sign_in_turn *turn = CONTAINER_OF(node, struct sign_in_turn, node);
		if (turn->network == network)
			return turn;
	}
	return NULL;
}

static struct sign_in_turn *make_turn(struct sign_in_queue *queue, uint64_t network)
{
	struct sign_in_turn *turn = pool_take(&queue->pool);
	if (!turn)
		return NULL;
	turn->network = network;
	turn->size = 0;
	list_init(&turn->jobs);
	list_init(&turn->same_size);
	list_append(&queue->order, &turn->order);
	map_insert(&queue->turns, &turn->node, hash_network(queue, network));
	return turn;
}

/* Keeps `by_size` and `longest` right; a turn without jobs ends. */
static void resize_turn(struct sign_in_queue *queue, struct sign_in_turn *turn, size_t size)
{
	queue->size += size;
	queue->size -= turn->size;
	turn->size = size;
	list_remove(&turn->same_size);
	if (size > 0) {
		list_append(&queue->by_size[size], &turn->same_size);
	} else {
		list_remove(&turn->order);
		map_remove(&queue->turns, &turn->node);
		pool_give(&queue->pool, turn);
	}
	if (queue->longest < size)
		queue->longest = size;
	while (queue->longest > 0 && list_is_empty(&queue->by_size[queue->longest]))
		queue->longest--;
}

struct sign_in_waiting *sign_in_queue_victim(const struct sign_in_queue *queue, uint64_t network)
{
	const struct sign_in_turn *own = find_turn(queue, network);
	size_t size = own ? own->size : 0;
	/* With one more only, the two would just change places. */
	if (queue->longest < size + 2)
		return NULL;
	struct list *first = list_first(&queue->by_size[queue->longest]);
	struct sign_in_turn *turn = CONTAINER_OF(first, struct sign_in_turn, same_size);
	return CONTAINER_OF(turn->jobs.previous, struct sign_in_waiting, link);
}

bool sign_in_queue_add(struct sign_in_queue *queue, struct sign_in_waiting *waiting, uint64_t network)
{
	if (sign_in_queue_is_full(queue))
		return false;
	struct sign_in_turn *turn = find_turn(queue, network);
	if (!turn)
		turn = make_turn(queue, network);
	if (!turn)
		return false;
	waiting->network = network;
	waiting->turn = turn;
	list_append(&turn->jobs, &waiting->link);
	resize_turn(queue, turn, turn->size + 1);
	return true;
}

void sign_in_queue_remove(struct sign_in_queue *queue, struct sign_in_waiting *waiting)
{
	struct sign_in_turn *turn = waiting->turn;
	ASSERT(turn);
	waiting->turn = NULL;
	list_remove(&waiting->link);
	resize_turn(queue, turn, turn->size - 1);
}

struct sign_in_waiting *sign_in_queue_take(struct sign_in_queue *queue)
{
	struct list *first = list_first(&queue->order);
	if (!first)
		return NULL;
	struct sign_in_turn *turn = CONTAINER_OF(first, struct sign_in_turn, order);
	list_remove(&turn->order);
	list_append(&queue->order, &turn->order);
	struct sign_in_waiting *waiting = CONTAINER_OF(list_first(&turn->jobs), struct sign_in_waiting, link);
	sign_in_queue_remove(queue, waiting);
	return waiting;
}

void sign_in_queue_visit(const struct sign_in_queue *queue, uint64_t network, sign_in_queue_look *look)
{
	struct sign_in_turn *turn = find_turn(queue, network);
	struct list *node = turn ? turn->jobs.next : NULL;
	/* The turn ends with its last job. */
	for (bool last = !turn; !last;) {
		struct list *next = node->next;
		last = next == &turn->jobs;
		look(CONTAINER_OF(node, struct sign_in_waiting, link));
		node = next;
	}
}
