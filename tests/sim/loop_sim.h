/* The simulator: a third back end of core/io/loop.h with virtual time, simulated sockets and a simulated disk.
 *
 * A test makes a `sim`, a loop on it, and runs the real server's code on that loop, one turn at a time, with scripted
 * clients beside it. All chance comes from one seed: the same seed and the same script give the same run, to the
 * nanosecond and the byte (sim_trace_hash() tells), as long as the code under test takes its chance and its time from
 * nowhere else.
 *
 * Faults it can make, each only where `faults` has its bit:
 *   SIM_DELAY           completions and bytes take microseconds mostly, sometimes milliseconds, rarely a second; file
 *                       operations overtake each other. Without it all take one microsecond
 *   SIM_SPLIT           a receive gives any part of what has come, what is sent arrives in pieces
 *   SIM_SHORT_IO        reads and writes of files are short
 *   SIM_RESET           a connection breaks while sending or receiving
 *   SIM_DISK_FULL       writing, reserving or making something new finds no space (-ENOSPC), now and then
 *   SIM_DISK_ERROR      reading, writing or syncing fails (-EIO); what a failed write left behind is any part of it, and
 *                       what a failed sync, or durable write, should have made durable may silently never become so
 *   SIM_NO_DESCRIPTORS  accepting fails (-EMFILE), now and then
 * and besides them a disk of limited size, and crashes.
 *
 * A crash (sim_crash(), or sim_crash_after() in the middle of the work) keeps what was synced:
 *   - of each file every 512-byte sector as it was last synced; of what was written since, each sector is lost, kept or
 *     torn (a part of it is new); the size is the synced one, or the new one, or between
 *   - of each directory the names as they were last synced; of what was made, renamed or removed since, each change is lost
 *     or kept. A rename inside one directory is one change. A rename to another directory is one too, but syncing only one
 *     of the two makes only that half of it durable
 *   - syncing a file does not make its name durable (some file systems do that; nothing may count on it)
 * Faults it cannot make: wrong bytes read back, writes that go to the wrong place, packets out of order.
 *
 * A process can be killed as well (sim_kill()): what it has written stays and is read by the next one, synced or not.
 * Whenever a process ends the system may have forgotten what a failed sync should have made durable.
 *
 * What ran before the crash becomes a ghost: it runs on, on the old disk, cut off from its clients and without faults, so
 * that a test can end it in an orderly way and no memory is lost. Then sim_loop_create() starts the next life.
 *
 * A descriptor that is not of the simulator is silent: accept, receive and poll wait until they are cancelled. */
#ifndef POSTERN_TESTS_LOOP_SIM_H
#define POSTERN_TESTS_LOOP_SIM_H

#include "core/io/loop.h"

struct sim;
struct sim_client;

enum sim_fault {
	SIM_DELAY = 1,
	SIM_SPLIT = 2,
	SIM_SHORT_IO = 4,
	SIM_RESET = 8,
	SIM_DISK_FULL = 16,
	SIM_DISK_ERROR = 32,
	SIM_NO_DESCRIPTORS = 64,
};

struct sim_settings {
	uint64_t seed;
	unsigned faults;     /* enum sim_fault */
	uint64_t disk_bytes; /* for all files together; 0: no limit */
};

/* --- the world --- */

/* Prints nothing: a test prints its seed when it fails. Aborts when memory runs out. */
struct sim *sim_create(const struct sim_settings *settings);

/* The loop must be destroyed, all clients closed. */
void sim_destroy(struct sim *sim);

/* A process' loop, ended by loop_destroy(), which closes all its descriptors. One at a time. */
struct loop *sim_loop_create(struct sim *sim);

void sim_set_faults(struct sim *sim, unsigned faults);

/* The next read, write or sync (LOOP_READ, …) of a file that begins fails as with SIM_DISK_ERROR, whatever `faults` says. */
void sim_fail_next(struct sim *sim, enum loop_op_kind kind);

/* True when the last turn waited for something that nobody but a client can do. */
bool sim_is_idle(const struct sim *sim);

/* Over everything that happened up to now: completions, their results and their time. */
uint64_t sim_trace_hash(const struct sim *sim);

/* The seed's next number, for the script: below `bound`. */
uint64_t sim_random(struct sim *sim, uint64_t bound);

/* The world's time, also between the lives of processes. */
const struct clock_now *sim_now(const struct sim *sim);

