/* The service that workers ask for sign-ins; see sign_in.h. Jobs for hashers are sign_in_job.c's. */
#include "core/users/sign_in.h"

#include <stdlib.h>

#include "core/users/sign_in_service.h"
#include "core/users/users_record.h"

/* --- accounts and remembered logins --- */

bool sign_in_look_up(struct sign_in_service *service, struct slice name, struct user_record *record)
{
	enum users_status status = users_find(service->users, name, record);
	if (status == USERS_OK && !record->disabled)
		return true;
	record->version = 0;
	record->hash[0] = 0;
	return status != USERS_FAILED;
}

static uint64_t now_ms(const struct sign_in_service *service)
{
	return loop_now(service->loop)->monotonic_ns / CLOCK_NS_PER_MS;
}

/* A name that is too long is nobody's, and nothing is remembered under the empty one. */
static struct slice fold(uint8_t storage[LIMIT_LOGIN_NAME_BYTES], struct slice name)
{
	return users_fold_name(storage, name.size > LIMIT_LOGIN_NAME_BYTES ? SLICE_LITERAL("") : name);
}

/* Asked for version 0 too, which never is: unknown users take the same way as all others. */
bool sign_in_remembers(struct sign_in_service *service, const struct sign_in_request *request, uint64_t version)
{
	uint8_t storage[LIMIT_LOGIN_NAME_BYTES];
	struct slice name = fold(storage, request->name);
	return sign_in_cache_has(service->cache, name, request->password, version, now_ms(service)) && version != 0;
}

void sign_in_remember(struct sign_in_service *service, const struct sign_in_request *request, uint64_t version)
{
	ASSERT(version != 0);
	uint8_t storage[LIMIT_LOGIN_NAME_BYTES];
	struct slice name = fold(storage, request->name);
	sign_in_cache_add(service->cache, name, request->password, version, now_ms(service));
}

/* --- requests --- */

static bool decide(struct sign_in_service *service, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	*outcome = SIGN_IN_UNAVAILABLE;
	struct user_record record;
	bool readable = sign_in_look_up(service, request->name, &record);
	secret_wipe(record.hash, sizeof record.hash);
	if (!readable)
		return true;
	if (sign_in_remembers(service, request, record.version)) {
		request->login = request->name;
		request->reason = "remembered";
		sign_in_count(&service->counts->remembered);
		*outcome = SIGN_IN_OK;
		return true;
	}
	return service->closed || !sign_in_job_await(service, request, record.version);
}

static bool step(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct sign_in_service *service = CONTAINER_OF(backend, struct sign_in_service, backend);
	list_init(&request->link);
	request->job = NULL;
	/* Nobody has such a password; it fits no packet. */
	if (request->password.size > LIMIT_PASSWORD_BYTES)
		request->name = request->password = SLICE_LITERAL("");
	return decide(service, request, outcome);
}

static void end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	ASSERT(!request->job || &request->job->service->backend == backend);
	list_remove(&request->link);
	if (request->job)
		sign_in_job_leave(request);
}

static bool waits(const struct sign_in_request *request)
{
	return request->job && request->job->state == SIGN_IN_JOB_WAITING;
}

static const struct sign_in_backend_class passwords = { .name = "local", .step = step, .end = end, .waits = waits };

struct sign_in_backend *sign_in_passwords(struct sign_in_service *service)
{
	return &service->backend;
}

/* --- life --- */

struct sign_in_service *sign_in_create_bounded(struct loop *loop, struct users *users, int hasher_fd, unsigned hashers,
					       const struct sign_in_bounds *bounds, struct error *error)
{
	struct sign_in_service *service = calloc(1, sizeof *service);
	if (!service) {
		loop_close(loop, hasher_fd);
		error_set(error, "no memory to verify sign-ins");
		return NULL;
	}
	service->backend.class = &passwords;
	service->loop = loop;
	service->users = users;
	service->fd = hasher_fd;
	service->bounds = *bounds;
	service->counts = &service->own_counts;
	service->in_flight_most = 2 * hashers;
	service->cache = sign_in_cache_create(LIMIT_SIGN_IN_CACHE, LIMIT_SIGN_IN_CACHE_MS);
	if (service->cache && sign_in_jobs_start(service))
		return service;
	loop_close(loop, hasher_fd);
	sign_in_cache_destroy(service->cache);
	free(service);
	error_set(error, "no memory to verify sign-ins");
	return NULL;
}

struct sign_in_service *sign_in_create(struct loop *loop, struct users *users, int hasher_fd, unsigned hashers,
				       struct error *error)
{
	const struct sign_in_bounds bounds = {
		.queue = LIMIT_HASH_QUEUE,
		.wait_ms = LIMIT_HASH_WAIT_MS,
		.answer_ms = LIMIT_HASH_TIME_MS,
	};
	return sign_in_create_bounded(loop, users, hasher_fd, hashers, &bounds, error);
}

void sign_in_count_in(struct sign_in_service *service, struct sign_in_counts *counts)
{
	service->counts = counts;
}

void sign_in_destroy(struct sign_in_service *service)
{
	if (!service)
		return;
	sign_in_jobs_stop(service);
	sign_in_cache_destroy(service->cache);
	loop_close(service->loop, service->fd);
	free(service);
}
