/* Requests of the control socket; see control_request.h. */
#include "core/server/control_request.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"

/* --- reading --- */

static const char not_a_request[] = "not a request";

static bool parse_id(const char *text, uint64_t *id)
{
	*id = 0;
	if (strcmp(text, "all") == 0)
		return true;
	return spool_id_parse(slice_from_text(text), id) && *id != 0;
}

static const char *parse_queue_order(json_t *object, struct control_request *request)
{
	const char *name = NULL, *which = NULL;
	request->kind = CONTROL_QUEUE;
	bool right = json_unpack(object, "{s:s, s:s !}", "order", &name, "id", &which) == 0 &&
		     queue_order_parse(slice_from_text(name), &request->order) && parse_id(which, &request->id);
	return right ? NULL : not_a_request;
}

static const char *parse_server_order(json_t *object, const struct control_servers *servers, enum control_kind kind,
				      struct control_request *request)
{
	const char *order, *name;
	request->kind = kind;
	if (json_unpack(object, "{s:s, s:s !}", "order", &order, "server", &name) != 0)
		return not_a_request;
	for (request->server = 0; request->server < servers->config->server_count; request->server++)
		if (strcmp(servers->config->servers[request->server].name, name) == 0)
			return NULL;
	return "there is no server of that name";
}

static const char *parse_object(json_t *object, const struct control_servers *servers, struct control_request *request)
{
	const char *order = json_string_value(json_object_get(object, "order"));
	if (order && servers && strcmp(order, "pause") == 0)
		return parse_server_order(object, servers, CONTROL_PAUSE, request);
	if (order && servers && strcmp(order, "resume") == 0)
		return parse_server_order(object, servers, CONTROL_RESUME, request);
	if (order && servers && (strcmp(order, "servers") == 0 || strcmp(order, "sign-ins") == 0)) {
		request->kind = strcmp(order, "servers") == 0 ? CONTROL_SERVERS : CONTROL_SIGN_INS;
		return json_object_size(object) == 1 ? NULL : not_a_request;
	}
	const char *fault;
	if (order && servers && control_ban_parse(object, order, &request->ban, &fault)) {
		request->kind = CONTROL_BAN;
		return fault;
	}
	return parse_queue_order(object, request);
}

const char *control_request_parse(struct slice line, const struct control_servers *servers,
				  struct control_request *request)
{
	json_error_t error;
	json_t *object = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, &error);
	const char *fault = object ? parse_object(object, servers, request) : not_a_request;
	json_decref(object);
	return fault;
}

/* --- answers --- */

/* The line; the object is used up. */
static char *line_of(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL, *line = NULL;
	json_decref(object);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

static size_t slot_of(const struct control_servers *servers, size_t server)
{
	return servers->blocks ? servers->blocks[server].slot : server;
}

static const char *state_of(const struct control_servers *servers, size_t server)
{
	return server_states_is_paused(servers->states, slot_of(servers, server)) ? "paused" : "open";
}

/* A list that lacks something for want of memory is none. */
static json_t *whole_or_none(json_t *list, bool whole)
{
	if (whole)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *listeners_of(const struct config_server *server)
{
	json_t *all = json_array();
	bool whole = all != NULL;
	for (size_t i = 0; whole && i < server->listener_count; i++)
		whole = json_array_append_new(all, json_string(server->listeners[i].text)) == 0;
	return whole_or_none(all, whole);
}

static json_t *describe(const struct control_servers *servers, size_t server)
{
	const struct config_server *config = &servers->config->servers[server];
	return json_pack("{s:s, s:s, s:I, s:o}", "server", config->name, "state", state_of(servers, server), "sessions",
			 (json_int_t)server_states_all_sessions(servers->states, slot_of(servers, server)), "listeners",
			 listeners_of(config));
}

static char *list(const struct control_servers *servers)
{
	char fingerprint[17];
	json_t *all = json_array();
	bool whole = all != NULL;
	for (size_t i = 0; whole && i < servers->config->server_count; i++)
		whole = json_array_append_new(all, describe(servers, i)) == 0;
	snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, servers->config->fingerprint);
	return line_of(json_pack("{s:o, s:s}", "servers", whole_or_none(all, whole), "fingerprint", fingerprint));
}

static char *list_sign_ins(const struct control_servers *servers)
{
	struct server_states_sign_ins all = server_states_all_sign_ins(servers->states);
	return line_of(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "remembered", (json_int_t)all.remembered, "hashed",
				 (json_int_t)all.hashed, "refused", (json_int_t)all.refused, "left",
				 (json_int_t)all.left, "turned_away", (json_int_t)all.turned_away, "waiting",
				 (json_int_t)all.waiting));
}

static char *change(const struct control_servers *servers, size_t server, bool pause)
{
	const char *name = servers->config->servers[server].name;
	if (server_states_pause(servers->states, slot_of(servers, server), pause))
		log_message(LOG_INFO, pause ? "paused" : "resumed", "server %s", name);
	return line_of(json_pack("{s:s, s:s}", "server", name, "state", state_of(servers, server)));
}

char *control_request_do(const struct control_request *request, const struct control_servers *servers, int64_t now_ms)
{
	if (request->kind == CONTROL_BAN)
		return line_of(control_ban_do(&request->ban, servers->guard, servers->worker, now_ms));
	if (request->kind == CONTROL_SERVERS)
		return list(servers);
	if (request->kind == CONTROL_SIGN_INS)
		return list_sign_ins(servers);
	return change(servers, request->server, request->kind == CONTROL_PAUSE);
}