/* The wall clock is set to another time, as people and NTP do. */
void sim_step_clock(struct sim *sim, int64_t by_us);

/* A turn that waits then ends by that time at the latest: for scripts that have something to do then. */
void sim_wake_after(struct sim *sim, uint64_t after_ns);

/* --- crashes --- */

void sim_crash(struct sim *sim);

/* Crashes right after that many more changes of the disk (each write, new name, sync, … is one); 0: not at all. */
void sim_crash_after(struct sim *sim, uint64_t changes);

/* Only the process ends; the system goes on, with all that was written and not synced. A crash later may lose that. */
void sim_kill(struct sim *sim);
void sim_kill_after(struct sim *sim, uint64_t changes);

/* True from either until the next sim_loop_create(). */
bool sim_has_crashed(const struct sim *sim);

/* Changes of the disk up to now. */
uint64_t sim_disk_changes(const struct sim *sim);

/* A world of its own, without faults, with a copy of this one's disk, for looking at it without touching anything here: the
 * disk as the next process will see it, or, with `crash`, what a power failure at this moment would leave of that, by the
 * copy's own seed. */
struct sim *sim_fork(struct sim *sim, uint64_t seed, bool crash);

/* --- sockets of the process --- */

/* Connected to each other; `type` SOCK_STREAM or SOCK_SEQPACKET. */
void sim_pair(struct sim *sim, int type, int fds[2]);

/* A stream socket, for loop_connect() to what sim_listen() made. */
int sim_socket(struct sim *sim);

/* Listening; `address` (may be NULL) gets a struct sockaddr_in that loop_connect() takes. */
int sim_listen(struct sim *sim, struct sockaddr_storage *address);

/* Closes as a process that dies with unread bytes: the peer's next receive is -ECONNRESET. */
void sim_reset(struct sim *sim, int fd);

/* No descriptor can be had until called with false. */
void sim_exhaust_descriptors(struct sim *sim, bool exhausted);

/* --- scripted clients: outside of the process, never waiting --- */

/* Connects to a listening descriptor; what is sent before it was accepted waits. */
struct sim_client *sim_connect(struct sim *sim, int listen_fd);

/* Connects to what loop_listen_local() made; NULL where nobody listens. */
struct sim_client *sim_connect_local(struct sim *sim, const char *path);

/* The other end of a descriptor that the process inherits, as a helper process would have it. */
struct sim_client *sim_partner(struct sim *sim, int type, int *fd);

/* IPv4, as the process sees it. */
uint32_t sim_client_address(const struct sim_client *client);

/* Takes all bytes; they go as fast as the process receives them. On SOCK_SEQPACKET it is one packet. */
void sim_client_send(struct sim_client *client, struct slice bytes);

/* Bytes that have come, or one packet; 0 when there are none now. What is not taken slows the process down. */
size_t sim_client_receive(struct sim_client *client, uint8_t *to, size_t capacity);

/* All that was sent has gone to the process. */
bool sim_client_is_drained(const struct sim_client *client);

/* The process has closed its side and all it sent was taken. */
bool sim_client_is_ended(const struct sim_client *client);

/* The connection broke: nothing more comes. */
bool sim_client_is_broken(const struct sim_client *client);

/* Ends the sending side, once all was sent. */
void sim_client_finish(struct sim_client *client);

/* Ends: with a reset where `reset`, else as a close(2). NULL is allowed. */
void sim_client_close(struct sim_client *client, bool reset);

/* --- the disk, from outside --- */

/* Another size; 0: no limit. */
void sim_set_disk_bytes(struct sim *sim, uint64_t disk_bytes);
uint64_t sim_used_bytes(const struct sim *sim);

/* Operations on files take so many times as long; 1 unless said. */
void sim_set_disk_slowness(struct sim *sim, uint64_t slowness);

/* With SIM_DISK_ERROR one in so many operations fails; 100 unless said. */
void sim_set_disk_error_rate(struct sim *sim, uint64_t one_in);

/* Makes it, durable at once. Its parent must exist. */
void sim_make_directory(struct sim *sim, const char *path);

/* What a process would read now; valid until the next turn. False when there is no such file. */
MUST_USE bool sim_read_file(struct sim *sim, const char *path, struct slice *bytes);

/* Calls back for each name; false when there is no such directory. */
MUST_USE bool sim_list_directory(struct sim *sim, const char *path, loop_directory_entry *entry, void *context);

#endif
