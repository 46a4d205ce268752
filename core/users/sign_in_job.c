/* The jobs of a sign-in service: they wait in a fair queue, go to the hashers a few at a time, and end with an answer, at
 * their deadline, or when nobody waits for them any more; see sign_in_service.h.
 *
 * Callbacks come from the loop's only: a job that must end while somebody starts another one is given up, and its
 * deadline is now. */
#include <string.h>

#include "core/base/log.h"
#include "core/users/hasher.h"
#include "core/users/sign_in_service.h"

enum {
	JOBS_A_SLAB = 16,
	PACKETS_MOST = 2, /* of a job: a record that changes under each is one for 454 */
};

static void send_jobs(struct sign_in_service *service);
static void deadline_passed(struct timer *timer);

/* --- one job --- */

static const struct sign_in_request *first_request(const struct sign_in_job *job)
{
	return CONTAINER_OF(list_first(&job->requests), struct sign_in_request, link);
}

static void count_waiting(struct sign_in_service *service)
{
	atomic_store_explicit(&service->counts->waiting, service->queue.size, memory_order_relaxed);
}

/* Takes the job out of whatever it is in. */
static void detach(struct sign_in_job *job)
{
	struct sign_in_service *service = job->service;
	if (job->state == SIGN_IN_JOB_WAITING && job->waiting.turn)
		sign_in_queue_remove(&service->queue, &job->waiting);
	count_waiting(service);
	if (job->state == SIGN_IN_JOB_IN_FLIGHT)
		service->in_flight_count--;
	list_remove(&job->link);
}

void sign_in_job_free(struct sign_in_job *job)
{
	struct sign_in_service *service = job->service;
	detach(job);
	loop_timer_stop(service->loop, &job->deadline);
	map_remove(&service->logins, &job->login);
	pool_give(&service->jobs, job);
}

/* Tells all who wait for it. They may start, cancel and wait for whatever they like from their callbacks. */
static void end_job(struct sign_in_job *job, enum sign_in_outcome outcome)
{
	struct sign_in_service *service = job->service;
	struct list requests, *node;
	list_init(&requests);
	list_splice(&requests, &job->requests);
	for (node = requests.next; node != &requests; node = node->next)
		CONTAINER_OF(node, struct sign_in_request, link)->job = NULL;
	sign_in_job_free(job);
	send_jobs(service);
	while ((node = list_take_first(&requests))) {
		struct sign_in_request *request = CONTAINER_OF(node, struct sign_in_request, link);
		if (outcome == SIGN_IN_OK)
			request->login = request->name;
		request->done(request, outcome);
	}
}

static void give_up(struct sign_in_job *job)
{
	sign_in_count(&job->service->counts->turned_away);
	detach(job);
	job->state = SIGN_IN_JOB_GIVEN_UP;
	list_append(&job->service->given_up, &job->link);
	loop_timer_start(job->service->loop, &job->deadline, 0);
}

static void deadline_passed(struct timer *timer)
{
	struct sign_in_job *job = CONTAINER_OF(timer, struct sign_in_job, deadline);
	if (job->state == SIGN_IN_JOB_IN_FLIGHT)
		log_message(LOG_WARN, "hasher-silent", "a sign-in got no answer in %llu ms",
			    (unsigned long long)job->service->bounds.answer_ms);
	else if (job->state == SIGN_IN_JOB_WAITING)
		sign_in_count(&job->service->counts->turned_away);
	end_job(job, SIGN_IN_UNAVAILABLE);
}

/* --- the queue --- */

/* False when the queue is full of those who have no more in it than this one. */
static bool enqueue(struct sign_in_job *job, uint64_t network)
{
	struct sign_in_service *service = job->service;
	if (sign_in_queue_is_full(&service->queue)) {
		struct sign_in_waiting *victim = sign_in_queue_victim(&service->queue, network);
		if (!victim)
			return false;
		give_up(CONTAINER_OF(victim, struct sign_in_job, waiting));
	}
	if (!sign_in_queue_add(&service->queue, &job->waiting, network))
		return false;
	job->state = SIGN_IN_JOB_WAITING;
	count_waiting(service);
	loop_timer_start(service->loop, &job->deadline, service->bounds.wait_ms);
	return true;
}

static uint64_t hash_login(const struct sign_in_service *service, const struct sign_in_request *request)
{
	uint8_t storage[LIMIT_LOGIN_NAME_BYTES + 1 + LIMIT_PASSWORD_BYTES];
	struct buffer login;
	buffer_init(&login, storage, sizeof storage);
	struct slice name = request->name;
	for (size_t i = 0; i < name.size && i < LIMIT_LOGIN_NAME_BYTES; i++)
		buffer_append_byte(&login, ascii_lower(name.data[i]));
	buffer_append_byte(&login, 0);
	buffer_append(&login, request->password);
	uint64_t hash = secret_short_hash(service->login_key, buffer_slice(&login));
	secret_wipe(storage, login.size);
	return hash;
}

