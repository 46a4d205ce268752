/* The addresses of proxies in a server block. */
#ifndef POSTERN_SERVER_CONFIG_PROXIES_H
#define POSTERN_SERVER_CONFIG_PROXIES_H

#include "core/server/config_keys.h"

/* Of a list that fills config_server.proxies; a wrong address, and one that is there already, is a problem. */
config_set config_add_proxy;

#endif
