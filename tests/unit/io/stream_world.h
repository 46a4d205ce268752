/* For the stream tests: a loop, streams that remember their events, raw peers, and certificates for localhost. */
#ifndef POSTERN_TESTS_STREAM_WORLD_H
#define POSTERN_TESTS_STREAM_WORLD_H

#include "core/io/stream.h"

struct stream_world {
	struct loop *loop;
	struct stream_buffers buffers;
};

/* What the owner does with what it reads. */
enum end_habit {
	END_READS,  /* reads all, remembers the sum and the first bytes */
	END_ECHOES, /* and writes it back; pauses while it can't */
	END_SIPS,   /* reads `sip` bytes and pauses, each time */
};

struct end {
	struct stream stream;
	struct stream_world *world;
	enum end_habit habit;
	size_t sip;
	unsigned events[STREAM_CLOSED + 1]; /* how often each came */
	enum stream_event last;
	char failure[128];
	size_t total;
	uint8_t sum;
	char text[256]; /* the first bytes that were read */
	/* Called at each event before the habit, where a test wants to do something there. */
	void (*hook)(struct end *end, enum stream_event event);
	struct slice unsent; /* what is still to be written: at each DRAINED as much as goes */
	uint8_t echo[4096];  /* read and not yet written back */
	size_t echo_size;
};

void stream_world_open(struct stream_world *world, enum loop_kind kind);
/* Checks that all buffers are back. */
void stream_world_close(struct stream_world *world);

void end_init(struct end *end, struct stream_world *world, int fd);
/* Writes as much of `unsent` as goes now. */
void end_push(struct end *end);

void turn_once(struct stream_world *world);
#define TURN_UNTIL(world, condition)                                                                                   \
	for (unsigned turns_ = 0; !(condition); turns_++)                                                              \
	assert_true(turns_ < 20000), turn_once(world)
/* Turns that do not wait: for seeing that nothing happens. */
void turn_a_little(struct stream_world *world);

/* Closes both and turns until they are closed; NULL: none. */
void close_ends(struct stream_world *world, struct end *a, struct end *b);

uint8_t stream_sum(uint8_t sum, struct slice bytes);

/* --- two ends --- */
enum { PLAIN = 0 };
void stream_pair(int type, int fds[2]);
void put_tls(struct end *client, struct end *server, uint16_t version);
/* Connected, and through the handshake where there is a version of TLS. */
void open_ends(struct stream_world *world, struct end *client, struct end *server, uint16_t version);
uint8_t *make_bytes(size_t size); /* malloc'ed */
void write_text(struct end *end, const char *text);

/* --- TLS --- */
bool certificates_make(void);
void certificates_remove(void);
struct tls_context *server_context(uint16_t version);
struct tls_context *client_context(uint16_t version);

#endif