/* A job that waits in another network's turn may wait long: that one is not joined. */
static bool may_join(const struct sign_in_job *job, const struct sign_in_request *request, uint64_t version)
{
	bool soon = job->state == SIGN_IN_JOB_IN_FLIGHT ||
		    (job->state == SIGN_IN_JOB_WAITING && job->waiting.network == request->network);
	if (!soon || job->version != version || list_is_empty(&job->requests))
		return false;
	const struct sign_in_request *first = first_request(job);
	return slice_equal_nocase(first->name, request->name) && secret_equal(first->password, request->password);
}

static struct sign_in_job *find_job(const struct sign_in_service *service, const struct sign_in_request *request,
				    uint64_t version, uint64_t hash)
{
	for (struct map_node *node = map_find(&service->logins, hash); node; node = map_find_next(node)) {
		struct sign_in_job *job = CONTAINER_OF(node, struct sign_in_job, login);
		if (may_join(job, request, version))
			return job;
	}
	return NULL;
}

static struct sign_in_job *make_job(struct sign_in_service *service, uint64_t network, uint64_t version, uint64_t hash)
{
	struct sign_in_job *job = pool_take(&service->jobs);
	if (!job)
		return NULL;
	*job = (struct sign_in_job){ .service = service, .version = version };
	list_init(&job->link);
	list_init(&job->requests);
	timer_init(&job->deadline, deadline_passed);
	if (!enqueue(job, network)) {
		pool_give(&service->jobs, job);
		return NULL;
	}
	map_insert(&service->logins, &job->login, hash);
	return job;
}

bool sign_in_job_await(struct sign_in_service *service, struct sign_in_request *request, uint64_t version)
{
	uint64_t hash = hash_login(service, request);
	struct sign_in_job *job = find_job(service, request, version, hash);
	if (!job)
		job = make_job(service, request->network, version, hash);
	if (!job) {
		sign_in_count(&service->counts->turned_away);
		return false;
	}
	request->job = job;
	list_append(&job->requests, &request->link);
	send_jobs(service);
	return true;
}

void sign_in_job_leave(struct sign_in_request *request)
{
	struct sign_in_job *job = request->job;
	request->job = NULL;
	list_remove(&request->link);
	if (job->state == SIGN_IN_JOB_WAITING)
		sign_in_count(&job->service->counts->left);
	/* What is in flight keeps its place there: the hasher is working on it. */
	if (list_is_empty(&job->requests) && job->state != SIGN_IN_JOB_IN_FLIGHT)
		sign_in_job_free(job);
}

/* --- to the hashers and back --- */

static struct sign_in_job *find_packet(const struct sign_in_service *service, uint64_t packet)
{
	for (struct list *node = service->in_flight.next; node != &service->in_flight; node = node->next) {
		struct sign_in_job *job = CONTAINER_OF(node, struct sign_in_job, link);
		if (job->packet == packet)
			return job;
	}
	return NULL;
}

static void packet_sent(struct loop_op *op, const struct loop_completion *completion)
{
	struct sign_in_service *service = CONTAINER_OF(op, struct sign_in_service, send);
	secret_wipe(service->packet, HASHER_JOB_BYTES);
	if (completion->result < 0 && !service->closed) {
		log_message(LOG_ERROR, "hasher-send", "%s", strerror(-completion->result));
		struct sign_in_job *job = find_packet(service, service->last_packet);
		if (job)
			end_job(job, SIGN_IN_UNAVAILABLE);
	}
	send_jobs(service);
}

/* Whose hash it is has one of the costs; the hasher is to spend the others too. Where nobody may sign in, or not by
 * what hashers verify, the hash becomes one of the first cost that nothing matches. */
static bool find_costs(struct sign_in_service *service, struct user_record *record, struct hasher_job *content)
{
	struct users_costs costs;
	struct password_cost own;
	if (!users_costs(service->users, &costs))
		return false;
	if (record->version == 0 || record->hash[0] == 0)
		password_nobodys_hash(record->hash, &costs.rows[0].cost);
	bool valid = password_cost_of(record->hash, &own);
	for (unsigned i = 0; i < costs.count; i++)
		if (!valid || !password_cost_equal(&own, &costs.rows[i].cost))
			content->costs[content->costs_count++] = costs.rows[i].cost;
	return true;
}

/* The record is looked up again, so that what is sent is what holds now. */
static void send_job(struct sign_in_job *job)
{
	struct sign_in_service *service = job->service;
	const struct sign_in_request *request = first_request(job);
	struct user_record record;
	struct hasher_job content = { .password = request->password };
	if (!sign_in_look_up(service, request->name, &record) || !find_costs(service, &record, &content)) {
		secret_wipe(&record, sizeof record);
		give_up(job);
		return;
	}
	job->state = SIGN_IN_JOB_IN_FLIGHT;
	job->version = record.version;
	job->packet = ++service->last_packet;
	job->packets++;
	sign_in_count(&service->counts->hashed);
	count_waiting(service);
	list_append(&service->in_flight, &job->link);
	service->in_flight_count++;
	loop_timer_start(service->loop, &job->deadline, service->bounds.answer_ms);
	struct buffer packet;
	buffer_init(&packet, service->packet, HASHER_JOB_BYTES);
	content.job = job->packet;
	content.hash = slice_from_text(record.hash);
	bool fits = hasher_job_encode(&packet, &content);
	ASSERT(fits);
	secret_wipe(&record, sizeof record);
	loop_send(service->loop, &service->send, service->fd, buffer_slice(&packet), packet_sent);
}

