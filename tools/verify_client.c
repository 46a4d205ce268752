/* Whom a probe comes as: the configuration says who is let in, who is an outsider, and whose failures are counted. */
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "tools/policy_situation.h"
#include "tools/verify.h"

/* What the kernel lets nobody come from by a plain connection: the ends of 127.0.0.0/8. */
static bool is_loopback_end(const struct net_address *address)
{
	static const uint8_t first[3] = { 0, 0, 0 }, last[3] = { 255, 255, 255 };
	return memcmp(address->bytes + 1, first, 3) == 0 || memcmp(address->bytes + 1, last, 3) == 0;
}

bool verify_can_come_from(const struct verify *at, const struct net_address *address)
{
	if (at->proxied)
		return true;
	return address->family == 4 && address->bytes[0] == 127 && strncmp(at->target.host, "127.", 4) == 0 &&
	       !is_loopback_end(address);
}

void verify_come_from(struct verify *at, const struct net_address *client, struct verify_guise *guise)
{
	net_address_format(client, guise->address);
	at->target.source = at->proxied ? NULL : guise->address;
	if (!at->proxied)
		return;
	snprintf(guise->proxy_header, sizeof guise->proxy_header, "PROXY %s %s %s 40000 587\r\n",
		 client->family == 4 ? "TCP4" : "TCP6", guise->address,
		 client->family == 4 ? "192.0.2.1" : "2001:db8::1");
	at->target.proxy_header = slice_from_text(guise->proxy_header);
}

void verify_choose_foreign(struct verify *at)
{
	struct policy_facts facts = { .tls_bits = 0 };
	const char *sign = strchr(at->proof->foreign, '@');
	snprintf(at->foreign, sizeof at->foreign, "%s", VERIFY_FOREIGN);
	policy_set_recipient(&facts, slice_from_text(VERIFY_FOREIGN), at->server, &at->config->routes);
	if ((facts.local || !facts.has_route) && at->proof->has_foreign && sign)
		snprintf(at->foreign, sizeof at->foreign, "postern-verify%.200s", sign);
}

void verify_judge(const struct verify *at, const struct net_address *client, struct policy_steps *steps)
{
	struct policy_case asked = {
		.facts = { .client = *client, .tls_bits = at->target.security == PROBE_PLAIN ? 0 : POLICY_BITS_USUAL },
		.recipient = slice_from_text(at->foreign)
	};
	if (at->server->dns.reverse.value == REVERSE_OFF) /* then nobody has a name */
		asked.facts.name_state = POLICY_NAME_UNKNOWN;
	policy_case_judge(&asked, at->policy, at->server, &at->config->routes, "ID", steps);
}

/* Of the stages that were judged; never none. */
typedef bool is_wanted(const struct policy_steps *steps);

static bool is_let_in(const struct policy_steps *steps)
{
	return steps->list[0].verdict.outcome == POLICY_ALLOW;
}

static bool is_outsider(const struct policy_steps *steps)
{
	return is_let_in(steps) && steps->list[steps->count - 1].verdict.outcome != POLICY_ALLOW;
}

static bool suits(const struct verify *at, is_wanted *wanted, const struct net_address *client)
{
	struct policy_steps steps;
	if (!verify_can_come_from(at, client))
		return false;
	verify_judge(at, client, &steps);
	return wanted(&steps);
}

/* The ends of what a rule lets in, where nobody else is. */
static bool find_by_rule(const struct verify *at, is_wanted *wanted, struct net_address *client)
{
	const struct config_rules *rules = &at->server->connect.rules;
	for (size_t i = 0; i < rules->count; i++) {
		const struct config_rule *rule = &rules->list[i];
		if (!rule->allow || rule->what.is_name)
			continue;
		*client = net_prefix_first(&rule->what.prefix);
		if (suits(at, wanted, client))
			return true;
		*client = net_prefix_last(&rule->what.prefix);
		if (suits(at, wanted, client))
			return true;
	}
	return false;
}

/* Addresses that stand for strangers in texts (RFC 5737), and some of this machine's. */
static const char *const strangers[] = { "203.0.113.77", "198.51.100.77", "192.0.2.77" };
static const char *const here[] = { "127.0.0.1", "127.254.254.254", "127.1.2.3" };

static bool find_among(const struct verify *at, is_wanted *wanted, const char *const addresses[3],
		       struct net_address *client)
{
	struct error error;
	for (size_t i = 0; i < 3; i++)
		if (net_address_parse(slice_from_text(addresses[i]), client, &error) && suits(at, wanted, client))
			return true;
	return false;
}

/* Strangers can come only where a proxy may say that they do. */
static bool find_client(const struct verify *at, is_wanted *wanted, struct net_address *client)
{
	return find_among(at, wanted, strangers, client) || find_among(at, wanted, here, client) ||
	       find_by_rule(at, wanted, client);
}

bool verify_knows_outsiders(const struct verify *at)
{
	for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
		struct net_address client;
		struct policy_steps steps;
		struct error error;
		if (!net_address_parse(slice_from_text(strangers[i]), &client, &error))
			continue;
		verify_judge(at, &client, &steps);
		if (is_outsider(&steps))
			return true;
	}
	return false;
}

bool verify_come_as_outsider(struct verify *at, struct verify_guise *guise)
{
	struct net_address client;
	guise->address[0] = 0;
	if (!find_client(at, is_outsider, &client))
		return false;
	verify_come_from(at, &client, guise);
	return true;
}

bool verify_come_as_client(struct verify *at, struct verify_guise *guise)
{
	struct net_address client;
	struct policy_steps steps;
	struct error error;
	guise->address[0] = 0;
	/* Who connects without more comes from where the listener is. */
	if (net_address_parse(slice_from_text(at->target.host), &client, &error)) {
		verify_judge(at, &client, &steps);
		if (is_let_in(&steps))
			return true;
	}
	if (!find_client(at, is_let_in, &client))
		return false;
	verify_come_from(at, &client, guise);
	return true;
}

/* --- as nobody --- */

static bool is_exempt(const struct guard_settings *settings, const char *host)
{
	struct net_address address;
	struct error error;
	if (!net_address_parse(slice_from_text(host), &address, &error))
		return false;
	for (size_t i = 0; i < settings->exempt_count; i++)
		if (net_prefix_contains(&settings->exempt[i], &address))
			return true;
	return false;
}

/* Of loopback, or where a proxy may say so of what nobody has (RFC 1112 §4: 240.0.0.0/4): a million networks that are counted apart. */
static struct net_address random_address(bool proxied)
{
	uint8_t random[4];
	secret_random(random, sizeof random);
	return (struct net_address){
		.family = 4,
		.bytes = { proxied ? 240 + random[0] % 15 : 127, 1 + random[1] % 254, random[2], 1 + random[3] % 254 },
	};
}

bool verify_come_as_nobody(struct verify *at, struct verify_guise *guise)
{
	enum { TRIES = 16 };
	if (!at->server || !at->config->guard.enable ||
	    (!at->proxied && is_exempt(&at->config->guard.settings, at->target.host)))
		return false;
	for (int tries = 0; tries < TRIES; tries++) {
		struct net_address client = random_address(at->proxied);
		if (!suits(at, is_let_in, &client))
			continue;
		verify_come_from(at, &client, guise);
		return true;
	}
	return false;
}
