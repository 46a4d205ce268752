/* Checks of the configuration itself: what no session can show, told beside those that are made. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/server/dovecot_check.h"
#include "tools/prove.h"
#include "tools/verify.h"

/* --- what `postern check` says --- */

static bool is_forbidden(const char *path, int mode)
{
	return path && access(path, mode) != 0 && errno == EACCES;
}

/* Who may not read what the server reads can't say what is wrong with it. */
static const char *find_forbidden(const struct config *config)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		for (size_t j = 0; j < server->certificate_count; j++)
			if (is_forbidden(server->certificates[j].key, R_OK))
				return server->certificates[j].key;
		if (is_forbidden(server->tls.ticket_secret, R_OK))
			return server->tls.ticket_secret;
	}
	return is_forbidden(config->data, R_OK | W_OK | X_OK) ? config->data : NULL;
}

/* Whoever has a key can be this server. Its group may be meant to read it. */
static bool check_key(struct verify *at, const struct config_certificate *certificate, struct verify_case *what)
{
	struct stat status;
	char rule[VERIFY_TEXT_BYTES];
	if (!certificate->key || stat(certificate->key, &status) != 0 || !(status.st_mode & S_IROTH))
		return true;
	snprintf(rule, sizeof rule, "%s:%d", at->config->file, certificate->line);
	what->rule = rule;
	verify_tell(at, VERIFY_FAILED, what, "key %s: everybody can read it (mode %04o); chmod 600", certificate->key,
		    (unsigned)status.st_mode & 07777);
	what->rule = at->config->file;
	return false;
}

static bool check_keys(struct verify *at, struct verify_case *what)
{
	bool good = true;
	for (size_t i = 0; i < at->config->server_count; i++)
		for (size_t j = 0; j < at->config->servers[i].certificate_count; j++)
			good &= check_key(at, &at->config->servers[i].certificates[j], what);
	return good;
}

void verify_configuration(struct verify *at)
{
	struct verify_case what = {
		"the files and folders that the configuration names, as `postern check` looks at them",
		"nothing is wrong with them", at->config->file
	};
	struct config_problems problems = { 0 };
	char rule[VERIFY_TEXT_BYTES];
	const char *forbidden = find_forbidden(at->config);
	if (forbidden) {
		verify_tell(at, VERIFY_NOT_TRIED, &what, "%s can't be read by who asks; root can", forbidden);
		return;
	}
	bool good = check_keys(at, &what);
	good &= config_check(at->config, &problems);
	dovecot_check(at->config, &problems);
	for (size_t i = 0; i < problems.count; i++) {
		const struct config_problem *problem = &problems.list[i];
		snprintf(rule, sizeof rule, "%.*s", problem->said_at >= 2 ? problem->said_at - 2 : 0, problem->text);
		what.rule = rule[0] ? rule : at->config->file;
		verify_tell(at, VERIFY_FAILED, &what, "%s", problem->text + problem->said_at);
	}
	if (good && problems.count == 0)
		verify_tell(at, VERIFY_PASSED, &what, "nothing is");
	config_problems_free(&problems);
}

/* --- what `postern prove` says --- */

static void tell_hole(struct verify *at, const struct prove_hole *hole, struct verify_case *what)
{
	char first[NET_ADDRESS_TEXT_BYTES], last[NET_ADDRESS_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	struct policy_reason reason;
	policy_explain(at->policy, &hole->verdict, &reason);
	if (reason.line)
		snprintf(rule, sizeof rule, "%s (%s:%d)", reason.text, reason.file, reason.line);
	else
		snprintf(rule, sizeof rule, "%s", reason.text);
	what->rule = rule;
	net_address_format(&hole->first, first);
	net_address_format(&hole->last, last);
	if (hole->ranges == 0)
		verify_tell(at, VERIFY_PASSED, what, "hosts with the name %s may", hole->name);
	else
		verify_tell(at, VERIFY_PASSED, what, "%s to %s%s may%s%s", first, last,
			    hole->ranges > 1 ? " and further ranges" : "", hole->name[0] ? ", with the name " : "",
			    hole->name);
}

/* Each way to relay without signing in is told: whether it is meant so, only people know. */
void verify_relay_rules(struct verify *at)
{
	const struct prove_report *proof = at->proof;
	char tried[VERIFY_TEXT_BYTES], rule[VERIFY_TEXT_BYTES];
	struct verify_case what = { tried,
				    "few may have mail sent on without signing in: less of the Internet than any "
				    "site has",
				    verify_rule(at, rule, "RFC 6409 §3.2", "relay", at->server->relay.line) };
	snprintf(tried, sizeof tried,
		 "all %llu classes of clients that the rules tell apart, judged as the server does",
		 (unsigned long long)proof->classes);
	if (!proof->has_foreign) {
		verify_tell(at, VERIFY_PASSED, &what, "no route leads away from here");
		return;
	}
	if (proof->open_relay)
		verify_tell(at, VERIFY_FAILED, &what,
			    "an open relay: for %llu public IPv4 addresses, %llu IPv6 /48s%s%s",
			    (unsigned long long)proof->public_ipv4, (unsigned long long)proof->public_ipv6,
			    proof->any_name ? ", all hosts of a top-level domain" : "",
			    at->server->relay.open_relay_meant ? "; open_relay says that it is meant so" : "");
	for (size_t i = 0; i < proof->hole_count; i++)
		tell_hole(at, &proof->holes[i], &what);
	if (proof->hole_count == 0)
		verify_tell(at, VERIFY_PASSED, &what, "nobody may");
}

/* --- the guard --- */

/* More than a site has: then nearly nobody is guarded against. */
static const struct net_prefix *find_wide(const struct guard_settings *settings)
{
	for (size_t i = 0; i < settings->exempt_count; i++)
		if (settings->exempt[i].length < (settings->exempt[i].family == 4 ? 8 : 20))
			return &settings->exempt[i];
	return NULL;
}

/* To try it would take a minute of waiting, and ban whoever shares the network of who tries. */
void verify_guessing(struct verify *at)
{
	const struct config_guard *guard = &at->config->guard;
	const struct guard_settings *settings = &guard->settings;
	char rule[VERIFY_TEXT_BYTES], wide[NET_PREFIX_TEXT_BYTES];
	const struct verify_case what = { "the settings against guessing passwords",
					  "who guesses waits, and is banned for a while",
					  verify_rule(at, rule, "", "guard", guard->line) };
	const struct net_prefix *exempt = find_wide(settings);
	if (exempt)
		net_prefix_format(exempt, wide);
	if (!guard->enable)
		verify_tell(at, VERIFY_FAILED, &what, "off: whoever wants to may guess on and on");
	else if (!settings->per_login.count && !settings->per_network.count)
		verify_tell(at, VERIFY_FAILED, &what, "no limit is set: whoever wants to may guess on and on");
	else if (exempt)
		verify_tell(at, VERIFY_FAILED, &what, "%s is exempt, which is more than any site has", wide);
	else
		verify_tell(
			at, VERIFY_PASSED, &what,
			"on: a network has %u tries of a login in %llu s, %u of any in %llu s (0: no limit), a ban is "
			"%llu s; none was tried, since it would be others' too",
			settings->per_login.count, (unsigned long long)settings->per_login.period_ms / 1000,
			settings->per_network.count, (unsigned long long)settings->per_network.period_ms / 1000,
			(unsigned long long)settings->ban_ms / 1000);
}
