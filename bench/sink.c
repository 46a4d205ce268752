/* The sink's parent: certificates, workers, signals; see sink.h. */
#include "bench/sink.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sink_worker.h"
#include "crypto/certificate.h"
#include "crypto/secret.h"

enum { SINK_CERTIFICATE_DAYS = 30 }; /* of --private; made anew by removing its files */

struct sink {
	const struct options *options;
	struct sink_settings settings;
	char certificate[PATH_MAX];
	char key[PATH_MAX];
	pid_t pids[OPTIONS_WORKERS_MOST]; /* 0: has ended */
};

static bool make_path(char path[PATH_MAX], const char *folder, const char *name, struct error *error)
{
	int size = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return (size > 0 && size < PATH_MAX) || error_set(error, "%s: too long", folder);
}

/* A CA and a certificate for localhost in the folder, where they are not there yet. */
static bool use_private_files(struct sink *sink, const char *folder, struct error *error)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", NULL };
	char ca[PATH_MAX], ca_key[PATH_MAX];
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return error_set_errno(error, errno, "%s", folder);
	if (!make_path(ca, folder, "ca.pem", error) || !make_path(ca_key, folder, "ca.key", error) ||
	    !make_path(sink->certificate, folder, "certificate.pem", error) ||
	    !make_path(sink->key, folder, "certificate.key", error))
		return false;
	if (access(sink->certificate, R_OK) == 0 && access(sink->key, R_OK) == 0)
		return true;
	struct certificate_files files = { ca, ca_key, sink->certificate, sink->key };
	return certificate_make_private(&files, names, SINK_CERTIFICATE_DAYS, error);
}

static bool make_tls(struct sink *sink, struct error *error)
{
	const struct options *options = sink->options;
	struct tls_server_settings settings = {
		.certificate_file = options->certificate,
		.key_file = options->key,
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
	};
	if (options->private_files) {
		if (!use_private_files(sink, options->private_files, error))
			return false;
		settings.certificate_file = sink->certificate;
		settings.key_file = sink->key;
	}
	if (!settings.certificate_file)
		return true;
	secret_random(settings.ticket_secret, sizeof settings.ticket_secret);
	sink->settings.tls = tls_server_context_create(&settings, error);
	secret_wipe(settings.ticket_secret, sizeof settings.ticket_secret);
	return sink->settings.tls != NULL;
}

static void add_listeners(struct sink *sink)
{
	struct sink_settings *settings = &sink->settings;
	if (sink->options->listen)
		settings->listeners[settings->listener_count++] =
			(struct sink_listener){ sink->options->listen, false };
	if (sink->options->tls_listen)
		settings->listeners[settings->listener_count++] =
			(struct sink_listener){ sink->options->tls_listen, true };
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run_worker(struct sink *sink, int ready_fd)
{
	struct error error = { "" };
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	bool good = sink_worker_run(&sink->settings, ready_fd, &error);
	tls_context_destroy(sink->settings.tls);
	if (!good)
		fprintf(stderr, "postern-bench sink: %s\n", error.text);
	return good ? 0 : 1;
}

/* Each worker listens before the next one starts. */
static bool start_worker(struct sink *sink, size_t number)
{
	int ends[2];
	if (pipe(ends) != 0)
		return false;
	sink->pids[number] = fork();
	if (sink->pids[number] == 0) {
		close(ends[0]);
		exit(run_worker(sink, ends[1]));
	}
	close(ends[1]);
	char byte;
	bool good = sink->pids[number] > 0 && read(ends[0], &byte, 1) == 1;
	close(ends[0]);
	if (sink->pids[number] < 0)
		sink->pids[number] = 0;
	return good;
}

/* Waits for a signal to end, or for a worker that ends without one. */
static bool serve(struct sink *sink, const sigset_t *signals)
{
	for (size_t i = 0; i < sink->options->workers; i++) {
		if (!start_worker(sink, i))
			return false;
	}
	fprintf(stderr, "ready\n");
	int number;
	while (sigwait(signals, &number) != 0)
		continue;
	return number != SIGCHLD;
}

static bool end_workers(struct sink *sink)
{
	bool good = true;
	for (size_t i = 0; i < sink->options->workers; i++) {
		if (sink->pids[i])
			kill(sink->pids[i], SIGTERM);
	}
	for (size_t i = 0; i < sink->options->workers; i++) {
		int status;
		if (sink->pids[i] && waitpid(sink->pids[i], &status, 0) == sink->pids[i])
			good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return good;
}

int sink_run(const struct options *options)
{
	struct error error = { "" };
	struct sink sink = { .options = options };
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	sink.settings.loop = options->loop;
	sink.settings.share_ports = options->workers > 1;
	add_listeners(&sink);
	if (!make_tls(&sink, &error)) {
		fprintf(stderr, "postern-bench sink: %s\n", error.text);
		return 1;
	}
	bool good = serve(&sink, &signals);
	good &= end_workers(&sink);
	tls_context_destroy(sink.settings.tls);
	return good ? 0 : 1;
}
