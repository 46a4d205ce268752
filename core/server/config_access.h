/* Who may connect and relay, as it is written in a server block: connect { … }, relay { … }, dns { … }. Plain data; times in
 * ms. What it means is core/policy's. */
#ifndef POSTERN_SERVER_CONFIG_ACCESS_H
#define POSTERN_SERVER_CONFIG_ACCESS_H

#include "core/net/rule_text.h"

/* A value and where it was written; line 0: it was not, and the value is the default. */
struct config_told {
	uint64_t value;
	int line;
};

/* One entry of `allow` or `deny`. */
struct config_rule {
	char *text;            /* as written; a name in `what` is part of it */
	struct rule_text what; /* an address, a prefix or a name */
	bool allow;
	int line;
};

/* One entry of `lists`: "deny:/etc/postern/blocked.txt". */
struct config_rule_file {
	char *path;
	bool allow;
	int line;
};

struct config_rules {
	struct config_rule *list; /* in the order of the text; none is there twice */
	size_t count;
	struct config_rule_file *files;
	size_t file_count;
};

enum config_unknown_name { UNKNOWN_NAME_AS_DEFAULT, UNKNOWN_NAME_ALLOW, UNKNOWN_NAME_DENY };

/* Defaults in brackets. */
struct config_connect {
	int line; /* of the block; 0: not written. Likewise below */
	struct config_rules rules;
	struct config_told default_allow; /* true */
	struct config_told
		unknown_name; /* enum config_unknown_name: who has no name, a false one or none that is found */

	/* How many connections of a client are taken, over all workers; 0: any number. Each limit has its line. */
	uint32_t per_address;
	uint32_t per_network;
	uint32_t rate;
	uint64_t rate_ms; /* in which `rate` connections may come */
	uint64_t tarpit;  /* 0: how long one that is refused waits for that, ms */
	int per_address_line;
	int per_network_line;
	int rate_line;
};

struct config_relay {
	int line;
	struct config_rules rules;        /* without files */
	struct config_told authenticated; /* true: who has signed in may */
	struct config_told default_allow; /* false */
	bool open_relay_meant;            /* default = allow needs open_relay = "I mean it" beside it */
};

enum config_reverse { REVERSE_AUTO, REVERSE_OFF, REVERSE_ON };

struct config_dns {
	int line;
	struct config_told reverse;                     /* enum config_reverse: when a client's name is asked for */
	struct net_address servers[LIMIT_NAME_SERVERS]; /* with their ports */
	size_t server_count;                            /* 0: those of the system */
	uint64_t timeout_ms;                            /* 2s: for all questions about a name together */
	uint32_t cache;                                 /* 1000000 names */
};

#endif
