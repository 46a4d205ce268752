/* The resolver that a test answers for; see fake_resolver.h. */
#include "tests/unit/dns/fake_resolver.h"

#include <stdlib.h>
#include <string.h>

struct resolver {
	bool there;
};

static struct resolver the_one;
static struct fake_query asked[LIMIT_REVERSE_QUERIES];
static size_t count;
static bool holding;

struct resolver *resolver_create(struct loop *loop, const struct resolver_settings *settings, struct error *error)
{
	(void)loop, (void)settings, (void)error;
	ASSERT(!the_one.there);
	the_one.there = true;
	count = 0;
	holding = false;
	return &the_one;
}

void resolver_destroy(struct resolver *resolver)
{
	if (!resolver)
		return;
	while (count)
		fake_answer(0, slice_of(NULL, 0));
	resolver->there = false;
}

void resolver_ask(struct resolver *resolver, struct resolver_query *query, const char *name, enum dns_type type,
		  resolver_answered *answered)
{
	ASSERT(count < LIMIT_REVERSE_QUERIES);
	struct fake_query *fake = &asked[count++];
	*query = (struct resolver_query){ .answered = answered, .resolver = resolver, .type = type };
	fake->query = query;
	fake->type = type;
	if (!slice_to_text(slice_from_text(name), fake->name, sizeof fake->name))
		ASSERT(!"a name fits");
}

static void take_out(size_t index)
{
	count--;
	memmove(&asked[index], &asked[index + 1], (count - index) * sizeof *asked);
}

bool resolver_forget(struct resolver_query *query)
{
	for (size_t i = 0; holding && i < count; i++)
		if (asked[i].query == query) {
			take_out(i);
			return true;
		}
	return false;
}

size_t resolver_sockets(const struct resolver *resolver)
{
	(void)resolver;
	return count ? 1 : 0;
}

const struct fake_query *fake_asked(size_t index)
{
	return index < count ? &asked[index] : NULL;
}

size_t fake_asked_count(void)
{
	return count;
}

void fake_answer(size_t index, struct slice message)
{
	struct resolver_query *query = asked[index].query;
	take_out(index);
	query->answered(query, message);
}

void fake_hold(bool hold)
{
	holding = hold;
}
