/* The simulator's own test: it keeps the loop's contract, and the same seed gives the same run. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "tests/sim/loop_sim.h"
#include "tests/sim/sim_await.h"
#include "tests/unit/io/loop_table.h"

/* --- the loop's tables --- */

struct sim_world {
	struct loop_world world;
	struct sim *sim;
};

static struct sim *sim_of(struct loop_world *world)
{
	return CONTAINER_OF(world, struct sim_world, world)->sim;
}

static void world_pair(struct loop_world *world, int type, int fds[2])
{
	sim_pair(sim_of(world), type, fds);
}

static int world_socket(struct loop_world *world)
{
	return sim_socket(sim_of(world));
}

static int world_listener(struct loop_world *world, struct sockaddr_storage *address)
{
	return sim_listen(sim_of(world), address);
}

static void world_reset(struct loop_world *world, int fd)
{
	sim_reset(sim_of(world), fd);
}

static void world_exhaust(struct loop_world *world, bool exhausted)
{
	sim_exhaust_descriptors(sim_of(world), exhausted);
}

static void run_with(const struct loop_table_row *row, uint64_t seed, unsigned faults)
{
	struct sim_world world = {
		.world = { .directory = "/work",
			   .pair = world_pair,
			   .socket = world_socket,
			   .listener = world_listener,
			   .reset = world_reset,
			   .exhaust_descriptors = world_exhaust },
		.sim = sim_create(&(struct sim_settings){ .seed = seed, .faults = faults }),
	};
	sim_make_directory(world.sim, "/work");
	world.world.loop = sim_loop_create(world.sim);
	assert_string_equal(loop_name(world.world.loop), "simulator");
	row->test(&world.world);
	loop_destroy(world.world.loop);
	sim_destroy(world.sim);
}

static void run_row(void **state)
{
	const struct loop_table_row *row = *state;
	enum { SEEDS = 10 };
	run_with(row, 0, 0);
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_with(row, seed, SIM_DELAY | SIM_SPLIT);
}

/* --- a life to look at: a server that writes each line it gets to a file, and says so --- */

struct life {
	struct sim *sim;
	struct loop *loop;
	int file;
	struct loop_op accept, receive, write, send;
	int fd;
	uint64_t offset;
	uint8_t bytes[LIMIT_RECEIVE_BUFFER_BYTES];
	struct iovec part;
	unsigned ended;
	int32_t last_error;
};

static void life_received(struct loop_op *op, const struct loop_completion *completion);

static void life_sent(struct loop_op *op, const struct loop_completion *completion)
{
	struct life *life = CONTAINER_OF(op, struct life, send);
	if (completion->result > 0)
		loop_receive(life->loop, &life->receive, life->fd, life_received);
	else
		life->ended++;
}

static void life_written(struct loop_op *op, const struct loop_completion *completion)
{
	struct life *life = CONTAINER_OF(op, struct life, write);
	if (completion->result > 0)
		life->offset += (uint64_t)completion->result;
	else
		life->last_error = completion->result;
	loop_send(life->loop, &life->send, life->fd, completion->result > 0 ? SLICE_LITERAL("+") : SLICE_LITERAL("-"),
		  life_sent);
}

static void life_received(struct loop_op *op, const struct loop_completion *completion)
{
	struct life *life = CONTAINER_OF(op, struct life, receive);
	if (completion->result <= 0) {
		life->ended++;
		return;
	}
	memcpy(life->bytes, completion->bytes.data, completion->bytes.size);
	life->part = (struct iovec){ life->bytes, completion->bytes.size };
	loop_write(life->loop, &life->write, life->file, &life->part, 1, life->offset, LOOP_WRITE_DURABLE,
		   life_written);
}

static void life_accepted(struct loop_op *op, const struct loop_completion *completion)
{
	struct life *life = CONTAINER_OF(op, struct life, accept);
	if (!completion->more && completion->result == -EMFILE)
		loop_accept(life->loop, op, op->fd, life_accepted);
	if (!completion->more)
		return;
	life->fd = completion->result;
	loop_receive(life->loop, &life->receive, life->fd, life_received);
}

/* One client, a hundred lines, all faults. Answers the trace's hash. */
static uint64_t live(uint64_t seed, unsigned faults)
{
	struct sim *sim = sim_create(&(struct sim_settings){ .seed = seed, .faults = faults });
	struct life life = { .sim = sim, .loop = sim_loop_create(sim), .fd = -1 };
	loop_op_init(&life.accept);
	loop_op_init(&life.receive);
	loop_op_init(&life.write);
	loop_op_init(&life.send);
	while ((life.file = sim_open(life.loop, "/log", O_RDWR | O_CREAT)) < 0)
		assert_int_equal(life.file, -ENOSPC);
	int listener = sim_listen(sim, NULL);
	loop_accept(life.loop, &life.accept, listener, life_accepted);
	struct sim_client *client = sim_connect(sim, listener);
	for (unsigned lines = 0; lines < 100 && !life.ended; lines++) {
		char line[64];
		snprintf(line, sizeof line, "line %u of %u\n", lines, (unsigned)sim_random(sim, 1000));
		sim_client_send(client, slice_from_text(line));
		uint8_t answers[64];
		do
			sim_turn(life.loop);
		while (sim_client_receive(client, answers, sizeof answers) == 0 && !sim_is_idle(sim) && !life.ended);
	}
	sim_client_close(client, false);
	loop_cancel(life.loop, &life.accept);
	while (loop_op_is_running(&life.accept) || !life.ended)
		sim_turn(life.loop);
	uint64_t hash = sim_trace_hash(sim);
	loop_destroy(life.loop);
	sim_destroy(sim);
	return hash;
}

