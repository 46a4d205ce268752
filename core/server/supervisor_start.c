/* What the supervisor makes before it starts the first child; see supervisor_parts.h. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/guard_file.h"
#include "core/server/quota_file.h"
#include "core/server/sockets.h"
#include "core/server/supervisor_parts.h"
#include "core/users/users.h"
#include "crypto/secret.h"

/* Nodes that share the secret of tickets give the same salts; neither says anything of the other. */
static bool derive_salt_secret(struct supervisor *supervisor, const uint8_t secret[TLS_TICKET_SECRET_BYTES],
			       struct error *error)
{
	_Static_assert((int)TLS_TICKET_SECRET_BYTES == SECRET_KEY_BYTES && (int)SECRET_HASH_BYTES == SECRET_KEY_BYTES,
		       "one is a key for the other");
	supervisor->salt_secret = secret_allocate(SECRET_KEY_BYTES);
	if (!supervisor->salt_secret)
		return error_set(error, "no memory for a secret");
	secret_hash(supervisor->salt_secret, secret, SLICE_LITERAL("postern: the salts of nobody"));
	return true;
}

/* The keeper first: it has nothing open that the server may close, no secret of the server's, and misses no change of a file. */
static bool init_servers(struct supervisor *supervisor, struct error *error)
{
	uint8_t secret[TLS_TICKET_SECRET_BYTES];
	struct config *config = supervisor->served.config;
	if (!keeper_start(&supervisor->keeper, config, error) ||
	    !list_watches_begin(&supervisor->lists, config, error) ||
	    !data_folder_ticket_secret(config, &supervisor->run_as, secret, error))
		return false;
	supervisor->states = server_states_create(error);
	if (supervisor->states)
		atomic_init(&supervisor->states->log_level, config->log_level);
	bool good = supervisor->states && derive_salt_secret(supervisor, secret, error);
	good = good && served_start(&supervisor->served, config, secret, error) &&
	       served_go_on(&supervisor->served, NULL, supervisor->states, error);
	secret_wipe(secret, sizeof secret);
	/* What making the rules has taken for a while would be in every child. */
	if (supervisor->lists.any)
		malloc_trim(0);
	return good;
}

static bool init_children(struct supervisor *supervisor, struct error *error)
{
	supervisor->lanes = data_folder_lanes(supervisor->served.config);
	if (supervisor->lanes > supervisor->served.config->workers)
		log_message(LOG_INFO, "lanes", "%u lanes of an earlier start are served without listeners",
			    supervisor->lanes - supervisor->served.config->workers);
	unsigned hashers = supervisor->served.config->hashers;
	supervisor->child_count = supervisor->lanes + hashers;
	supervisor->children = calloc(supervisor->child_count, sizeof *supervisor->children);
	supervisor->hasher_fds = calloc(supervisor->lanes, sizeof *supervisor->hasher_fds);
	if (!supervisor->children || !supervisor->hasher_fds)
		return error_set(error, "no memory for %zu processes", supervisor->child_count);
	for (unsigned i = 0; i < supervisor->lanes; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, supervisor->hasher_fds[i]) !=
		    0)
			return error_set_errno(error, errno, "no socket pair for the hashers");
	for (unsigned i = 0; i < supervisor->child_count; i++)
		supervisor->children[i] = (struct child){
			.kind = i < hashers ? CHILD_HASHER : CHILD_WORKER,
			.number = i < hashers ? i : i - hashers,
			.channel = -1,
		};
	return true;
}

static bool init_signals(struct supervisor *supervisor, struct error *error)
{
	sigset_t wanted;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGCHLD);
	/* Blocked in workers too: they read SIGTERM from a descriptor of their own. SIGINT of a terminal reaches all. */
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	signal(SIGPIPE, SIG_IGN);
	supervisor->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0 || pipe2(supervisor->ready_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return error_set_errno(error, errno, "no descriptor for signals");
	return true;
}

static void raise_limits(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Memory holds passwords for moments and keys for ever. Who has core dumps piped to him is not held by the limit, and gets
	 * one without memory. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "0", 1);
		close(fd);
	}
}

/* Workers only read it, and may start before the first user is added. */
static bool make_user_database(const struct config *config, struct error *error)
{
	char *path = data_folder_path(config, "users");
	struct users *users = path ? users_open(path, true, error) : NULL;
	free(path);
	users_close(users);
	return users != NULL;
}

bool supervisor_open_quotas(struct supervisor *supervisor, const struct config *config, struct error *error)
{
	bool wanted = false;
	for (size_t i = 0; i < config->server_count; i++)
		wanted |= quota_limits_anything(&config->servers[i].quota);
	if (!wanted || supervisor->quotas)
		return true;
	char *path = data_folder_path(config, "quotas");
	supervisor->quotas = path ? quota_file_open(path, LIMIT_QUOTA_LOGINS, error) : NULL;
	if (!path)
		error_set(error, "no memory");
	free(path);
	return supervisor->quotas != NULL;
}

static bool open_guard(struct supervisor *supervisor, struct error *error)
{
	const struct config *config = supervisor->served.config;
	char *path = data_folder_path(config, "guard");
	bool good = path ? guard_file_open(&supervisor->guard, path, &config->guard.settings, error)
			 : error_set(error, "no memory");
	free(path);
	return good;
}

static bool open_sockets(struct supervisor *supervisor, struct error *error)
{
	const struct config *config = supervisor->served.config;
	struct listening *listening = &supervisor->listening;
	listening->fds = sockets_open(config, config->workers, &listening->each, error);
	return listening->fds != NULL;
}

static bool open_control(struct supervisor *supervisor, struct error *error)
{
	supervisor->control = supervisor_control_open(supervisor->served.config->data, error);
	return supervisor->control != NULL;
}

/* The control socket before what another server in the same folder may be using: its being there tells of that one. */
bool supervisor_prepare(struct supervisor *supervisor, struct error *error)
{
	const struct config *config = supervisor->served.config;
	/* Who started us may have ignored it, and then nobody would be told that a child has died. */
	signal(SIGCHLD, SIG_DFL);
	raise_limits();
	return run_as_find(config, &supervisor->run_as, error) &&
	       data_folder_prepare(config, &supervisor->run_as, error) && init_servers(supervisor, error) &&
	       open_sockets(supervisor, error) && run_as_become(config, &supervisor->run_as, error) &&
	       open_control(supervisor, error) && make_user_database(config, error) &&
	       supervisor_open_quotas(supervisor, config, error) && open_guard(supervisor, error) &&
	       init_signals(supervisor, error) && init_children(supervisor, error);
}

void supervisor_finish(struct supervisor *supervisor)
{
	supervisor_control_close(supervisor->control);
	secret_free(supervisor->salt_secret);
	list_watches_finish(&supervisor->lists);
	keeper_leave(&supervisor->keeper);
	free(supervisor->reload.told);
	served_finish(&supervisor->served);
	quota_file_close(supervisor->quotas, LIMIT_QUOTA_LOGINS);
	guard_file_close(&supervisor->guard);
	server_states_destroy(supervisor->states);
	free(supervisor->listening.fds);
	free(supervisor->hasher_fds);
	free(supervisor->children);
}
