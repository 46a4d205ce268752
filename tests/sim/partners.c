/* See partners.h. */
#include "tests/sim/partners.h"

#include <stdio.h>
#include <string.h>

#include "core/spool/spool.h"
#include "core/users/hasher.h"
#include "tests/sim/failure.h"

enum {
	SILENT_ONE_IN = 40,
	LATE_ONE_IN = 20,
	USUAL_NS = 2 * 1000 * 1000,
	LATE_NS = 1000 * 1000 * 1000,
	ORDER_PAUSE_NS = 300 * 1000 * 1000,
};

/* --- hashers --- */

int hashers_start(struct hashers *hashers, struct sim *sim)
{
	int fd;
	*hashers = (struct hashers){ .sim = sim };
	hashers->end = sim_partner(sim, SOCK_SEQPACKET, &fd);
	return fd;
}

void hashers_stop(struct hashers *hashers)
{
	sim_client_close(hashers->end, false);
	hashers->end = NULL;
}

static void take_job(struct hashers *hashers, struct slice packet)
{
	struct hasher_job job;
	if (!hasher_job_decode(packet, &job))
		sim_fail("the hashers got a packet of %zu bytes that is no job", packet.size);
	if (sim_random(hashers->sim, SILENT_ONE_IN) == 0 || hashers->count == HASHERS_MOST_JOBS)
		return;
	uint64_t most_ns = sim_random(hashers->sim, LATE_ONE_IN) == 0 ? LATE_NS : USUAL_NS;
	uint64_t after_ns = 1 + sim_random(hashers->sim, most_ns);
	hashers->jobs[hashers->count].job = job.job;
	hashers->jobs[hashers->count].right = slice_equal(job.password, SLICE_LITERAL("right"));
	hashers->jobs[hashers->count].due_ns = sim_now(hashers->sim)->monotonic_ns + after_ns;
	hashers->count++;
	sim_wake_after(hashers->sim, after_ns);
}

void hashers_step(struct hashers *hashers)
{
	uint8_t packet[HASHER_JOB_BYTES + 1], answer[HASHER_ANSWER_BYTES];
	size_t size;
	if (!hashers->end)
		return;
	while ((size = sim_client_receive(hashers->end, packet, sizeof packet)))
		take_job(hashers, slice_of(packet, size));
	for (size_t i = 0; i < hashers->count;) {
		if (hashers->jobs[i].due_ns > sim_now(hashers->sim)->monotonic_ns) {
			i++;
			continue;
		}
		hasher_answer_encode(answer, &(struct hasher_answer){ hashers->jobs[i].job, hashers->jobs[i].right });
		sim_client_send(hashers->end, slice_of(answer, sizeof answer));
		hashers->jobs[i] = hashers->jobs[--hashers->count];
	}
}

/* --- the operator --- */

void operator_start(struct operator* operator, struct sim * sim, struct ledger *ledger, const char *socket_path,
		    unsigned orders)
{
	*operator=(struct operator){
		.sim = sim,
		.ledger = ledger,
		.socket_path = socket_path,
		.orders_left = orders,
	};
}

void operator_stop(struct operator* operator)
{
	sim_client_close(operator->connection, false);
	operator->connection = NULL;
	operator->orders_left = 0;
}

bool operator_is_done(const struct operator* operator)
{
	return operator->orders_left == 0 && !operator->asked;
}

static struct mail *some_accepted(struct operator* operator)
{
	const struct ledger *ledger = operator->ledger;
	struct mail *mail = ledger->count ? ledger->mails[sim_random(operator->sim, ledger->count)] : NULL;
	return mail && mail->fate == MAIL_ACCEPTED ? mail : NULL;
}

static void ask(struct operator* operator, const char * order, const struct mail *mail)
{
	char line[LIMIT_CONTROL_LINE_BYTES], id[SPOOL_ID_TEXT_BYTES] = "all";
	if (mail)
		spool_id_format(mail->id, id);
	int size = snprintf(line, sizeof line, "{\"order\":\"%s\",\"id\":\"%s\"}\n", order, id);
	sim_client_send(operator->connection, slice_of(line, (size_t)size));
	operator->asked = true;
}

