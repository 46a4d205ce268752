/* Files that the keeper looks at, those of TLS above all; see keeper_parts.h. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/server/keeper_parts.h"
#include "core/server/tls_contents.h"
#include "crypto/certificate.h"

static bool add_watch(void *context, const char *path)
{
	struct file_watches *watches = context;
	if (watches->count == watches->room) {
		size_t room = watches->room ? 2 * watches->room : 16;
		struct file_watch *more = realloc(watches->list, room * sizeof *more);
		if (!more)
			return false;
		watches->list = more;
		watches->room = room;
	}
	file_watch_begin(&watches->list[watches->count++], path);
	return true;
}

bool tls_watches_begin(struct file_watches *watches, const struct config *config)
{
	*watches = (struct file_watches){ .list = NULL };
	if (tls_contents_each_file(config, add_watch, watches))
		return true;
	file_watches_finish(watches);
	return false;
}

static bool add_others(struct file_watches *watches, const struct config_server *server)
{
	const struct config_rules *rules = &server->connect.rules;
	for (size_t i = 0; i < rules->file_count; i++)
		if (!add_watch(watches, rules->files[i].path))
			return false;
	return !server->ntlm.helper || add_watch(watches, server->ntlm.helper);
}

bool other_watches_begin(struct file_watches *watches, const struct config *config)
{
	*watches = (struct file_watches){ .list = NULL };
	for (size_t i = 0; i < config->server_count; i++) {
		if (add_others(watches, &config->servers[i]))
			continue;
		file_watches_finish(watches);
		return false;
	}
	return true;
}

void file_watches_finish(struct file_watches *watches)
{
	free(watches->list);
	*watches = (struct file_watches){ .list = NULL };
}

/* Would the server start with them as they are now? */
static bool are_good(const struct config *config, struct error *error)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		for (size_t j = 0; j < server->certificate_count; j++) {
			const struct config_certificate *one = &server->certificates[j];
			if (!certificate_check_pair(one->certificate, one->key, (int64_t)time(NULL), error))
				return false;
			if (one->name && !certificate_covers(one->certificate, one->name))
				return error_set(error, "certificate %s is not for %s, so no client would accept it",
						 one->certificate, one->name);
		}
		struct tls_context *tls;
		if (!server_block_read_tls(server, NULL, NULL, NULL, &tls, error))
			return false;
		tls_context_destroy(tls);
	}
	return true;
}

/* All are looked at: a look also sees that a file stays as it is. */
static bool have_changed(struct file_watches *watches)
{
	bool changed = false;
	for (size_t i = 0; i < watches->count; i++)
		changed |= file_watch_look(&watches->list[i]);
	return changed;
}

static void take_all(struct file_watches *watches)
{
	for (size_t i = 0; i < watches->count; i++)
		file_watch_take(&watches->list[i]);
}

bool file_watches_take(struct file_watches *watches)
{
	bool changed = have_changed(watches);
	if (changed)
		take_all(watches);
	return changed;
}

/* They were read while nobody wrote them. */
static bool are_as_they_were(const struct file_watches *watches)
{
	for (size_t i = 0; i < watches->count; i++) {
		struct file_state now = file_state_of(watches->list[i].path);
		if (!file_state_equal(&now, &watches->list[i].seen))
			return false;
	}
	return true;
}

enum tls_change tls_watches_look(struct file_watches *watches, const struct config *config, bool pressed, int *fd,
				 struct error *error)
{
	*fd = -1;
	if (!have_changed(watches) && !pressed)
		return TLS_UNCHANGED;
	if (are_good(config, error))
		*fd = tls_contents_write(config, error);
	if (!are_as_they_were(watches)) {
		if (*fd >= 0)
			close(*fd);
		return TLS_UNCHANGED; /* not for long: the change goes on */
	}
	take_all(watches);
	return *fd >= 0 ? TLS_CHANGED : TLS_WRONG;
}
