/* Which clients are treated otherwise under a new configuration? `postern policy diff`: two policies of one server block,
 * compared for every class of client that their rules tell apart.
 *
 * What is decided of a client depends on its situation (signed in, TLS, recipient), on what each table says of its address
 * (nothing, deny, allow: policy_range.kind) and, where one says nothing, on what each says of its name, likewise. So each kind
 * of address is judged once with each kind of name: the work is that of going through the rules, however many there are. */
#ifndef POSTERN_TOOLS_POLICY_DIFF_H
#define POSTERN_TOOLS_POLICY_DIFF_H

#include "core/policy/classes.h"
#include "core/server/config.h"

enum {
	/* A client's situation, in bits. */
	DIFF_SIGNED_IN = 1,
	DIFF_TLS = 2,
	DIFF_FOREIGN = 4, /* its recipient */
	DIFF_WEAK = 8,    /* the cipher that TLS has agreed on; without DIFF_TLS it is nothing */
	DIFF_SITUATIONS = 16,

	/* Kinds of names: what each table says of it, or these. */
	DIFF_NO_NAME = POLICY_KINDS,
	DIFF_FAILED_NAME,
	DIFF_NAME_KINDS,

	DIFF_NAMES_LISTED = 10, /* of a kind; the rest is counted */
};

enum diff_what {
	DIFF_SAME,
	DIFF_NOTHING, /* the situation comes up under neither configuration */
	DIFF_ALLOWED,
	DIFF_REFUSED,
	DIFF_DEFERRED,
	DIFF_CAN_NOT_SIGN_IN,
	DIFF_HAS_NO_TLS,
	DIFF_HAS_NO_CLEAR, /* nobody is spoken to outside TLS */
};

struct diff_outcome {
	uint8_t what; /* enum diff_what */
	uint8_t stage;
	uint16_t code;
};

/* Of a kind of client, in each situation. */
struct diff_change {
	struct diff_outcome was[DIFF_SITUATIONS], now[DIFF_SITUATIONS];
};

struct diff_side {
	const struct config_server *server;
	struct policy policy;
	bool has_local, has_foreign; /* routes */
};

struct diff_addresses {
	struct net_address first, last;
};

/* Clients with the same change. */
struct diff_group {
	struct diff_change change;
	bool kinds[POLICY_KINDS];    /* of addresses */
	bool names[DIFF_NAME_KINDS]; /* that it holds for; with `any_name` the name makes no difference */
	bool any_name;
	uint8_t kind, name;               /* an example */
	struct diff_addresses *addresses; /* in order, none touching the next */
	size_t count, capacity;
	uint64_t last_range; /* number of the last one in it */
};

struct diff_address_kind {
	bool there;
	bool by_name;
	struct net_address example;
};

struct diff_name_kind {
	bool there;
	enum policy_name state;
	char example[LIMIT_DNS_NAME_BYTES + 1];
	/* Names as a rule says them: "host.example", ".bad.example"; "*.x.example" without x.example. */
	char listed[DIFF_NAMES_LISTED][LIMIT_DNS_NAME_BYTES + 3];
	size_t listed_count;
	uint64_t *hashes; /* of all of them: each may come from several tables */
	size_t count, capacity;
};

struct policy_diff {
	struct diff_side old, new;
	const struct policy_rules *tables[POLICY_TABLES_MOST];
	struct diff_address_kind kinds[POLICY_KINDS];
	struct diff_name_kind names[DIFF_NAME_KINDS];
	struct diff_group *groups;
	size_t group_count;
};

/* Compares the server block; both policies are made here. NULL: it can't be, `error` says why. */
struct policy_diff *policy_diff_make(const struct config *old, const struct config_server *old_server,
				     const struct config *new, const struct config_server *new_server,
				     struct error *error);
void policy_diff_destroy(struct policy_diff *diff);

/* The verdict on the example of a kind of address and name in a situation, and whether it comes to one: false, with
 * outcome->what alone, where the client can't be in that situation. */
bool policy_diff_judge(const struct policy_diff *diff, const struct diff_side *side, unsigned kind, unsigned name,
		       unsigned situation, struct policy_verdict *verdict, struct diff_outcome *outcome);

/* policy_diff_print.c: each group, as text or one JSON object a line. False: it could not be told. */
MUST_USE bool policy_diff_print(const struct policy_diff *diff, bool json);

#endif