/* Of the server that relays for everybody. */
static void ask_pause(struct operator* operator, bool pause)
{
	char line[LIMIT_CONTROL_LINE_BYTES];
	int size = snprintf(line, sizeof line, "{\"order\":\"%s\",\"server\":\"open\"}\n", pause ? "pause" : "resume");
	sim_client_send(operator->connection, slice_of(line, (size_t)size));
	operator->state = pause ? "paused" : "open";
	operator->asked = true;
}

static void ask_something(struct operator* operator)
{
	struct mail *mail = some_accepted(operator);
	uint64_t kind = sim_random(operator->sim, 10);
	operator->mail = NULL;
	operator->state = NULL;
	operator->orders_left--;
	if (kind >= 8) {
		ask_pause(operator, kind == 8);
	} else if (kind < 3 && mail) {
		operator->mail = mail;
		if (mail->removal == MAIL_KEPT)
			mail->removal = MAIL_REMOVE_ASKED;
		ask(operator, "remove", mail);
	} else if (kind < 6) {
		ask(operator, kind == 5 ? "hold" : "release", mail);
	} else {
		ask(operator, kind == 6 ? "hold" : "release", NULL);
	}
}

void operator_release_all(struct operator* operator)
{
	operator->orders_left = 0;
	operator->not_before_ns = 0;
	operator->state = NULL;
	if (!operator->connection)
		operator->connection = sim_connect_local(operator->sim, operator->socket_path);
	if (!operator->connection)
		sim_fail("nobody listens at %s", operator->socket_path);
	ask(operator, "release", NULL);
}

static void rest(struct operator* operator)
{
	uint64_t pause_ns = 1 + sim_random(operator->sim, ORDER_PAUSE_NS);
	operator->not_before_ns = sim_now(operator->sim)->monotonic_ns + pause_ns;
	sim_wake_after(operator->sim, pause_ns);
}

static void take_state(struct operator* operator)
{
	char right[LIMIT_CONTROL_LINE_BYTES];
	snprintf(right, sizeof right, "{\"server\":\"open\",\"state\":\"%s\"}", operator->state);
	if (strcmp(operator->line, right) != 0)
		sim_fail("the control socket's answer is wrong: %s", operator->line);
	operator->pauses++;
}

/* "{"count":1}" means that the change is durable. */
static void take_answer(struct operator* operator)
{
	unsigned long long count = 0;
	operator->line[operator->line_size] = 0;
	if (operator->state)
		take_state(operator);
	else if (sscanf(operator->line, "{\"count\":%llu}", &count) != 1)
		sim_fail("the control socket's answer is wrong: %s", operator->line);
	if (operator->mail && count == 1)
		operator->mail->removal = MAIL_REMOVED;
	operator->line_size = 0;
	operator->asked = false;
	operator->answered++;
	rest(operator);
}

static void receive(struct operator* operator)
{
	uint8_t bytes[LIMIT_CONTROL_LINE_BYTES];
	size_t size = sim_client_receive(operator->connection, bytes, sizeof bytes);
	for (size_t i = 0; i < size; i++) {
		if (operator->line_size + 1 >= sizeof operator->line)
			sim_fail("the control socket's answer has no end");
		if (bytes[i] == '\n')
			take_answer(operator);
		else
			operator->line[operator->line_size++] =(char) bytes[i];
	}
}

void operator_step(struct operator* operator)
{
	if (operator->connection) {
		receive(operator);
		if (sim_client_is_broken(operator->connection) || sim_client_is_ended(operator->connection)) {
			sim_client_close(operator->connection, false);
			operator->connection = NULL;
			operator->asked = false;
			operator->line_size = 0;
		}
	}
	if (operator->asked || !operator->orders_left || sim_now(operator->sim)->monotonic_ns < operator->not_before_ns)
		return;
	if (!operator->connection)
		operator->connection = sim_connect_local(operator->sim, operator->socket_path);
	if (operator->connection)
		ask_something(operator);
	else
		operator->orders_left = 0;
}
