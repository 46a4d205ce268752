/* Intrusive doubly-linked list: the node lives in its owner, the list owns nothing.
 *
 * A head and an unlinked node are both self-linked, so list_remove() is safe on a node that is in no list. */
#ifndef POSTERN_BASE_LIST_H
#define POSTERN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *previous;
};

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_after(struct list *at, struct list *node)
{
	node->previous = at;
	node->next = at->next;
	at->next->previous = node;
	at->next = node;
}

static inline void list_append(struct list *head, struct list *node)
{
	list_insert_after(head->previous, node);
}

static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

static inline struct list *list_first(const struct list *head)
{
	return list_is_empty(head) ? NULL : head->next;
}

/* Takes the first node out, or answers NULL. */
static inline struct list *list_take_first(struct list *head)
{
	struct list *node = list_first(head);
	if (node)
		list_remove(node);
	return node;
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->previous = to->previous;
	to->previous->next = from->next;
	from->previous->next = to;
	to->previous = from->previous;
	list_init(from);
}

#endif
