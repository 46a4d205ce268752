/* Checks of signing in: what is offered, that a wrong password is refused and a right one taken, and that nothing of it can be read on
 * the wire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/users/sign_in_client.h"
#include "core/users/users.h"
#include "crypto/secret.h"
#include "proto/base64.h"
#include "proto/sasl.h"
#include "tools/command.h"
#include "tools/user_mechanisms.h"
#include "tools/verify.h"
#include "tools/verify_proxy.h"

/* --- what is offered --- */

static void list_mechanisms(unsigned mechanisms, char text[VERIFY_TEXT_BYTES])
{
	size_t used = 0;
	text[0] = 0;
	for (unsigned left = mechanisms; left; left &= left - 1)
		used += (size_t)snprintf(text + used, VERIFY_TEXT_BYTES - used, "%s%s", used ? " " : "",
					 sasl_mechanism_name(left & -left));
	if (!mechanisms)
		snprintf(text, VERIFY_TEXT_BYTES, "none");
}

void verify_mechanisms(struct verify *at)
{
	char expected[VERIFY_TEXT_BYTES] = "at least one mechanism", rule[VERIFY_TEXT_BYTES],
	     offered[VERIFY_TEXT_BYTES];
	struct verify_case what = { "EHLO inside TLS", expected, rule };
	struct probe probe;
	/* Who shows no certificate is not offered EXTERNAL. */
	unsigned wanted = at->server ? at->server->mechanisms & ~(unsigned)SASL_EXTERNAL : 0;
	if (at->server)
		list_mechanisms(wanted, expected);
	verify_rule(at, rule, "RFC 4954 §3", "auth { mechanisms }", at->server ? at->server->auth_line : 0);
	if (!verify_begin(at, &probe, &at->target, false, &what))
		return;
	unsigned found = probe.reply.mechanisms & ~(unsigned)SASL_EXTERNAL;
	list_mechanisms(found, offered);
	bool good = at->server ? found == wanted : found != 0;
	verify_tell(at, good ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", offered);
	probe_close(&probe);
}

/* --- passwords --- */

/* Mechanisms that both speak and that need a password and nothing else. */
static unsigned usable(unsigned offered)
{
	return offered & sign_in_client_speaks() & ~(unsigned)(SASL_EXTERNAL | SASL_OAUTHBEARER | SASL_XOAUTH2);
}

static unsigned ask_offered(struct verify *at, const struct verify_case *what)
{
	struct probe probe;
	if (!verify_begin(at, &probe, &at->target, false, what))
		return 0;
	unsigned offered = probe.reply.mechanisms;
	probe_close(&probe);
	if (!usable(offered))
		verify_tell(at, VERIFY_NOT_TRIED, what, "no mechanism with a password is offered");
	return offered;
}

/* Each on a connection of its own; what came of it in words. False when it never came to a verdict. */
static bool try_mechanism(struct verify *at, unsigned mechanism, struct slice name, struct slice password,
			  const struct verify_case *what, struct verify_reply *reply)
{
	struct probe probe;
	struct error error = { "" };
	if (!verify_begin(at, &probe, &at->target, false, what))
		return false;
	bool came = probe_sign_in(&probe, mechanism, name, password, &error);
	/* A server that lets in whoever comes can't prove that it knows the password: it has let him in all the same. */
	verify_take_reply(&probe, came || probe.reply.code == 235, &error, reply);
	probe_close(&probe);
	return true;
}

/* --- wrong ones --- */

/* Always the same password: a guard against guessing need not count it twice. */
static const struct slice wrong = { (const uint8_t *)"postern verify says so", 22 };

/* Those who share this machine's network, a web mailer say, must not wait for it, or be banned where it is done often. */
static void expect_no_sign_in(struct verify *at, unsigned mechanism, const char *name, struct slice password,
			      const char *with)
{
	char tried[VERIFY_TEXT_BYTES];
	struct verify_case what = { tried, "refused, 535", "RFC 4954 §6" };
	struct verify_reply reply;
	struct verify_guise guise;
	snprintf(tried, sizeof tried, "%s as %s with %s", sasl_mechanism_name(mechanism), name, with);
	const struct probe_target before = at->target;
	(void)!verify_come_as_nobody(at, &guise);
	bool came = try_mechanism(at, mechanism, slice_from_text(name), password, &what, &reply);
	at->target = before;
	if (!came)
		return;
	bool refused = reply.code >= 500 && reply.code < 600;
	/* A server that proves itself first, as SCRAM has it, can be left before its verdict. */
	bool unproved = reply.code == 0 && (mechanism & ~(unsigned)SASL_WITH_PASSWORD);
	verify_tell(at, refused || unproved ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", reply.text);
}

void verify_wrong_password(struct verify *at)
{
	const struct verify_case what = { "a wrong password", "refused, 535", "RFC 4954 §6" };
	const char *user = at->request->user;
	unsigned mechanisms = usable(ask_offered(at, &what));
	for (unsigned left = mechanisms; left; left &= left - 1)
		expect_no_sign_in(at, left & -left, user ? user : "postern-verify", wrong, "a wrong password");
	/* Directories that are asked with no password at all take it for no sign-in, and say yes (RFC 4513 §5.1.2). */
	if (user && (mechanisms & SASL_PLAIN))
		expect_no_sign_in(at, SASL_PLAIN, user, SLICE_LITERAL(""), "an empty password");
	if (user && mechanisms)
		expect_no_sign_in(at, mechanisms & -mechanisms, "postern-verify", wrong,
				  "a name that nobody should have");
}

/* --- right ones --- */

static void tell_untried(struct verify *at, unsigned mechanisms)
{
	char tried[VERIFY_TEXT_BYTES];
	const struct verify_case what = { tried, "signed in, 235", "RFC 4954 §4" };
	for (unsigned left = mechanisms; left; left &= left - 1) {
		snprintf(tried, sizeof tried, "%s as %s", sasl_mechanism_name(left & -left), at->request->user);
		verify_tell(at, VERIFY_NOT_TRIED, &what,
			    "it takes something else than a password, or is not spoken here");
	}
}

/* What this machine's own users have: the configuration says whose they are. False: the login is none of them, or not to be read. */
static bool find_user(const struct verify *at, struct user_record *record)
{
	struct error error;
	char *path = at->config ? command_data_path(at->config, "users") : NULL;
	struct users *users = path && access(path, R_OK) == 0 ? users_open(path, false, &error) : NULL;
	bool found = users && users_find(users, slice_from_text(at->request->user), record) == USERS_OK;
	users_close(users);
	free(path);
	return found;
}

/* Without it a right password is none for that mechanism, and no fault of the server. */
static const char *find_lack(const struct verify *at, unsigned mechanism)
{
	struct user_record record;
	const struct config_server *server = at->server;
	if (!server || config_backend_of(&server->backends, mechanism) ||
	    (mechanism == SASL_NTLM && server->ntlm.helper) || !find_user(at, &record))
		return NULL;
	const char *lack = user_mechanisms_lack(&record, mechanism);
	secret_wipe(&record, sizeof record);
	return lack;
}

void verify_sign_in(struct verify *at)
{
	char tried[VERIFY_TEXT_BYTES];
	struct verify_case what = { "the right password", "signed in, 235", "RFC 4954 §4" };
	unsigned offered = ask_offered(at, &what);
	for (unsigned left = usable(offered); left; left &= left - 1) {
		unsigned mechanism = left & -left;
		struct verify_reply reply;
		snprintf(tried, sizeof tried, "%s as %s with the right password", sasl_mechanism_name(mechanism),
			 at->request->user);
		what.tried = tried;
		const char *lack = find_lack(at, mechanism);
		if (lack)
			verify_tell(at, VERIFY_NOT_TRIED, &what, "%s has nothing for it: %s", at->request->user, lack);
		else if (try_mechanism(at, mechanism, slice_from_text(at->request->user), at->password, &what, &reply))
			verify_tell(at, reply.code == 235 ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s", reply.text);
	}
	tell_untried(at, offered & ~usable(offered));
}

/* --- the wire --- */

static bool contains(struct slice all, struct slice part)
{
	return part.size && all.size >= part.size && memmem(all.data, all.size, part.data, part.size);
}

/* As it is, and as base64 shows it at each of the three places in a group of bytes that it can begin at. */
static bool can_be_read(struct slice wire, struct slice secret)
{
	uint8_t shifted[LIMIT_PASSWORD_BYTES + 2], storage[BASE64_ENCODED_BYTES(sizeof shifted)];
	if (contains(wire, secret))
		return true;
	for (size_t shift = 0; shift < 3 && secret.size >= 6; shift++) {
		struct buffer encoded;
		buffer_init(&encoded, storage, sizeof storage);
		memset(shifted, 0, sizeof shifted);
		memcpy(shifted + shift, secret.data, secret.size);
		if (!base64_encode(&encoded, slice_of(shifted, shift + secret.size)))
			continue;
		/* The first and last groups hold neighbours too. */
		struct slice inner = slice_skip(buffer_slice(&encoded), 4);
		if (contains(wire, slice_first(inner, inner.size - 4)))
			return true;
	}
	return false;
}

/* Too short to be no accident, or part of what EHLO says anyway? */
static bool is_telling(struct slice secret)
{
	return secret.size >= 4 && !contains(SLICE_LITERAL(VERIFY_CLIENT_NAME), secret);
}

static uint8_t captured[VERIFY_CAPTURE_BYTES];

/* Hands in the word as a message, as far as the text, whose end never comes. */
static void say_message(struct verify *at, struct probe *probe, const char *word)
{
	char text[VERIFY_TEXT_BYTES];
	struct verify_reply reply;
	struct error error;
	const char *user = verify_has_login(at) ? at->request->user : NULL;
	snprintf(text, sizeof text, "MAIL FROM:<%.250s>", user && strchr(user, '@') ? user : "");
	verify_ask(probe, text, &reply);
	snprintf(text, sizeof text, "RCPT TO:<%.250s>", verify_recipient(at));
	if (reply.code == 250)
		verify_ask(probe, text, &reply);
	if (reply.code == 250)
		verify_ask(probe, "DATA", &reply);
	snprintf(text, sizeof text, "Subject: %s\r\n\r\n%s\r\n", word, word);
	if (reply.code == 354)
		(void)!probe_send(probe, slice_from_text(text), &error);
}

/* Signs in, where there is a login, by what shows the password if that is offered, and says a word that is looked for afterwards. */
static bool speak(struct verify *at, const struct probe_target *target, const char *word,
		  const struct verify_case *what)
{
	struct probe probe;
	struct verify_reply reply;
	struct error error;
	char command[64];
	snprintf(command, sizeof command, "NOOP %s", word);
	if (!verify_begin(at, &probe, target, false, what))
		return false;
	unsigned shows = probe.reply.mechanisms & SASL_PLAIN;
	bool ready = !verify_has_login(at) || verify_log_in(at, &probe, shows, &error);
	if (!ready)
		verify_tell(at, VERIFY_FAILED, what, "%s", error.text);
	else
		verify_ask(&probe, command, &reply);
	if (ready && verify_recipient(at))
		say_message(at, &probe, word);
	probe_close(&probe);
	return ready;
}

static bool capture_session(struct verify *at, struct buffer *wire, const char *word, const struct verify_case *what)
{
	struct verify_proxy proxy;
	struct probe_target target = at->target;
	struct error error;
	if (!verify_proxy_start(&proxy, target.host, target.port, target.source, &error)) {
		verify_tell(at, VERIFY_NOT_TRIED, what, "%s", error.text);
		return false;
	}
	target.host = "127.0.0.1";
	target.port = proxy.port;
	target.source = NULL;
	bool spoken = speak(at, &target, word, what);
	verify_proxy_end(&proxy, wire);
	return spoken;
}

void verify_wire(struct verify *at)
{
	struct verify_case what = {
		verify_has_login(at)
			? "signing in and speaking through a proxy that keeps all bytes, and searching them"
			: "speaking through a proxy that keeps all bytes, and searching them",
		"neither the password nor anything that is said after the handshake can be read", "RFC 8314 §3"
	};
	char word[21];
	struct buffer wire;
	buffer_init(&wire, captured, sizeof captured);
	secret_random_text(word, sizeof word - 1);
	if (!capture_session(at, &wire, word, &what))
		return;
	/* The capture must see what it should: this goes in the clear. */
	if (wire.size == 0 ||
	    (at->target.security == PROBE_STARTTLS && !contains(buffer_slice(&wire), SLICE_LITERAL("STARTTLS\r\n")))) {
		verify_tell(at, VERIFY_NOT_TRIED, &what, "the capture has failed");
		return;
	}
	struct slice user = slice_from_text(at->request->user ? at->request->user : "");
	bool password = is_telling(at->password) && can_be_read(buffer_slice(&wire), at->password);
	bool name = is_telling(user) && can_be_read(buffer_slice(&wire), user);
	bool said = contains(buffer_slice(&wire), slice_from_text(word));
	if (password || name || said)
		verify_tell(at, VERIFY_FAILED, &what, "%zu bytes captured; to be read: %s%s%s", wire.size,
			    password ? "the password " : "", name ? "the user's name " : "",
			    said ? "what was said" : "");
	else
		verify_tell(at, VERIFY_PASSED, &what, "%zu bytes captured; nothing can be read", wire.size);
	secret_wipe(captured, wire.size);
}
