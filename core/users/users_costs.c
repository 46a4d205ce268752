/* The tally of costs, and its bytes; see users_costs.h. Knows nothing of LMDB. */
#include "core/users/users_costs.h"

static struct users_cost *find(struct users_costs *costs, const struct password_cost *cost)
{
	for (unsigned i = 0; i < costs->count; i++)
		if (password_cost_equal(&costs->rows[i].cost, cost))
			return &costs->rows[i];
	return NULL;
}

/* One row is kept for the usual cost, so that a new password can always be set. */
static bool has_room(struct users_costs *costs, const struct password_cost *cost)
{
	struct password_cost usual = password_usual_cost();
	unsigned kept = password_cost_equal(cost, &usual) || find(costs, &usual) ? 0 : 1;
	return costs->count + kept < LIMIT_HASH_COSTS;
}

bool users_costs_add(struct users_costs *costs, const char *hash)
{
	struct password_cost cost;
	if (!password_cost_of(hash, &cost))
		return true;
	struct users_cost *row = find(costs, &cost);
	if (!row && !has_room(costs, &cost))
		return false;
	if (!row) {
		row = &costs->rows[costs->count++];
		*row = (struct users_cost){ cost, 0 };
	}
	row->users++;
	return true;
}

void users_costs_remove(struct users_costs *costs, const char *hash)
{
	struct password_cost cost;
	struct users_cost *row = password_cost_of(hash, &cost) ? find(costs, &cost) : NULL;
	if (row && --row->users == 0)
		*row = costs->rows[--costs->count];
}

void users_costs_encode(struct buffer *out, const struct users_costs *costs)
{
	buffer_append_le(out, costs->count, 1);
	for (unsigned i = 0; i < costs->count; i++) {
		buffer_append_le(out, costs->rows[i].cost.kind, 1);
		buffer_append_le(out, costs->rows[i].cost.memory_kib, 4);
		buffer_append_le(out, costs->rows[i].cost.passes, 4);
		buffer_append_le(out, costs->rows[i].users, 8);
	}
}

bool users_costs_decode(struct cursor *cursor, struct users_costs *costs)
{
	costs->count = cursor->rest.size > 0 ? cursor_take_u8(cursor) : 0;
	if (costs->count > LIMIT_HASH_COSTS)
		return false;
	for (unsigned i = 0; i < costs->count; i++) {
		struct users_cost *row = &costs->rows[i];
		row->cost.kind = cursor_take_u8(cursor);
		row->cost.memory_kib = cursor_take_u32le(cursor);
		row->cost.passes = cursor_take_u32le(cursor);
		row->users = cursor_take_u64le(cursor);
	}
	return cursor_ok(cursor) && cursor->rest.size == 0;
}
