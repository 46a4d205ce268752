/* The embedded default: what `postern serve` runs on with no configuration; see config.h.
 *
 * For trying it out: loopback only, all data in the current folder. The certificate is made by `serve`. */
#include "core/server/config.h"

static const char default_text[] = "data = \"postern-data\"\n"
				   "server default {\n"
				   "    hostname = \"localhost\"\n"
				   "    listen = { \"127.0.0.1:2587 starttls\", \"127.0.0.1:2465 tls\" }\n"
				   "    tls {\n"
				   "        certificate = \"postern-data/tls/localhost.pem\"\n"
				   "        key = \"postern-data/tls/localhost.key\"\n"
				   "    }\n"
				   "}\n"
				   "delivery {\n"
				   "    route \"*\" { maildir = \"postern-data/mail/%d/%u\" }\n"
				   "}\n";

struct config *config_default(struct config_problems *problems)
{
	struct config *config = config_parse(default_text, CONFIG_BUILT_IN, problems);
	if (config)
		config->built_in = true;
	return config;
}
