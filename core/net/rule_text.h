/* One entry of a list of rules, as people write it: an address or prefix, or a name (prefix.h and suffix.h say how). */
#ifndef POSTERN_NET_RULE_TEXT_H
#define POSTERN_NET_RULE_TEXT_H

#include "core/net/prefix.h"
#include "core/net/suffix.h"

struct rule_text {
	bool is_name;
	union {
		struct net_prefix prefix;
		struct suffix suffix; /* the name is part of the text */
	};
};

/* What has a colon or a slash, or digits in all its places, is meant as an address, all else as a name: no top-level domain
 * is a number. The error says what is wrong with what was meant, and how it is written. */
MUST_USE bool rule_text_parse(struct slice text, struct rule_text *rule, struct error *error);

#endif
