/* A hasher process: takes one job at a time, from each worker in turn, verifies the password and answers.
 *
 * It holds no state between jobs, so one that dies costs the job it had, and one that is started anew goes on with what
 * waits in the sockets. Passwords are in one guarded buffer, wiped after each job; nothing of it is dumped. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/users/hasher.h"
#include "core/users/sign_in.h"
#include "crypto/password.h"
#include "crypto/secret.h"

enum {
	ANSWER_WAIT_MS = 1000
}; /* a worker that reads no answers for so long has lost its job, and waits for its deadline */

struct hasher {
	struct pollfd workers[LIMIT_WORKERS]; /* fd -1: has gone */
	size_t count;
	size_t left;             /* that have not gone */
	size_t turn;             /* whose job is looked for first */
	uint8_t *packet;         /* HASHER_JOB_BYTES + 1: what is longer than a job is seen to be so */
	const atomic_int *level; /* NULL: as it is */
};

static volatile sig_atomic_t told_to_end;

static void note_end(int signal_number)
{
	(void)signal_number;
	told_to_end = 1;
}

/* SIGTERM comes in only while waiting: `waiting` is the mask for that. A terminal's signals are for the supervisor, which
 * needs the hashers for the last sign-ins. */
static void set_up_signals(sigset_t *waiting)
{
	sigset_t term;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, waiting);
	sigdelset(waiting, SIGTERM);
	struct sigaction end = { .sa_handler = note_end }, ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
}

static void set_up_process(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
#ifndef POSTERN_SANITIZED
	/* No core dump and no debugger. The leak checker looks in like a debugger, so not under it. */
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

static void answer(int fd, const struct hasher_answer *answer)
{
	uint8_t packet[HASHER_ANSWER_BYTES];
	hasher_answer_encode(packet, answer);
	struct pollfd worker = { .fd = fd, .events = POLLOUT };
	while (send(fd, packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		bool full = errno == EAGAIN || errno == EWOULDBLOCK;
		if (errno == EINTR || (full && poll(&worker, 1, ANSWER_WAIT_MS) > 0))
			continue;
		/* A worker that has gone does not wait for it. */
		if (full)
			log_message(LOG_WARN, "hasher-answer-lost", "a worker takes no answers");
		return;
	}
}

/* A wrong password takes the time of all costs, whichever of them its hash has. */
static enum password_verdict verify_and_spend(const struct hasher_job *job, const char *hash)
{
	enum password_verdict verdict = password_verify(hash, job->password);
	for (unsigned i = 0; i < job->costs_count && verdict != PASSWORD_RIGHT; i++)
		password_spend(&job->costs[i], job->password);
	return verdict;
}

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A configuration that changes may want more or less of the log. */
static void follow_level(const struct hasher *hasher)
{
	int level = hasher->level ? atomic_load_explicit(hasher->level, memory_order_relaxed) : (int)log_level();
	if (level != (int)log_level())
		log_configure((enum log_level)level, STDERR_FILENO);
}

static void verify(const struct hasher *hasher, int fd, size_t size)
{
	struct hasher_job job;
	char hash[LIMIT_HASH_TEXT_BYTES];
	if (size > HASHER_JOB_BYTES || !hasher_job_decode(slice_of(hasher->packet, size), &job) ||
	    !slice_to_text(job.hash, hash, sizeof hash)) {
		log_message(LOG_ERROR, "hasher-packet", "%zu bytes that are no job", size);
		return;
	}
	uint64_t began_us = now_us();
	struct hasher_answer result = { job.job, verify_and_spend(&job, hash) };
	secret_wipe(hash, sizeof hash);
	log_message(LOG_DEBUG, "hashed", "a password in %llu us", (unsigned long long)(now_us() - began_us));
	if (result.verdict == PASSWORD_NO_MEMORY)
		log_message(LOG_WARN, "hasher-memory", "no memory to verify a password");
	answer(fd, &result);
}

/* Takes a job from this worker and does it; false when there was none. Another hasher may have been faster. */
static bool serve(struct hasher *hasher, struct pollfd *worker)
{
	ssize_t size = recv(worker->fd, hasher->packet, HASHER_JOB_BYTES + 1, MSG_DONTWAIT);
	if (size > 0) {
		follow_level(hasher);
		verify(hasher, worker->fd, (size_t)size);
		secret_wipe(hasher->packet, HASHER_JOB_BYTES + 1);
		return true;
	}
	if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	worker->fd = -1;
	hasher->left--;
	return false;
}

/* One job of the first worker that has one, beginning behind the one that was served last. */
static void serve_next(struct hasher *hasher)
{
	for (size_t i = 0; i < hasher->count; i++) {
		size_t at = (hasher->turn + i) % hasher->count;
		struct pollfd *worker = &hasher->workers[at];
		if (worker->fd < 0 || !worker->revents || !serve(hasher, worker))
			continue;
		hasher->turn = at + 1;
		return;
	}
}

int hasher_run(const int *worker_fds, size_t count, const atomic_int *level)
{
	ASSERT(count <= LIMIT_WORKERS);
	struct hasher hasher = {
		.count = count,
		.left = count,
		.packet = secret_allocate(HASHER_JOB_BYTES + 1),
		.level = level,
	};
	if (!hasher.packet) {
		log_message(LOG_ERROR, "hasher", "no memory for a packet");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < count; i++)
		hasher.workers[i] = (struct pollfd){ .fd = worker_fds[i], .events = POLLIN };
	sigset_t waiting;
	set_up_process();
	set_up_signals(&waiting);
	while (!told_to_end && hasher.left > 0)
		if (ppoll(hasher.workers, count, NULL, &waiting) > 0)
			serve_next(&hasher);
	secret_free(hasher.packet);
	return EXIT_SUCCESS;
}
