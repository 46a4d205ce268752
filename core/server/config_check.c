/* What a configuration needs from the machine: files, folders, a user; see config_check() in config.h.
 *
 * Certificates are read by the process that was started, folders are used after it has dropped to `user`. Whether
 * that user may write somewhere is asked of the kernel in a child that has become that user: mode bits alone
 * don't know of access lists and read-only mounts. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/server/config.h"
#include "core/server/rule_file.h"
#include "core/server/server_tls.h"
#include "crypto/certificate.h"
#include "crypto/tls.h"

struct check {
	const struct config *config;
	struct config_problems *problems;
	const struct passwd *user; /* NULL: the server stays who starts it */
};

/* --- folders --- */

static int access_as(const struct passwd *user, const char *path, int mode)
{
	if (user && (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid)))
		return errno;
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno;
}

/* 0, or why the server could not do this with the path. */
static int check_access(const struct check *check, const char *path, int mode)
{
	if (!check->user)
		return access_as(NULL, path, mode);
	pid_t child = fork();
	if (child < 0)
		return errno;
	if (child == 0)
		_exit(access_as(check->user, path, mode));
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

/* Cuts `path` back to the nearest folder that exists. */
static void cut_to_existing(char *path)
{
	struct stat status;
	while (stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
		char *slash = strrchr(path, '/');
		if (!slash || slash == path) {
			strcpy(path, "/");
			return;
		}
		*slash = 0;
	}
}

/* A folder that the server writes in, or makes where it is missing. */
static void check_folder(const struct check *check, const char *path, int line, const char *what)
{
	const char *file = check->config->file, *who = check->user ? check->user->pw_name : "this user";
	char *existing = strdup(path);
	if (!existing) {
		config_problem_add(check->problems, file, line, "out of memory");
		return;
	}
	cut_to_existing(existing);
	struct stat status;
	int reason = stat(existing, &status) == 0 ? 0 : errno;
	if (reason)
		config_problem_add(check->problems, file, line, "%s %s: %s", what, existing, strerror(reason));
	else if (!S_ISDIR(status.st_mode))
		config_problem_add(check->problems, file, line, "%s %s is no folder", what, existing);
	else if ((reason = check_access(check, existing, R_OK | W_OK | X_OK)))
		config_problem_add(check->problems, file, line, "%s %s: %s can't write in %s: %s", what, path, who,
				   existing, strerror(reason));
	free(existing);
}

/* Who starts the server makes a missing data folder, but not what it is in, and gives it to `user`. */
static void check_data(const struct check *check)
{
	const struct config *config = check->config;
	struct stat status;
	if (!config->data)
		return;
	if (stat(config->data, &status) == 0 || errno != ENOENT) {
		check_folder(check, config->data, config->data_line, "data folder");
		return;
	}
	struct check starter = { .config = config, .problems = check->problems };
	char *parent = strdup(config->data);
	if (parent && strrchr(parent, '/') != parent)
		*strrchr(parent, '/') = 0;
	if (parent && stat(parent, &status) != 0)
		config_problem_add(check->problems, config->file, config->data_line, "data folder %s: make %s first",
				   config->data, parent);
	else
		check_folder(&starter, config->data, config->data_line, "data folder");
	free(parent);
}

static bool is_below(const char *path, const char *folder)
{
	size_t size = strlen(folder);
	return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == 0);
}

/* The part of a Maildir's path that is the same for all recipients. */
static void check_maildir(const struct check *check, const struct route *route)
{
	const char *data = check->config->data;
	if (route->kind != ROUTE_MAILDIR || !route->maildir || (data && is_below(route->maildir, data)))
		return;
	char *fixed = strndup(route->maildir, strcspn(route->maildir, "%"));
	if (fixed && strchr(route->maildir, '%') && strrchr(fixed, '/') != fixed)
		*strrchr(fixed, '/') = 0;
	check_folder(check, fixed ? fixed : "/", route->line, "Maildir");
	free(fixed);
}

/* --- certificates --- */

static void check_certificate(const struct check *check, const struct config_certificate *certificate)
{
	struct error error = { "" };
	if (!certificate->certificate || !certificate->key)
		return;
	if (!certificate_check_pair(certificate->certificate, certificate->key, (int64_t)time(NULL), &error))
		config_problem_add(check->problems, check->config->file, certificate->line, "%s", error.text);
	else if (certificate->name && !certificate_covers(certificate->certificate, certificate->name))
		config_problem_add(check->problems, check->config->file, certificate->line,
				   "certificate %s is not for %s, so no client would accept it",
				   certificate->certificate, certificate->name);
}

