/* The keeper's process, and how the supervisor speaks with it; see keeper.h. */
#include "core/server/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/config_source.h"
#include "core/server/keeper_parts.h"
#include "core/server/served.h"

struct order {
	uint64_t generation;
	uint32_t what; /* enum keeper_order */
};

/* A configuration, and its files as they were before they were read. */
struct kept {
	struct config *config;
	struct file_watches tls;
	struct file_watches others; /* of one that is next: who has it served has those watched elsewhere */
};

/* In the process. */
struct keeping {
	int socket;
	struct file_watch file; /* the configuration's */
	struct kept present;
	struct kept next;         /* that is being packed, or was; config NULL: its form is wrong, or there is none */
	uint64_t generation;      /* of the present one */
	uint64_t next_generation; /* 0: none is to be decided about, and `next` was refused */
	pid_t packer;             /* 0: none runs */
	int packer_fd;
	uint64_t packer_ends_ms; /* it has all the time until then */
	bool pressed;            /* to read all files of TLS, changed or not */
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CLOCK_NS_PER_MS;
}

static void finish(struct kept *kept)
{
	file_watches_finish(&kept->tls);
	file_watches_finish(&kept->others);
	config_free(kept->config);
	*kept = (struct kept){ .config = NULL };
}

/* --- looking --- */

static void look_at_tls(struct keeping *keeping)
{
	struct error error = { "" };
	int fd;
	enum tls_change change =
		tls_watches_look(&keeping->present.tls, keeping->present.config, keeping->pressed, &fd, &error);
	if (change == TLS_UNCHANGED)
		return;
	keeping->pressed = false;
	struct parcel parcel = { .kind = PARCEL_TLS, .generation = keeping->generation, .count = 1, .fds = &fd };
	if (change == TLS_CHANGED && !parcel_send(keeping->socket, &parcel, &error))
		change = TLS_WRONG;
	if (fd >= 0)
		close(fd);
	if (change == TLS_WRONG)
		log_message(LOG_ERROR, "certificates-refused", "%s; the ones before are served on", error.text);
}

static void tell(const struct keeping *keeping, enum parcel_kind kind)
{
	struct error error;
	struct parcel parcel = { .kind = kind, .generation = keeping->generation };
	if (!parcel_send(keeping->socket, &parcel, &error))
		log_message(LOG_ERROR, "reload", "%s", error.text);
}

static void look_at_file(struct keeping *keeping)
{
	if (!file_watch_look(&keeping->file))
		return;
	file_watch_take(&keeping->file);
	tell(keeping, PARCEL_CHANGED);
}

/* What was wrong with it may have been one of its files: a certificate that comes after the line that names it. */
static void look_at_refused(struct keeping *keeping)
{
	bool changed = file_watches_take(&keeping->next.tls);
	changed |= file_watches_take(&keeping->next.others);
	if (changed)
		tell(keeping, PARCEL_AGAIN);
}

/* Only one thing is handed over at a time, and of one configuration: nothing while another may take its place. */
static void look(struct keeping *keeping)
{
	if (keeping->next_generation)
		return;
	look_at_tls(keeping);
	if (!keeping->present.config->built_in)
		look_at_file(keeping);
	look_at_refused(keeping);
	log_flush();
}

/* --- packing --- */

/* What is wrong with the text the packer tells. False: no memory. */
static bool begin_next(struct keeping *keeping, const char *text)
{
	struct config_problems problems = { 0 };
	struct kept *next = &keeping->next;
	next->config = config_parse(text, keeping->present.config->file, &problems);
	bool good = !next->config ||
		    (tls_watches_begin(&next->tls, next->config) && other_watches_begin(&next->others, next->config));
	config_problems_free(&problems);
	return good;
}

static _Noreturn void run_packer(const struct packing *packing, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	int status = keeper_pack(packing);
	log_flush();
	_exit(status);
}

static bool start_packer(struct keeping *keeping, const char *text, struct error *error)
{
	struct packing packing = {
		.text = text,
		.text_fd = keeper_file_of("postern-config", text),
		.before = keeping->present.config,
		.generation = keeping->next_generation,
		.socket = keeping->socket,
	};
	if (packing.text_fd < 0)
		return error_set_errno(error, errno, "no memory for the configuration");
	pid_t parent = getpid();
	log_flush();
	keeping->packer = fork();
	if (keeping->packer == 0)
		run_packer(&packing, parent);
	int code = errno;
	close(packing.text_fd);
	if (keeping->packer > 0) {
		keeping->packer_fd = pidfd_open(keeping->packer, 0);
		keeping->packer_ends_ms = now_ms() + LIMIT_PACKING_MS;
		return true;
	}
	keeping->packer = 0;
	return error_set_errno(error, code, "no process to check the configuration");
}

static void refuse(const struct keeping *keeping, const char *text)
{
	struct error error;
	if (!keeper_refuse(keeping->socket, keeping->next_generation, text, &error))
		log_message(LOG_ERROR, "reload", "%s", error.text);
}

static void forget_packer(struct keeping *keeping)
{
	keeping->packer = 0;
	if (keeping->packer_fd >= 0)
		close(keeping->packer_fd);
	keeping->packer_fd = -1;
}

/* The one before has handed over all that it had, or nobody would ask again; it may not have ended yet. */
static void see_packer_off(struct keeping *keeping)
{
	if (!keeping->packer)
		return;
	kill(keeping->packer, SIGKILL);
	while (waitpid(keeping->packer, NULL, 0) < 0 && errno == EINTR)
		;
	forget_packer(keeping);
}

