/* A worker's process; see worker_process.h. */
#include "core/server/worker_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/data_folder.h"
#include "core/server/worker_parts.h"
#include "crypto/ntlm.h"

struct signal_watch {
	struct loop_op poll;
	int fd;
	bool asked; /* to end */
};

static void signal_came(struct loop_op *op, const struct loop_completion *completion)
{
	struct signal_watch *watch = CONTAINER_OF(op, struct signal_watch, poll);
	watch->asked = completion->result > 0;
}

static bool watch_signals(struct signal_watch *watch, struct loop *loop, struct error *error)
{
	sigset_t ending;
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	loop_op_init(&watch->poll);
	watch->asked = false;
	watch->fd = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch->fd < 0)
		return error_set_errno(error, errno, "no descriptor for signals");
	loop_poll(loop, &watch->poll, watch->fd, POLLIN, signal_came);
	return true;
}

static struct loop *make_loop(const struct config *config, struct error *error)
{
	struct loop_settings settings = { .kind = config->loop, .receive_buffers = LIMIT_RECEIVE_BUFFERS };
	struct loop *loop = loop_create(&settings, error);
	if (loop && error->text[0])
		log_message(LOG_WARN, "loop", "using %s: %s", loop_name(loop), error->text);
	return loop;
}

static struct worker *make_worker(const struct worker_process *process, struct error *error)
{
	char lane[32];
	snprintf(lane, sizeof lane, "lanes/%u", process->number);
	char *lane_directory = data_folder_path(process->served->config, lane);
	char *users_directory = data_folder_path(process->served->config, "users");
	char *ntlm_key_file = data_folder_path(process->served->config, NTLM_SEAL_KEY_NAME);
	bool named = lane_directory && users_directory && ntlm_key_file;
	if (!named)
		error_set(error, "no memory for a worker");
	struct loop *loop = named ? make_loop(process->served->config, error) : NULL;
	struct worker_settings settings = {
		.number = process->number,
		.served = process->served,
		.takes_served = true,
		.states = process->states,
		.quotas = process->quotas,
		.guard = process->guard,
		.listen_fds = process->listen_fds,
		.hasher_fd = process->hasher_fd,
		.channel_fd = process->channel_fd,
		.salt_secret = process->salt_secret,
		.lane_directory = lane_directory,
		.users_directory = users_directory,
		.ntlm_key_file = ntlm_key_file,
	};
	struct worker *worker = loop ? worker_create(loop, &settings, error) : NULL;
	free(lane_directory);
	free(users_directory);
	free(ntlm_key_file);
	return worker;
}

static int serve(struct worker *worker, const struct worker_process *process, struct error *error)
{
	struct signal_watch signals;
	if (!watch_signals(&signals, worker->loop, error))
		return EXIT_FAILURE;
	uint8_t number = (uint8_t)process->number;
	if (write(process->ready_fd, &number, 1) != 1)
		return EXIT_FAILURE; /* the supervisor is gone */
	close(process->ready_fd);
	while (!worker_is_drained(worker)) {
		if (!worker_turn(worker, true, error)) {
			log_message(LOG_ERROR, "loop", "%s", error->text);
			return EXIT_FAILURE;
		}
		if (signals.asked)
			worker_drain(worker);
	}
	loop_cancel(worker->loop, &signals.poll);
	if (loop_op_is_running(&signals.poll))
		loop_await(worker->loop, &signals.poll);
	close(signals.fd);
	return EXIT_SUCCESS;
}

int worker_process_run(const struct worker_process *process)
{
	char name[24];
	snprintf(name, sizeof name, "worker=%u", process->number);
	log_set_process(name);
	prctl(PR_SET_NAME, "postern-worker", 0, 0, 0);
	worker_leave_descriptors();
	struct error error = { "" };
	struct worker *worker = make_worker(process, &error);
	if (!worker) {
		log_message(LOG_ERROR, "start", "%s", error.text);
		log_flush();
		return 2;
	}
	log_set_buffered(true);
	int status = serve(worker, process, &error);
	if (status == EXIT_SUCCESS)
		worker_destroy(worker);
	log_flush();
	return status;
}
