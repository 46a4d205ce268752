/* core/users: the fair queue against a stupid one on random input, and the packets of hashers cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/users/hasher.h"
#include "core/users/sign_in_queue.h"

enum { JOBS = 60, NETWORKS = 7, MOST = 24, STEPS = 200000 };

/* The stupid queue: networks in an array in order of their turns, each with an array of jobs. */
struct naive {
	struct {
		uint64_t network;
		size_t size;
		size_t jobs[MOST];
	} turns[NETWORKS];
	size_t count;
	size_t size;
};

static size_t naive_find(const struct naive *naive, uint64_t network)
{
	size_t at = 0;
	while (at < naive->count && naive->turns[at].network != network)
		at++;
	return at;
}

static void naive_add(struct naive *naive, uint64_t network, size_t job)
{
	size_t at = naive_find(naive, network);
	if (at == naive->count) {
		naive->turns[at].network = network;
		naive->turns[at].size = 0;
		naive->count++;
	}
	naive->turns[at].jobs[naive->turns[at].size++] = job;
	naive->size++;
}

static void naive_remove(struct naive *naive, size_t at, size_t index)
{
	size_t *jobs = naive->turns[at].jobs;
	memmove(&jobs[index], &jobs[index + 1], (--naive->turns[at].size - index) * sizeof *jobs);
	naive->size--;
	if (naive->turns[at].size == 0) {
		naive->count--;
		memmove(&naive->turns[at], &naive->turns[at + 1], (naive->count - at) * sizeof naive->turns[0]);
	}
}

static size_t naive_take(struct naive *naive)
{
	size_t job = naive->turns[0].jobs[0];
	if (naive->turns[0].size > 1) {
		struct naive before = *naive;
		memmove(&naive->turns[0], &before.turns[1], (naive->count - 1) * sizeof naive->turns[0]);
		naive->turns[naive->count - 1] = before.turns[0];
		naive_remove(naive, naive->count - 1, 0);
	} else {
		naive_remove(naive, 0, 0);
	}
	return job;
}

static size_t naive_size_of(const struct naive *naive, uint64_t network)
{
	size_t at = naive_find(naive, network);
	return at < naive->count ? naive->turns[at].size : 0;
}

static size_t naive_longest(const struct naive *naive)
{
	size_t longest = 0;
	for (size_t i = 0; i < naive->count; i++)
		if (naive->turns[i].size > longest)
			longest = naive->turns[i].size;
	return longest;
}

struct pair {
	struct sign_in_queue queue;
	struct naive naive;
	struct sign_in_waiting jobs[JOBS];
};

static void check_victim(struct pair *pair, uint64_t network)
{
	struct sign_in_waiting *victim = sign_in_queue_victim(&pair->queue, network);
	size_t longest = naive_longest(&pair->naive);
	assert_int_equal(victim != NULL, longest >= naive_size_of(&pair->naive, network) + 2);
	if (!victim)
		return;
	size_t at = naive_find(&pair->naive, victim->network);
	assert_int_equal(pair->naive.turns[at].size, longest);
	assert_int_equal(victim - pair->jobs, pair->naive.turns[at].jobs[longest - 1]);
}

static void add(struct pair *pair, size_t job, uint64_t network)
{
	bool added = sign_in_queue_add(&pair->queue, &pair->jobs[job], network);
	assert_int_equal(added, pair->naive.size < MOST);
	if (added)
		naive_add(&pair->naive, network, job);
}

static void remove_one(struct pair *pair, size_t job)
{
	size_t at = naive_find(&pair->naive, pair->jobs[job].network), index = 0;
	while (pair->naive.turns[at].jobs[index] != job)
		index++;
	naive_remove(&pair->naive, at, index);
	sign_in_queue_remove(&pair->queue, &pair->jobs[job]);
}

static void take_one(struct pair *pair)
{
	struct sign_in_waiting *taken = sign_in_queue_take(&pair->queue);
	assert_int_equal(taken != NULL, pair->naive.size > 0);
	if (taken)
		assert_int_equal(taken - pair->jobs, naive_take(&pair->naive));
}