static void reload(struct keeping *keeping, uint64_t generation)
{
	struct config_problems problems = { 0 };
	struct error error;
	const char *file = keeping->present.config->file;
	see_packer_off(keeping);
	finish(&keeping->next);
	keeping->next_generation = generation;
	if (keeping->present.config->built_in) {
		refuse(keeping,
		       "the embedded default has no file that could change: write a configuration, and start with -c");
		return;
	}
	(void)file_watch_look(&keeping->file);
	file_watch_take(&keeping->file); /* what changes from here on is another change */
	char *text = config_source_read(file, &problems);
	if (!text)
		refuse(keeping, problems.list[0].text);
	else if (!begin_next(keeping, text))
		refuse(keeping, "no memory to watch certificates");
	else if (!start_packer(keeping, text, &error))
		refuse(keeping, error.text);
	free(text);
	config_problems_free(&problems);
}

static void end_packer(struct keeping *keeping)
{
	int status;
	if (now_ms() > keeping->packer_ends_ms)
		kill(keeping->packer, SIGKILL);
	if (waitpid(keeping->packer, &status, WNOHANG) == 0)
		return;
	forget_packer(keeping);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
		refuse(keeping, now_ms() > keeping->packer_ends_ms
					? "checking it took too long"
					: "the process that checked it has died; the log may say why");
}

/* --- orders --- */

static void commit(struct keeping *keeping)
{
	if (keeping->next.config) {
		finish(&keeping->present);
		file_watches_finish(&keeping->next.others);
		keeping->present = keeping->next;
		keeping->next = (struct kept){ .config = NULL };
		keeping->generation = keeping->next_generation;
		keeping->file.path = keeping->present.config->file;
		log_configure((enum log_level)keeping->present.config->log_level, STDERR_FILENO);
	}
	keeping->next_generation = 0;
}

static void obey(struct keeping *keeping, const struct order *order)
{
	switch (order->what) {
	case KEEPER_LOOK:
		keeping->pressed = true;
		break;
	case KEEPER_RELOAD:
		reload(keeping, order->generation);
		break;
	case KEEPER_COMMIT:
		commit(keeping);
		break;
	case KEEPER_DROP:
		keeping->next_generation = 0;
		break;
	}
}

/* False: the supervisor has ended. */
static bool take_order(struct keeping *keeping)
{
	struct order order;
	ssize_t size = recv(keeping->socket, &order, sizeof order, 0);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR;
	if (size == sizeof order)
		obey(keeping, &order);
	return size != 0;
}

static int keep(struct keeping *keeping)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = keeping->socket, .events = POLLIN },
			{ .fd = keeping->packer_fd, .events = POLLIN },
		};
		int ready = poll(fds, 2, KEEPER_LOOK_MS);
		if (ready > 0 && fds[0].revents && !take_order(keeping))
			return EXIT_SUCCESS;
		if (keeping->packer)
			end_packer(keeping);
		look(keeping);
	}
}

static _Noreturn void run(struct keeping *keeping, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_SUCCESS);
	signal(SIGINT, SIG_IGN); /* a terminal's is for the supervisor */
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "postern-keeper", 0, 0, 0);
	log_set_process("keeper");
	int status = keep(keeping);
	log_flush();
	_exit(status);
}

/* --- the supervisor --- */

/* The configuration is the process' own from fork() on, which frees it when another takes its place. */
bool keeper_start(struct keeper *keeper, const struct config *config, struct error *error)
{
	int sockets[2];
	*keeper = (struct keeper){ .socket = -1 };
	struct keeping keeping = {
		.present = { .config = (struct config *)(uintptr_t)config },
		.generation = SERVED_FIRST,
		.packer_fd = -1,
	};
	if (!tls_watches_begin(&keeping.present.tls, config))
		return error_set(error, "no memory to watch certificates");
	file_watch_begin(&keeping.file, config->file);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0) {
		file_watches_finish(&keeping.present.tls);
		return error_set_errno(error, errno, "no sockets to the keeper");
	}
	log_flush();
	pid_t parent = getpid(), pid = fork();
	int code = errno;
	if (pid == 0) {
		close(sockets[0]);
		keeping.socket = sockets[1];
		run(&keeping, parent);
	}
	close(sockets[1]);
	file_watches_finish(&keeping.present.tls);
	keeper->socket = sockets[0];
	keeper->pid = pid > 0 ? pid : 0;
	return pid > 0 || error_set_errno(error, code, "no process to watch files");
}

void keeper_leave(struct keeper *keeper)
{
	parcel_reader_finish(&keeper->reader);
	if (keeper->socket >= 0)
		close(keeper->socket);
	keeper->socket = -1;
}

bool keeper_tell(struct keeper *keeper, enum keeper_order order, uint64_t generation)
{
	struct order message = { generation, order };
	return keeper->pid && send(keeper->socket, &message, sizeof message, MSG_NOSIGNAL) == sizeof message;
}

enum parcel_state keeper_receive(struct keeper *keeper, struct parcel *parcel, struct error *error)
{
	return parcel_receive(keeper->socket, &keeper->reader, parcel, error);
}

bool keeper_reap(struct keeper *keeper, pid_t pid)
{
	if (keeper->pid == 0 || pid != keeper->pid)
		return false;
	keeper->pid = 0;
	keeper_leave(keeper);
	return true;
}