enum {
	ALL_FAULTS =
		SIM_DELAY | SIM_SPLIT | SIM_SHORT_IO | SIM_RESET | SIM_DISK_FULL | SIM_DISK_ERROR | SIM_NO_DESCRIPTORS
};

static void the_same_seed_is_the_same_run(void **state)
{
	(void)state;
	uint64_t before = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		uint64_t hash = live(seed, ALL_FAULTS);
		assert_int_equal(hash, live(seed, ALL_FAULTS));
		assert_int_not_equal(hash, before);
		before = hash;
	}
	assert_int_equal(live(3, 0), live(3, 0));
}

/* --- what is special --- */

/* Clients hear nothing of what the ghost does, only that the connection broke. */
static void clients_are_cut_off_by_a_crash(void **state)
{
	(void)state;
	struct sim *sim = sim_create(&(struct sim_settings){ .seed = 1 });
	struct loop *loop = sim_loop_create(sim);
	int fd;
	struct sim_client *client = sim_partner(sim, SOCK_STREAM, &fd);
	struct loop_op send, receive;
	loop_op_init(&send);
	loop_op_init(&receive);
	loop_send(loop, &send, fd, SLICE_LITERAL("before"), NULL);
	assert_int_equal(loop_await(loop, &send), 6);
	loop_receive(loop, &receive, fd, NULL);
	sim_crash(sim);
	assert_int_equal(loop_await(loop, &receive), -ECONNRESET);
	loop_send(loop, &send, fd, SLICE_LITERAL("after"), NULL);
	assert_int_equal(loop_await(loop, &send), -EPIPE);
	uint8_t bytes[16];
	assert_int_equal(sim_client_receive(client, bytes, sizeof bytes), 0);
	assert_true(sim_client_is_broken(client));
	sim_client_close(client, false);
	loop_destroy(loop);
	sim_destroy(sim);
}

static void foreign_descriptors_are_silent(void **state)
{
	(void)state;
	struct sim *sim = sim_create(&(struct sim_settings){ .seed = 1 });
	struct loop *loop = sim_loop_create(sim);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	struct loop_op op;
	loop_op_init(&op);
	loop_accept(loop, &op, fds[0], NULL);
	for (int i = 0; i < 10; i++)
		sim_turn(loop);
	assert_true(loop_op_is_running(&op));
	loop_cancel(loop, &op);
	assert_int_equal(loop_await(loop, &op), -ECANCELED);
	loop_close(loop, fds[0]);
	loop_close(loop, fds[1]);
	loop_destroy(loop);
	sim_destroy(sim);
}

static void waiting_for_nothing_is_an_error(void **state)
{
	(void)state;
	struct sim *sim = sim_create(&(struct sim_settings){ .seed = 1 });
	struct loop *loop = sim_loop_create(sim);
	int fds[2];
	sim_pair(sim, SOCK_STREAM, fds);
	struct loop_op op;
	loop_op_init(&op);
	loop_receive(loop, &op, fds[0], NULL);
	struct error error;
	while (loop_turn(loop, true, &error))
		assert_true(loop_op_is_running(&op));
	assert_non_null(strstr(error.text, "nothing will ever happen"));
	loop_cancel(loop, &op);
	assert_true(loop_turn(loop, false, &error));
	loop_destroy(loop);
	sim_destroy(sim);
}

static struct CMUnitTest tests[128];
static size_t test_count;

static void add_table(const struct loop_table_row *table)
{
	for (const struct loop_table_row *row = table; row->name; row++)
		tests[test_count++] = (struct CMUnitTest){
			.name = row->name,
			.test_func = run_row,
			.initial_state = (void *)(uintptr_t)row,
		};
}

#define ADD(test) (tests[test_count++] = (struct CMUnitTest)cmocka_unit_test(test))

int main(void)
{
	alarm(240);
	log_configure(LOG_ERROR, 2);
	ADD(the_same_seed_is_the_same_run);
	ADD(clients_are_cut_off_by_a_crash);
	ADD(foreign_descriptors_are_silent);
	ADD(waiting_for_nothing_is_an_error);
	add_table(loop_socket_table);
	add_table(loop_connection_table);
	add_table(loop_file_table);
	return _cmocka_run_group_tests("simulator", tests, test_count, NULL, NULL);
}