static void the_queue_agrees_with_a_stupid_one(void **state)
{
	(void)state;
	static struct pair pair;
	assert_true(sign_in_queue_init(&pair.queue, MOST));
	srandom(7);
	for (size_t step = 0; step < STEPS; step++) {
		size_t job = (size_t)random() % JOBS;
		uint64_t network = (uint64_t)(random() % NETWORKS * (random() % NETWORKS)) % NETWORKS;
		check_victim(&pair, network);
		if (random() % 3 == 0)
			take_one(&pair);
		else if (pair.jobs[job].turn)
			remove_one(&pair, job);
		else
			add(&pair, job, network);
		assert_int_equal(pair.queue.size, pair.naive.size);
		assert_int_equal(pair.queue.longest, naive_longest(&pair.naive));
	}
	while (pair.naive.size > 0)
		take_one(&pair);
	assert_int_equal(pair.queue.pool.used, 0);
	sign_in_queue_finish(&pair.queue);
}

static void packets_are_whole_or_refused(void **state)
{
	(void)state;
	uint8_t storage[HASHER_JOB_BYTES + 1];
	char password[LIMIT_PASSWORD_BYTES + 1], hash[LIMIT_HASH_TEXT_BYTES + 1];
	memset(password, 'p', sizeof password);
	memset(hash, 'h', sizeof hash);
	struct buffer packet;
	buffer_init(&packet, storage, HASHER_JOB_BYTES);
	struct hasher_job job = { .job = UINT64_MAX - 1,
				  .hash = slice_of(hash, LIMIT_HASH_TEXT_BYTES - 1),
				  .password = slice_of(password, LIMIT_PASSWORD_BYTES),
				  .costs_count = LIMIT_HASH_COSTS },
			  got;
	for (unsigned i = 0; i < LIMIT_HASH_COSTS; i++)
		job.costs[i] = (struct password_cost){ (uint8_t)(i % 2), UINT32_MAX - i, i };
	assert_true(hasher_job_encode(&packet, &job));
	assert_true(hasher_job_decode(buffer_slice(&packet), &got));
	assert_true(got.job == job.job && slice_equal(got.hash, job.hash) && slice_equal(got.password, job.password));
	assert_int_equal(got.costs_count, LIMIT_HASH_COSTS);
	for (unsigned i = 0; i < LIMIT_HASH_COSTS; i++)
		assert_true(password_cost_equal(&got.costs[i], &job.costs[i]));
	for (size_t size = 0; size < packet.size; size++)
		assert_false(hasher_job_decode(slice_of(storage, size), &got));
	storage[packet.size - LIMIT_HASH_COSTS * HASHER_COST_BYTES - 1]++;
	assert_false(hasher_job_decode(buffer_slice(&packet), &got));
	storage[packet.size - LIMIT_HASH_COSTS * HASHER_COST_BYTES - 1]--;
	assert_false(hasher_job_decode(slice_of(storage, packet.size + 1), &got));
	job.password.size++;
	buffer_clear(&packet);
	assert_false(hasher_job_encode(&packet, &job));
	job.password.size = 1;
	job.hash.size++;
	assert_false(hasher_job_encode(&packet, &job));
}

static void answers_are_whole_or_refused(void **state)
{
	(void)state;
	uint8_t packet[HASHER_ANSWER_BYTES + 1] = { 0 };
	struct hasher_answer answer = { 77, PASSWORD_NO_MEMORY }, got;
	hasher_answer_encode(packet, &answer);
	assert_true(hasher_answer_decode(slice_of(packet, HASHER_ANSWER_BYTES), &got));
	assert_true(got.job == 77 && got.verdict == PASSWORD_NO_MEMORY);
	for (size_t size = 0; size < HASHER_ANSWER_BYTES; size++)
		assert_false(hasher_answer_decode(slice_of(packet, size), &got));
	assert_false(hasher_answer_decode(slice_of(packet, sizeof packet), &got));
	packet[8] = PASSWORD_NO_MEMORY + 1;
	assert_false(hasher_answer_decode(slice_of(packet, HASHER_ANSWER_BYTES), &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_queue_agrees_with_a_stupid_one),
		cmocka_unit_test(packets_are_whole_or_refused),
		cmocka_unit_test(answers_are_whole_or_refused),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
