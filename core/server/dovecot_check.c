/* Trying the Dovecot auth services of a configuration; see dovecot_check.h. In a child that has become the server's user, so
 * that the socket's permissions count as they will. */
#include "core/server/dovecot_check.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/users/dovecot.h"

enum { WAIT_MS = 2000 };

struct finding {
	bool there;
	unsigned mechanisms;
	struct error error;
};

static void look_as(const char *name, const char *place, struct finding *finding)
{
	const struct passwd *user = name && geteuid() == 0 ? getpwnam(name) : NULL;
	if (user && (initgroups(name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid)))
		error_set_errno(&finding->error, errno, "can't become %s", name);
	else
		finding->there = dovecot_probe(place, WAIT_MS, &finding->mechanisms, &finding->error);
}

static void look(const char *name, const char *place, struct finding *finding)
{
	int ends[2];
	*finding = (struct finding){ .error = { "can't be tried" } };
	if (pipe(ends) != 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		look_as(name, place, finding);
		_exit(write(ends[1], finding, sizeof *finding) != sizeof *finding);
	}
	close(ends[1]);
	struct finding found;
	if (child > 0 && read(ends[0], &found, sizeof found) == sizeof found)
		*finding = found;
	close(ends[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
}

static unsigned wanted(const struct config_server *server, const char *place)
{
	unsigned mechanisms = 0;
	for (unsigned left = server->mechanisms; left; left &= left - 1) {
		const char *of = config_backend_of(&server->backends, left & -left);
		if (of && strcmp(of, place) == 0)
			mechanisms |= left & -left;
	}
	return mechanisms & ~(unsigned)CONFIG_NEVER_DOVECOT;
}

static void check_backend(const struct config *config, const struct config_server *server,
			  const struct config_backend *backend, struct config_problems *notes)
{
	struct finding finding;
	look(config->user, backend->place, &finding);
	if (!finding.there) {
		config_problem_add(notes, config->file, backend->line,
				   "dovecot:%s: %s; until it is there, sign-ins are put off with 454", backend->place,
				   finding.error.text);
		return;
	}
	for (unsigned left = wanted(server, backend->place) & ~finding.mechanisms; left; left &= left - 1)
		config_problem_add(notes, config->file, backend->line,
				   "dovecot:%s does not have %s, so clients are not offered it; "
				   "Dovecot's auth_mechanisms names what it has",
				   backend->place, sasl_mechanism_name(left & -left));
}

void dovecot_check(const struct config *config, struct config_problems *notes)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		for (size_t j = 0; j < server->backends.count; j++)
			if (server->backends.list[j].place)
				check_backend(config, server, &server->backends.list[j], notes);
	}
}