/* What was said of one of its parts need not be said again of the whole. */
static void check_tls(const struct check *check, const struct config_server *server)
{
	const struct config_tls *tls = &server->tls;
	struct error error = { "" };
	size_t before = check->problems->count;
	int line;
	for (size_t i = 0; i < server->certificate_count; i++)
		check_certificate(check, &server->certificates[i]);
	if (tls->client_ca && !tls_client_authorities_check(tls->client_ca, NULL, &error))
		config_problem_add(check->problems, check->config->file, tls->client_ca_line, "%s", error.text);
	else if (tls->client_crl && !tls_client_authorities_check(tls->client_ca, tls->client_crl, &error))
		config_problem_add(check->problems, check->config->file, tls->client_crl_line, "%s", error.text);
	if (check->problems->count > before || server->certificate_count == 0)
		return;
	for (size_t i = 0; i < server->certificate_count; i++)
		if (!server->certificates[i].certificate || !server->certificates[i].key)
			return; /* told when it was read */
	struct tls_context *context = server_tls_create(server, NULL, NULL, NULL, &line, &error);
	if (!context)
		config_problem_add(check->problems, check->config->file, line, "%s", error.text);
	tls_context_destroy(context);
}

/* --- list files --- */

static void tell_list(void *context, const char *path, uint32_t line, const char *what)
{
	const struct check *check = context;
	config_problem_add(check->problems, path, (int)line, "%s", what);
}

/* Read as the server will: by `user`, and again whenever they change. */
static void check_list(struct check *check, const struct config_rule_file *file)
{
	struct radix_builder prefixes;
	struct suffix_builder names;
	uint32_t lines;
	int reason = check_access(check, file->path, R_OK);
	if (reason) {
		config_problem_add(check->problems, check->config->file, file->line, "list %s: %s can't read it: %s",
				   file->path, check->user ? check->user->pw_name : "this user", strerror(reason));
		return;
	}
	radix_builder_init(&prefixes);
	suffix_builder_init(&names);
	(void)!rule_file_read(file->path, &prefixes, &names, 0, 0, &lines, tell_list, check);
	radix_builder_finish(&prefixes);
	suffix_builder_finish(&names);
}

static void check_lists(struct check *check)
{
	for (size_t i = 0; i < check->config->server_count; i++) {
		const struct config_rules *rules = &check->config->servers[i].connect.rules;
		for (size_t j = 0; j < rules->file_count; j++)
			check_list(check, &rules->files[j]);
	}
}

/* --- helpers --- */

static void check_helper(const struct check *check, const struct config_server *server)
{
	const struct config_ntlm *ntlm = &server->ntlm;
	int reason = ntlm->helper ? check_access(check, ntlm->helper, X_OK) : 0;
	if (reason)
		config_problem_add(check->problems, check->config->file, ntlm->helper_line,
				   "helper %s: %s can't run it: %s", ntlm->helper,
				   check->user ? check->user->pw_name : "this user", strerror(reason));
}

/* --- all --- */

static void find_user(struct check *check)
{
	const struct config *config = check->config;
	if (!config->user)
		return;
	errno = 0;
	const struct passwd *user = getpwnam(config->user);
	if (!user && errno)
		config_problem_add(check->problems, config->file, config->user_line, "can't look up user '%s': %s",
				   config->user, strerror(errno));
	else if (!user)
		config_problem_add(check->problems, config->file, config->user_line,
				   "user '%s' does not exist; make it with: useradd --system %s", config->user,
				   config->user);
	/* Only root can drop to somebody; everybody else stays. */
	check->user = geteuid() == 0 ? user : NULL;
}

bool config_check(const struct config *config, struct config_problems *problems)
{
	size_t problems_before = problems->count;
	struct check check = { .config = config, .problems = problems };
	find_user(&check);
	check_data(&check);
	for (size_t i = 0; i < config->server_count && !config->built_in; i++)
		check_tls(&check, &config->servers[i]);
	check_lists(&check);
	for (size_t i = 0; i < config->server_count; i++)
		check_helper(&check, &config->servers[i]);
	for (size_t i = 0; i < config->routes.count; i++)
		check_maildir(&check, &config->routes.routes[i]);
	return problems->count == problems_before;
}
