/* In the place of core/dns/resolver.c where a test says what servers answer, and when. Links instead of it. Its one fault is
 * that of the real one: an empty answer. A query asked is "sent" until fake_hold() says otherwise. */
#ifndef POSTERN_TESTS_DNS_FAKE_RESOLVER_H
#define POSTERN_TESTS_DNS_FAKE_RESOLVER_H

#include "core/dns/resolver.h"

struct fake_query {
	struct resolver_query *query;
	char name[LIMIT_DNS_NAME_BYTES + 1];
	enum dns_type type;
};

/* Asked and not answered yet, in the order they came; NULL past the last. */
const struct fake_query *fake_asked(size_t index);
size_t fake_asked_count(void);

/* Answers it and takes it out. */
void fake_answer(size_t index, struct slice message);

/* From now on queries wait to be sent, and can be forgotten. */
void fake_hold(bool hold);

#endif
