/* auth { mechanisms backend } in a configuration; see config_backends.h. */
#include "core/server/config_backends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config_backends_keys.h"
#include "core/server/config_set.h"
#include "core/users/dovecot_place.h"

static const struct config_choice mechanisms[] = {
	{ "PLAIN", SASL_PLAIN },
	{ "LOGIN", SASL_LOGIN },
	{ "SCRAM-SHA-256", SASL_SCRAM_SHA_256 },
	{ "SCRAM-SHA-256-PLUS", SASL_SCRAM_SHA_256_PLUS },
	{ "NTLM", SASL_NTLM },
	{ "EXTERNAL", SASL_EXTERNAL },
	{ "OAUTHBEARER", SASL_OAUTHBEARER },
	{ "XOAUTH2", SASL_XOAUTH2 },
	{ "GSSAPI", SASL_GSSAPI },
	{ "GSS-SPNEGO", SASL_GSS_SPNEGO },
	{ "CRAM-MD5", SASL_CRAM_MD5 },
	{ "DIGEST-MD5", SASL_DIGEST_MD5 },
	{ "SCRAM-SHA-1", SASL_SCRAM_SHA_1 },
	{ NULL },
};

void config_add_mechanism(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	struct config_given inner = *given;
	struct config_key key = *given->key;
	key.choices = mechanisms;
	inner.key = &key;
	server->backends.mechanisms_line = given->value->line;
	config_add_choice_bit(reading, &inner);
}

/* --- "dovecot:/run/dovecot/auth-client XOAUTH2 OAUTHBEARER" --- */

static const char example[] =
	"is written \"local\" or \"dovecot:/run/dovecot/auth-client\", and behind it may come the "
	"mechanisms that go there, like \"dovecot:/run/dovecot/auth-client XOAUTH2 GSSAPI\"";

/* Takes the next word off; an empty one is the end. */
static char *take_word(char **text)
{
	static const char blanks[] = " \t";
	*text += strspn(*text, blanks);
	char *word = *text;
	*text += strcspn(*text, blanks);
	if (**text)
		*(*text)++ = 0;
	return word;
}

static bool read_who(struct config_reading *reading, const struct config_given *given, const char *who,
		     struct config_backend *backend)
{
	struct sockaddr_storage address;
	socklen_t size;
	struct error error;
	static const char prefix[] = "dovecot:";
	if (strcmp(who, "local") == 0)
		return true;
	if (strncmp(who, prefix, sizeof prefix - 1) != 0) {
		config_given_problem(reading, given, example);
		return false;
	}
	who += sizeof prefix - 1;
	if (!dovecot_place_parse(who, &address, &size, &error)) {
		bool is_place = who[0] == '/' || strchr(who, ':');
		config_given_problem(reading, given, is_place ? error.text : example);
		return false;
	}
	backend->place = strdup(who);
	if (!backend->place)
		config_given_problem(reading, given, "out of memory");
	return backend->place != NULL;
}

static bool read_backend(struct config_reading *reading, const struct config_given *given, char *text,
			 struct config_backend *backend)
{
	if (!read_who(reading, given, take_word(&text), backend))
		return false;
	for (const char *word = take_word(&text); *word; word = take_word(&text)) {
		const struct config_choice *choice = config_find_choice(reading, given, word, mechanisms);
		if (!choice)
			return false;
		backend->mechanisms |= (unsigned)choice->value;
	}
	return true;
}

static bool takes_the_same(struct config_reading *reading, const struct config_given *given,
			   const struct config_backend *backend)
{
	const struct config_backends *backends = &((struct config_server *)given->target)->backends;
	char what[96];
	for (size_t i = 0; i < backends->count; i++) {
		const struct config_backend *other = &backends->list[i];
		bool rest = !backend->mechanisms && !other->mechanisms;
		if (!rest && !(backend->mechanisms & other->mechanisms))
			continue;
		snprintf(what, sizeof what, "takes %s that the one on line %d takes; only one can",
			 rest ? "all" : "a mechanism", other->line);
		config_given_problem(reading, given, what);
		return true;
	}
	return false;
}

void config_add_backend(struct config_reading *reading, const struct config_given *given)
{
	struct config_backends *backends = &((struct config_server *)given->target)->backends;
	struct config_backend backend = { .line = given->value->line };
	char *text = strdup(given->value->text);
	bool sound = text && backends->count < LIMIT_BACKENDS;
	if (!sound)
		config_given_problem(reading, given, text ? "is one too many for a server block" : "out of memory");
	sound = sound && read_backend(reading, given, text, &backend) && !takes_the_same(reading, given, &backend);
	free(text);
	if (sound)
		backends->list[backends->count++] = backend;
	else
		free(backend.place);
}

void config_backends_free(struct config_backends *backends)
{
	for (size_t i = 0; i < backends->count; i++)
		free(backends->list[i].place);
}

/* --- who verifies what --- */

const char *config_backend_of(const struct config_backends *backends, unsigned mechanism)
{
	const char *rest = NULL;
	for (size_t i = 0; i < backends->count; i++) {
		const struct config_backend *backend = &backends->list[i];
		if (backend->mechanisms & mechanism)
			return backend->place;
		if (!backend->mechanisms)
			rest = backend->place;
	}
	return mechanism & CONFIG_OWN_MECHANISMS ? NULL : rest;
}

static bool is_named(const struct config_backends *backends, unsigned mechanism)
{
	for (size_t i = 0; i < backends->count; i++)
		if (backends->list[i].mechanisms & mechanism)
			return true;
	return false;
}

/* What nobody has asked for is offered where it can be; what a back end names is check_backend()'s. */
static void check_mechanism(const struct config_server *server, unsigned mechanism, struct config_problems *problems)
{
	const struct config_backends *backends = &server->backends;
	const char *place = config_backend_of(backends, mechanism), *name = sasl_mechanism_name(mechanism);
	bool wanted = backends->mechanisms_line && !is_named(backends, mechanism);
	if (place && (mechanism & CONFIG_NEVER_DOVECOT) && wanted)
		config_problem_add(
			problems, server->file, backends->mechanisms_line,
			"Dovecot can't verify %s; leave it out of mechanisms, or have our own users verify it: "
			"backend = { …, \"local %s\" }",
			name, name);
	if (!place && !(mechanism & CONFIG_LOCAL_MECHANISMS))
		config_problem_add(problems, server->file, backends->mechanisms_line,
				   "our own users can't sign in with %s; Dovecot's may: "
				   "backend = \"dovecot:/run/dovecot/auth-client\"",
				   name);
}

/* What a back end names. */
static void check_backend(const struct config_server *server, const struct config_backend *backend,
			  struct config_problems *problems)
{
	unsigned never = backend->place ? backend->mechanisms & CONFIG_NEVER_DOVECOT : 0;
	unsigned idle = backend->mechanisms & ~server->mechanisms;
	if (!never && !idle)
		return;
	const char *name = sasl_mechanism_name(never ? never & -never : idle & -idle);
	if (never)
		config_problem_add(problems, server->file, backend->line,
				   "Dovecot can't verify %s; our own users can sign in with it: "
				   "backend = { …, \"local %s\" }",
				   name, name);
	else
		config_problem_add(problems, server->file, backend->line,
				   "backend names %s, which mechanisms does not; add it there", name);
}

void config_backends_check(const struct config_server *server, struct config_problems *problems)
{
	for (unsigned left = server->mechanisms; left; left &= left - 1)
		check_mechanism(server, left & -left, problems);
	for (size_t i = 0; i < server->backends.count; i++)
		check_backend(server, &server->backends.list[i], problems);
}
