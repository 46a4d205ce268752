/* Is what runs what the file says? The server itself is asked, by way of its data folder: a session can't tell of a listener that it does
 * not know. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/ask_workers.h"
#include "tools/verify.h"

static const json_t *find_running(const json_t *servers, const char *name)
{
	for (size_t i = 0; i < json_array_size(servers); i++) {
		const json_t *server = json_array_get(servers, i);
		const char *text = json_string_value(json_object_get(server, "server"));
		if (text && strcmp(text, name) == 0)
			return server;
	}
	return NULL;
}

static const struct config_server *find_written(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (strcmp(config->servers[i].name, name) == 0)
			return &config->servers[i];
	return NULL;
}

static void list_running(const json_t *server, struct buffer *text)
{
	const json_t *listeners = json_object_get(server, "listeners");
	for (size_t i = 0; i < json_array_size(listeners); i++) {
		const char *listener = json_string_value(json_array_get(listeners, i));
		buffer_append_text(text, i ? ", " : "");
		buffer_append_text(text, listener ? listener : "?");
	}
}

static void list_written(const struct config_server *server, struct buffer *text)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		buffer_append_text(text, i ? ", " : "");
		buffer_append_text(text, server->listeners[i].text);
	}
}

static void compare(struct verify *at, const struct config_server *written, const json_t *running,
		    struct verify_case *what)
{
	char rule[VERIFY_TEXT_BYTES], texts[2][VERIFY_TEXT_BYTES / 2 - 64] = { "", "" };
	struct buffer runs, says;
	const char *state = json_string_value(json_object_get(running, "state"));
	buffer_init(&runs, (uint8_t *)texts[0], sizeof texts[0] - 1);
	buffer_init(&says, (uint8_t *)texts[1], sizeof texts[1] - 1);
	list_running(running, &runs);
	list_written(written, &says);
	snprintf(rule, sizeof rule, "server %.60s { listen } (%s:%d)", written->name, written->file, written->line);
	what->rule = rule;
	if (!running)
		verify_tell(at, VERIFY_FAILED, what, "server %s does not run", written->name);
	else if (!slice_equal(buffer_slice(&runs), buffer_slice(&says)))
		verify_tell(at, VERIFY_FAILED, what, "server %.60s listens at %s; the file says %s", written->name,
			    texts[0], texts[1]);
	else if (state && strcmp(state, "open") != 0)
		verify_tell(at, VERIFY_FAILED, what, "server %s is %s", written->name, state);
	else
		verify_tell(at, VERIFY_PASSED, what, "server %.60s listens at %s", written->name, texts[0]);
}

static void compare_all(struct verify *at, const json_t *servers, struct verify_case *what)
{
	const struct config *config = at->config;
	const char *only = at->request->server;
	for (size_t i = 0; i < config->server_count; i++)
		if (!only || strcmp(only, config->servers[i].name) == 0)
			compare(at, &config->servers[i], find_running(servers, config->servers[i].name), what);
	what->rule = config->file;
	for (size_t i = 0; i < json_array_size(servers); i++) {
		const char *name = json_string_value(json_object_get(json_array_get(servers, i), "server"));
		if (name && !find_written(config, name))
			verify_tell(at, VERIFY_FAILED, what, "server %s runs, and is not in the file", name);
	}
}

/* Rules and limits that no session from here meets are in the text, too. */
static void compare_texts(struct verify *at, const char *running)
{
	const struct verify_case what = { "asking the server that runs which configuration it has read",
					  "the file as it is now", at->config->file };
	char now[17];
	snprintf(now, sizeof now, "%016" PRIx64, at->config->fingerprint);
	bool same = running && strcmp(running, now) == 0;
	verify_tell(at, same ? VERIFY_PASSED : VERIFY_FAILED, &what, "%s; it has read %s, the file is %s",
		    same ? "the same" : "another one", running ? running : "?", now);
}

/* Who may not look into the data folder, or verifies from another machine, can't ask. */
void verify_running(struct verify *at)
{
	struct verify_case what = { "asking the server that runs which server blocks and listeners it has",
				    "those of the file, and none is paused", at->config->file };
	struct error error = { "" };
	const char *data = at->config->data;
	if (access(data, R_OK | W_OK | X_OK) != 0) {
		verify_tell(at, VERIFY_NOT_TRIED, &what, "%s: %s", data, strerror(errno));
		return;
	}
	json_t *answer = ask_workers_quietly(at->config, json_pack("{s:s}", "order", "servers"), &error);
	const json_t *servers = json_object_get(answer, "servers");
	if (json_is_array(servers)) {
		compare_texts(at, json_string_value(json_object_get(answer, "fingerprint")));
		compare_all(at, servers, &what);
	} else
		verify_tell(at, VERIFY_FAILED, &what, "%s", error.text[0] ? error.text : "it gives no answer");
	json_decref(answer);
}