static void send_jobs(struct sign_in_service *service)
{
	while (!service->closed && !loop_op_is_running(&service->send) &&
	       service->in_flight_count < service->in_flight_most) {
		struct sign_in_waiting *waiting = sign_in_queue_take(&service->queue);
		if (!waiting)
			return;
		struct sign_in_job *job = CONTAINER_OF(waiting, struct sign_in_job, waiting);
		if (sign_in_job_may(job)) {
			send_job(job);
			continue;
		}
		uint64_t network = waiting->network;
		sign_in_job_free(job);
		sign_in_look_again(service, network);
	}
}

/* The record has changed: the answer says nothing about what holds now. */
static void ask_again(struct sign_in_job *job)
{
	detach(job);
	job->state = SIGN_IN_JOB_WAITING;
	if (job->packets < PACKETS_MOST && enqueue(job, first_request(job)->network))
		send_jobs(job->service);
	else
		end_job(job, SIGN_IN_UNAVAILABLE);
}

static void job_answered(struct sign_in_job *job, enum password_verdict verdict)
{
	struct sign_in_service *service = job->service;
	if (list_is_empty(&job->requests) || verdict == PASSWORD_NO_MEMORY) {
		end_job(job, SIGN_IN_UNAVAILABLE);
		return;
	}
	const struct sign_in_request *request = first_request(job);
	struct user_record record;
	bool readable = sign_in_look_up(service, request->name, &record);
	secret_wipe(record.hash, sizeof record.hash);
	if (!readable) {
		end_job(job, SIGN_IN_UNAVAILABLE);
	} else if (record.version != job->version) {
		ask_again(job);
	} else if (verdict == PASSWORD_RIGHT && record.version != 0) {
		sign_in_remember(service, request, record.version);
		end_job(job, SIGN_IN_OK);
	} else {
		end_job(job, SIGN_IN_WRONG);
	}
}

static void end_all_jobs(struct sign_in_service *service)
{
	struct sign_in_waiting *waiting;
	struct list *node;
	service->closed = true;
	while ((waiting = sign_in_queue_take(&service->queue)))
		end_job(CONTAINER_OF(waiting, struct sign_in_job, waiting), SIGN_IN_UNAVAILABLE);
	while ((node = list_first(&service->in_flight)) || (node = list_first(&service->given_up)))
		end_job(CONTAINER_OF(node, struct sign_in_job, link), SIGN_IN_UNAVAILABLE);
}

static void packet_received(struct loop_op *op, const struct loop_completion *completion)
{
	struct sign_in_service *service = CONTAINER_OF(op, struct sign_in_service, receive);
	if (service->closed)
		return;
	if (completion->result <= 0) {
		log_message(LOG_ERROR, "hashers-gone", "%s",
			    completion->result ? strerror(-completion->result) : "their end of the socket is closed");
		end_all_jobs(service);
		return;
	}
	struct hasher_answer answer;
	if (hasher_answer_decode(completion->bytes, &answer)) {
		struct sign_in_job *job = find_packet(service, answer.job);
		if (job)
			job_answered(job, answer.verdict);
	} else {
		log_message(LOG_ERROR, "hasher-packet", "%d bytes that are no answer", completion->result);
	}
	if (!service->closed)
		loop_receive(service->loop, &service->receive, service->fd, packet_received);
}

/* --- life --- */

bool sign_in_jobs_start(struct sign_in_service *service)
{
	list_init(&service->given_up);
	list_init(&service->in_flight);
	sign_in_look_again_start(service);
	loop_op_init(&service->send);
	loop_op_init(&service->receive);
	secret_random(service->login_key, sizeof service->login_key);
	secret_random(&service->last_packet, sizeof service->last_packet);
	/* Beside those that wait: in flight, and as many given up as can be in one turn. */
	pool_init(&service->jobs, sizeof(struct sign_in_job), JOBS_A_SLAB,
		  2 * (size_t)service->bounds.queue + service->in_flight_most);
	service->packet = secret_allocate(HASHER_JOB_BYTES);
	bool made = service->packet && map_init(&service->logins, 0);
	if (made && sign_in_queue_init(&service->queue, service->bounds.queue)) {
		loop_receive(service->loop, &service->receive, service->fd, packet_received);
		return true;
	}
	if (made)
		map_finish(&service->logins);
	secret_free(service->packet);
	return false;
}

void sign_in_jobs_stop(struct sign_in_service *service)
{
	struct error error;
	end_all_jobs(service);
	sign_in_look_again_stop(service);
	loop_cancel(service->loop, &service->send);
	loop_cancel(service->loop, &service->receive);
	while (loop_op_is_running(&service->send) || loop_op_is_running(&service->receive))
		if (!loop_turn(service->loop, true, &error))
			return;
	sign_in_queue_finish(&service->queue);
	map_finish(&service->logins);
	pool_finish(&service->jobs);
	secret_free(service->packet);
}
