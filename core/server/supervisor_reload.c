/* From the wish for another configuration to its being served by all workers; see supervisor_parts.h. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/supervisor_parts.h"

static const char refusal[] = "nothing has changed: the configuration before stays in force";

/* --- answers --- */

/* To those who asked for it; `answer` is used up. */
static void answer(struct supervisor *supervisor, json_t *object)
{
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	supervisor_control_answer(supervisor->control, supervisor->reload.number, line);
	free(line);
}

static void end(struct supervisor *supervisor)
{
	supervisor->reload.state = RELOAD_NONE;
}

/* A file that isn't UTF-8 may be quoted in it: JSON takes none of it, so such bytes become question marks. */
static json_t *json_line(struct slice line)
{
	json_t *string = json_stringn((const char *)line.data, line.size);
	char *ascii = string ? NULL : strndup((const char *)line.data, line.size);
	for (size_t i = 0; ascii && ascii[i]; i++)
		if ((unsigned char)ascii[i] >= 0x80)
			ascii[i] = '?';
	if (ascii)
		string = json_string(ascii);
	free(ascii);
	return string;
}

/* Files that a refused configuration names may change often and mend nothing: that is told once. */
static bool is_news(struct reload *reload, const char *text)
{
	if (reload->again && reload->told && strcmp(reload->told, text) == 0)
		return false;
	free(reload->told);
	reload->told = strdup(text);
	return true;
}

/* `text` has what is wrong, a line each. */
static void refuse(struct supervisor *supervisor, const char *text)
{
	bool logged = is_news(&supervisor->reload, text);
	json_t *problems = json_array();
	for (struct slice rest = slice_from_text(text); rest.size;) {
		struct slice line = slice_first(rest, slice_find(rest, '\n'));
		rest = slice_skip(rest, line.size < rest.size ? line.size + 1 : line.size);
		if (logged)
			log_message(LOG_ERROR, "config-wrong", "%.*s", (int)line.size, (const char *)line.data);
		json_array_append_new(problems, json_line(line));
	}
	if (logged)
		log_message(LOG_ERROR, "reload-refused", "%s", refusal);
	(void)keeper_tell(&supervisor->keeper, KEEPER_DROP, 0);
	answer(supervisor, json_pack("{s:s, s:o}", "error", refusal, "problems", problems));
	end(supervisor);
}

/* Those that run, take changes, and have not changed over. */
static bool is_late(const struct supervisor *supervisor, const struct child *child)
{
	return child->kind == CHILD_WORKER && child->pid && child->channel >= 0 &&
	       child->generation < supervisor->reload.generation;
}

static void finish(struct supervisor *supervisor)
{
	json_t *late = json_array();
	unsigned workers = 0;
	for (size_t i = 0; i < supervisor->child_count; i++) {
		const struct child *child = &supervisor->children[i];
		if (is_late(supervisor, child)) {
			log_message(LOG_WARN, "reload", "worker %u has not changed over in %d s", child->number,
				    LIMIT_CHANGE_MS / 1000);
			json_array_append_new(late, json_integer(child->number));
		} else if (child->kind == CHILD_WORKER && child->number < supervisor->served.config->workers) {
			workers++;
		}
	}
	log_message(LOG_INFO, "reloaded", "generation %llu is served by %u workers",
		    (unsigned long long)supervisor->reload.generation, workers);
	json_t *object = json_pack("{s:I, s:i}", "generation", (json_int_t)supervisor->reload.generation, "workers",
				   (int)workers);
	if (object && json_array_size(late))
		json_object_set(object, "late", late);
	json_decref(late);
	answer(supervisor, object);
	end(supervisor);
}

/* --- what comes --- */

static void take_refusal(struct supervisor *supervisor, const struct parcel *parcel)
{
	char *text = parcel_text(parcel, 0);
	refuse(supervisor, text ? text : "no memory to tell what is wrong");
	free(text);
}

