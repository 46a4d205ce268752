/* Requests about bans; see control_ban.h. */
#include "core/server/control_ban.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/log.h"

enum {
	PAGE_BANS = 100, /* of an answer: some 30 KB */
	TIME_TEXT_BYTES = 32,
};

static const char not_a_request[] = "not a request";

/* --- reading --- */

static const char *parse_list(json_t *object, struct control_ban *request)
{
	json_int_t from;
	request->kind = CONTROL_BAN_LIST;
	if (json_unpack(object, "{s:s, s:I !}", "order", &(const char *){ NULL }, "from", &from) != 0 || from < 0 ||
	    from > UINT32_MAX)
		return not_a_request;
	request->from = (uint32_t)from;
	return NULL;
}

static const char *parse_whom(const char *prefix, const char *login, struct guard_ban *ban)
{
	if (!net_prefix_parse(slice_from_text(prefix), &ban->prefix, NULL))
		return "not a prefix";
	if (!slice_to_text(slice_from_text(login), ban->login, sizeof ban->login))
		return "the login is too long";
	return NULL;
}

static const char *parse_add(json_t *object, struct control_ban *request)
{
	const char *order, *prefix, *login = "", *reason = "";
	json_int_t for_s = -1;
	request->kind = CONTROL_BAN_ADD;
	if (json_unpack(object, "{s:s, s:s, s?s, s?s, s?I !}", "order", &order, "prefix", &prefix, "login", &login,
			"reason", &reason, "for_s", &for_s) != 0)
		return not_a_request;
	request->for_ms = for_s < 0 || for_s > INT64_MAX / 1000 ? UINT64_MAX : (uint64_t)for_s * 1000;
	if (!slice_to_text(slice_from_text(reason), request->ban.reason, sizeof request->ban.reason))
		return "the reason is too long";
	return parse_whom(prefix, login, &request->ban);
}

static const char *parse_remove(json_t *object, struct control_ban *request)
{
	const char *order, *prefix, *login = "";
	request->kind = CONTROL_BAN_REMOVE;
	if (json_unpack(object, "{s:s, s:s, s?s !}", "order", &order, "prefix", &prefix, "login", &login) != 0)
		return not_a_request;
	return parse_whom(prefix, login, &request->ban);
}

bool control_ban_parse(json_t *object, const char *order, struct control_ban *request, const char **fault)
{
	memset(request, 0, sizeof *request);
	if (strcmp(order, "bans") == 0)
		*fault = parse_list(object, request);
	else if (strcmp(order, "ban") == 0)
		*fault = parse_add(object, request);
	else if (strcmp(order, "unban") == 0)
		*fault = parse_remove(object, request);
	else
		return false;
	return true;
}

/* --- answers --- */

static json_t *time_json(int64_t unix_ms)
{
	char text[TIME_TEXT_BYTES];
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;
	if (unix_ms == GUARD_FOR_EVER || !gmtime_r(&seconds, &utc))
		return json_null();
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_string(text);
}

/* What a client said may be no UTF-8. */
static json_t *text_json(const char *text)
{
	char copy[GUARD_LOGIN_BYTES + GUARD_REASON_BYTES];
	json_t *value = json_string(text);
	if (value)
		return value;
	size_t size = 0;
	for (; text[size] && size < sizeof copy - 1; size++)
		copy[size] = (char)(text[size] >= ' ' && text[size] <= '~' ? text[size] : '?');
	copy[size] = 0;
	return json_string(copy);
}

static json_t *describe(const struct guard_ban *ban)
{
	static const char *const kinds[] = {
		[GUARD_BY_LOGIN] = "failures with a login",
		[GUARD_BY_NETWORK] = "failures",
		[GUARD_BY_HAND] = "hand",
	};
	char prefix[NET_PREFIX_TEXT_BYTES];
	net_prefix_format(&ban->prefix, prefix);
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:I}", "network", prefix, "login",
			 ban->login[0] ? text_json(ban->login) : json_null(), "by", kinds[ban->kind], "reason",
			 text_json(ban->reason), "since", time_json(ban->since_ms), "until", time_json(ban->until_ms),
			 "refused", (json_int_t)ban->refused);
}

static json_t *list(uint32_t from, struct guard *guard, uint32_t worker, int64_t now_ms)
{
	struct guard_ban ban;
	json_t *bans = json_array();
	bool more = true;
	for (int i = 0; bans && more && i < PAGE_BANS; i++) {
		more = guard_ban_next(guard, worker, &from, now_ms, &ban);
		if (more && json_array_append_new(bans, describe(&ban)) != 0) {
			json_decref(bans);
			bans = NULL;
		}
	}
	return json_pack("{s:o, s:o}", "bans", bans, "next", more ? json_integer(from) : json_null());
}

static json_t *error_json(const char *error)
{
	return json_pack("{s:s}", "error", error);
}

/* NULL: it was changed, which the log tells. */
static const char *fault_of(const char *what, enum guard_change change, const struct guard_ban *ban)
{
	char prefix[NET_PREFIX_TEXT_BYTES];
	struct log_line line;
	switch (change) {
	case GUARD_NOT_THERE:
		return "there is no such ban";
	case GUARD_NO_ROOM:
		return "there are as many bans by hand as there may be; remove some, or use connect { deny }";
	case GUARD_BUSY:
		return "the bans are being changed; try again";
	case GUARD_CHANGED:
		break;
	}
	net_prefix_format(&ban->prefix, prefix);
	if (log_begin(&line, LOG_INFO, what)) {
		log_text(&line, "network", prefix);
		if (ban->login[0])
			log_text(&line, "login", ban->login);
		log_text(&line, "by", "hand");
		log_end(&line);
	}
	return NULL;
}

static json_t *add(const struct control_ban *request, struct guard *guard, uint32_t worker, int64_t now_ms)
{
	struct guard_ban ban = request->ban;
	bool for_ever = request->for_ms >= (uint64_t)(INT64_MAX - now_ms);
	ban.kind = GUARD_BY_HAND;
	ban.since_ms = now_ms;
	ban.until_ms = for_ever ? GUARD_FOR_EVER : now_ms + (int64_t)request->for_ms;
	const char *fault = fault_of("banned", guard_ban_add(guard, worker, &ban), &ban);
	return fault ? error_json(fault) : describe(&ban);
}

static json_t *take_back(const struct control_ban *request, struct guard *guard, uint32_t worker, int64_t now_ms)
{
	const struct guard_ban *ban = &request->ban;
	struct slice login = slice_from_text(ban->login);
	char prefix[NET_PREFIX_TEXT_BYTES];
	const char *fault = fault_of("ban-removed", guard_ban_remove(guard, worker, &ban->prefix, login, now_ms), ban);
	if (fault)
		return error_json(fault);
	net_prefix_format(&ban->prefix, prefix);
	return json_pack("{s:s, s:o, s:b}", "network", prefix, "login",
			 ban->login[0] ? text_json(ban->login) : json_null(), "removed", 1);
}

json_t *control_ban_do(const struct control_ban *request, struct guard *guard, uint32_t worker, int64_t now_ms)
{
	if (!guard)
		return error_json("the guard is off (guard { enable = no })");
	switch (request->kind) {
	case CONTROL_BAN_LIST:
		return list(request->from, guard, worker, now_ms);
	case CONTROL_BAN_ADD:
		return add(request, guard, worker, now_ms);
	case CONTROL_BAN_REMOVE:
		break;
	}
	return take_back(request, guard, worker, now_ms);
}
