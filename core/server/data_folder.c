/* Preparing the data folder; see data_folder.h. */
#include "core/server/data_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/durable_file.h"
#include "crypto/secret.h"

bool run_as_find(const struct config *config, struct run_as *run_as, struct error *error)
{
	*run_as = (struct run_as){ .change = false, .uid = geteuid(), .gid = getegid() };
	if (!config->user || geteuid() != 0)
		return true;
	errno = 0;
	const struct passwd *entry = getpwnam(config->user);
	if (!entry)
		return error_set(error, "%s: user = \"%s\": there is no such user; make it with: useradd --system %s",
				 config->file, config->user, config->user);
	*run_as = (struct run_as){ .change = true, .uid = entry->pw_uid, .gid = entry->pw_gid };
	return true;
}

bool run_as_become(const struct config *config, const struct run_as *run_as, struct error *error)
{
	if (run_as->change && (initgroups(config->user, run_as->gid) != 0 || setgid(run_as->gid) != 0 ||
			       setuid(run_as->uid) != 0 || setuid(0) == 0))
		return error_set_errno(error, errno, "can't become user %s", config->user);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_set_errno(error, errno, "can't give up gaining privileges");
	return true;
}

char *data_folder_path(const struct config *config, const char *name)
{
	char *path;
	return asprintf(&path, "%s/%s", config->data, name) < 0 ? NULL : path;
}

/* A name lasts when the folder that it is in is synced. Also one that was found: who made it may not have come so far.
 * Where that may not be read, nothing was made by us. */
static bool make_name_last(const char *path, struct error *error)
{
	char *copy = strdup(path);
	if (!copy)
		return error_set(error, "no memory");
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 ? fsync(fd) == 0 : errno == EACCES;
	int code = errno;
	if (fd >= 0)
		close(fd);
	free(copy);
	return synced || error_set_errno(error, code, "can't sync the folder that %s is in", path);
}

static bool make_folder(const char *path, const struct run_as *run_as, struct error *error)
{
	bool made = mkdir(path, 0700) == 0;
	if (!made && errno != EEXIST)
		return error_set_errno(error, errno, "can't make the folder %s", path);
	/* Who owns the folder above may have put a link in its place since. */
	if (made && run_as->change && lchown(path, run_as->uid, run_as->gid) != 0)
		return error_set_errno(error, errno, "can't give the folder %s to its user", path);
	return make_name_last(path, error);
}

/* Where a route's Maildirs begin: the folders in front of what the recipient decides. Its parent must be there. */
static bool make_mail_folder(const struct route *route, const struct run_as *run_as, struct error *error)
{
	const char *variable = strchr(route->maildir, '%');
	size_t size = variable ? (size_t)(variable - route->maildir) : 0;
	while (size && route->maildir[size - 1] != '/')
		size--;
	if (size <= 1)
		return true;
	char *path = strndup(route->maildir, size - 1);
	bool made = path ? make_folder(path, run_as, error) : error_set(error, "no memory");
	free(path);
	return made;
}

bool data_folder_prepare(const struct config *config, const struct run_as *run_as, struct error *error)
{
	static const char *const names[] = { "users", "lanes", "tls" };
	if (!make_folder(config->data, run_as, error))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = data_folder_path(config, names[i]);
		bool made = path ? make_folder(path, run_as, error) : error_set(error, "no memory");
		free(path);
		if (!made)
			return false;
	}
	for (size_t i = 0; i < config->routes.count; i++)
		if (config->routes.routes[i].kind == ROUTE_MAILDIR &&
		    !make_mail_folder(&config->routes.routes[i], run_as, error))
			return false;
	return true;
}

unsigned data_folder_lanes(const struct config *config)
{
	unsigned lanes = config->workers;
	char *path = data_folder_path(config, "lanes");
	DIR *folder = path ? opendir(path) : NULL;
	free(path);
	if (!folder)
		return lanes;
	for (const struct dirent *entry; (entry = readdir(folder));) {
		uint64_t number;
		if (slice_parse_number(slice_from_text(entry->d_name), LIMIT_WORKERS - 1, &number) && number >= lanes)
			lanes = (unsigned)number + 1;
	}
	closedir(folder);
	return lanes;
}

/* After a crash it is there whole, or not at all: half a one would keep the server from starting, and with another one the salts
 * change by which those who are not there look like users. */
static bool make_secret(const char *path, const struct run_as *run_as, uint8_t *secret, struct error *error)
{
	const struct durable_file_owner owner = { run_as->uid, run_as->gid };
	secret_random(secret, TLS_TICKET_SECRET_BYTES);
	return durable_file_write_for(path, 0600, slice_of(secret, TLS_TICKET_SECRET_BYTES), DURABLE_FILE_KEEP,
				      run_as->change ? &owner : NULL, error);
}

static bool read_secret(int fd, const char *path, uint8_t *secret, struct error *error)
{
	ssize_t size = read(fd, secret, TLS_TICKET_SECRET_BYTES);
	close(fd);
	if (size == TLS_TICKET_SECRET_BYTES)
		return true;
	return error_set(error, "%s is damaged (it should have %d bytes); remove it, a new one is made", path,
			 TLS_TICKET_SECRET_BYTES);
}

bool data_folder_ticket_secret(const struct config *config, const struct run_as *run_as,
			       uint8_t secret[TLS_TICKET_SECRET_BYTES], struct error *error)
{
	char *path = data_folder_path(config, "tls/ticket.secret");
	if (!path)
		return error_set(error, "no memory");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool had = fd >= 0           ? read_secret(fd, path, secret, error)
		   : errno == ENOENT ? make_secret(path, run_as, secret, error)
				     : error_set_errno(error, errno, "can't read %s", path);
	free(path);
	return had;
}
