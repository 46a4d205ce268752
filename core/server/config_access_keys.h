/* The keys of relay { … } and dns { … } in a server block, and the lists of rules in connect { … } and relay { … }. */
#ifndef POSTERN_SERVER_CONFIG_ACCESS_KEYS_H
#define POSTERN_SERVER_CONFIG_ACCESS_KEYS_H

#include "core/server/config_keys.h"

extern const struct config_key config_relay_keys[];
extern const struct config_key config_dns_keys[];

/* `outer` is the struct config_server. */
config_open config_open_relay;
config_open config_open_dns;

/* Entries of `allow`, `deny` and `lists`; the key's field is the struct config_rules. A wrong entry, one that is there already,
 * and one that is both allowed and denied is a problem. */
config_set config_add_allow;
config_set config_add_deny;
config_set config_add_rule_file;

/* A choice whose key's field is the `value` of a struct config_told. */
config_set config_set_told_choice;
extern const struct config_choice config_allow_deny[];

void config_access_set_defaults(struct config_server *server);
void config_access_finish(struct config_server *server);

#endif
