/* Asking the workers of the running server; see ask_workers.h. */
#include "tools/ask_workers.h"

#include <stdlib.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/control_client.h"
#include "tools/lanes.h"

enum {
	ANSWER_MS = 1000,   /* a worker that is not stopped answers within a turn or two */
	PATIENCE_MS = 5000, /* one that died is started again within a second; then it reads its lane */
	AGAIN_MS = 100,
};

struct workers {
	char *folder; /* of the lanes */
	unsigned lanes[LANES_MOST];
	size_t count;
};

static bool find_workers(struct workers *workers, const struct config *config, struct error *error)
{
	workers->folder = command_data_path(config, "lanes");
	if (!workers->folder)
		return error_set(error, "out of memory");
	return lanes_find(workers->folder, workers->lanes, &workers->count); /* it tells by itself */
}

static json_t *ask_worker(const char *directory, const json_t *request, enum control_client_status *status,
			  struct error *error)
{
	struct control_client client;
	json_t *answer = NULL;
	*status = control_client_connect(&client, directory);
	if (*status == CONTROL_CLIENT_OK) {
		control_client_set_patience(&client, ANSWER_MS);
		answer = control_client_ask(&client, json_deep_copy(request), error);
		*status = answer || client.refused ? CONTROL_CLIENT_OK : CONTROL_CLIENT_DEAD;
	}
	control_client_close(&client);
	return answer;
}

/* One after the other until one answers; any will do. */
static json_t *ask_one_of(const struct workers *workers, const json_t *request, enum control_client_status *status,
			  struct error *error)
{
	*status = CONTROL_CLIENT_NO_WORKER;
	for (size_t i = 0; i < workers->count; i++) {
		enum control_client_status one;
		char *directory = lanes_directory(workers->folder, workers->lanes[i]);
		json_t *answer = ask_worker(directory, request, &one, error);
		free(directory);
		if (one != CONTROL_CLIENT_NO_WORKER)
			*status = one;
		if (one == CONTROL_CLIENT_OK)
			return answer;
	}
	return NULL;
}

json_t *ask_workers_quietly(const struct config *config, json_t *request, struct error *error)
{
	struct workers workers;
	enum control_client_status status = CONTROL_CLIENT_DEAD;
	json_t *answer = NULL;
	bool found = find_workers(&workers, config, error);
	for (int waited_ms = 0; found && status == CONTROL_CLIENT_DEAD && waited_ms < PATIENCE_MS;
	     waited_ms += AGAIN_MS) {
		if (waited_ms)
			usleep(AGAIN_MS * 1000);
		answer = ask_one_of(&workers, request, &status, error);
	}
	if (found && status != CONTROL_CLIENT_OK)
		error_set(error, "no server runs in %s; is it that of another configuration?", config->data);
	json_decref(request);
	free(workers.folder);
	return answer;
}

json_t *ask_workers(const struct config *config, const char *command, json_t *request)
{
	struct error error = { "" };
	json_t *answer = ask_workers_quietly(config, request, &error);
	if (!answer && error.text[0])
		fprintf(stderr, "postern %s: %s\n", command, error.text);
	return answer;
}