static void take_config(struct supervisor *supervisor, struct parcel *parcel)
{
	struct error error;
	if (!supervisor_change_config(supervisor, parcel, &error)) {
		refuse(supervisor, error.text);
		return;
	}
	(void)keeper_tell(&supervisor->keeper, KEEPER_COMMIT, 0);
	free(supervisor->reload.told);
	supervisor->reload.told = NULL;
	supervisor->reload.state = RELOAD_CHANGING;
	supervisor->reload.ends_ms = supervisor_now_ms() + LIMIT_CHANGE_MS;
}

static void take(struct supervisor *supervisor, struct parcel *parcel)
{
	bool awaited =
		supervisor->reload.state == RELOAD_PACKING && parcel->generation == supervisor->reload.generation;
	if (parcel->kind == PARCEL_TLS)
		supervisor_change_tls(supervisor, parcel);
	else if (parcel->kind == PARCEL_CHANGED)
		(void)supervisor_reload(supervisor);
	else if (parcel->kind == PARCEL_AGAIN)
		supervisor->reload.wanted = true;
	else if (parcel->kind == PARCEL_CONFIG && awaited)
		take_config(supervisor, parcel);
	else if (parcel->kind == PARCEL_REFUSED && awaited)
		take_refusal(supervisor, parcel);
}

void supervisor_take_parcels(struct supervisor *supervisor)
{
	struct parcel parcel;
	struct error error;
	enum parcel_state state = PARCEL_LATER;
	while (supervisor->keeper.socket >= 0 &&
	       (state = keeper_receive(&supervisor->keeper, &parcel, &error)) == PARCEL_WHOLE) {
		if (!supervisor->ending)
			take(supervisor, &parcel);
		parcel_finish(&parcel);
	}
	if (state == PARCEL_BROKEN) {
		if (supervisor->reload.state == RELOAD_PACKING)
			refuse(supervisor, error.text);
		else
			log_message(LOG_ERROR, "change-failed",
				    "%s; changed certificates are not served: order a reload, it reads them again",
				    error.text);
	} else if (state == PARCEL_ENDED) {
		keeper_leave(&supervisor->keeper); /* it is reaped soon */
	}
}

void supervisor_take_generations(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->child_count; i++) {
		struct child *child = &supervisor->children[i];
		uint64_t generation;
		ssize_t size = -1;
		while (child->channel >= 0 &&
		       (size = recv(child->channel, &generation, sizeof generation, 0)) == sizeof generation)
			child->generation = generation;
		if (size != 0)
			continue;
		close(child->channel); /* it is about to end */
		child->channel = -1;
	}
}

/* --- the way --- */

static void begin(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	reload->again = !reload->asked_for;
	reload->wanted = reload->asked_for = false;
	reload->number++;
	reload->generation = supervisor->served.generation + 1;
	reload->since = now.tv_sec;
	reload->state = RELOAD_PACKING;
	if (!keeper_tell(&supervisor->keeper, KEEPER_RELOAD, reload->generation))
		refuse(supervisor, "the process that reads it has died: that needs a restart");
}

static bool may_begin(const struct supervisor *supervisor)
{
	return supervisor->reload.state == RELOAD_NONE && supervisor->said_ready && !supervisor->ending;
}

uint64_t supervisor_reload(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->reload.wanted = supervisor->reload.asked_for = true;
	return supervisor->reload.number + 1;
}

static bool all_have_changed(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->child_count; i++)
		if (is_late(supervisor, &supervisor->children[i]))
			return false;
	return true;
}

int supervisor_go_on_reloading(struct supervisor *supervisor)
{
	struct reload *reload = &supervisor->reload;
	uint64_t now = supervisor_now_ms();
	if (reload->state == RELOAD_CHANGING && (all_have_changed(supervisor) || now >= reload->ends_ms))
		finish(supervisor);
	if (reload->wanted && may_begin(supervisor))
		begin(supervisor);
	return reload->state == RELOAD_CHANGING ? (int)(reload->ends_ms - now) : -1;
}

void supervisor_lost_keeper(struct supervisor *supervisor)
{
	if (supervisor->ending)
		return;
	log_message(LOG_ERROR, "keeper-died",
		    "the configuration and certificates are not watched any more: a change needs a restart");
	if (supervisor->reload.state == RELOAD_PACKING)
		refuse(supervisor, "the process that reads it has died: that needs a restart");
}
