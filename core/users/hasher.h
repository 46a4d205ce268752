/* The packets between a worker and the hasher processes (hasher_run() is in sign_in.h).
 *
 * A worker writes jobs into its end of a SOCK_SEQPACKET pair; the hashers share the other end, and whoever is free takes the
 * next. One packet is one job or one answer. Numbers are little-endian: job 8 bytes, then for a job the hash behind
 * its size (1 byte), the password behind its size (2 bytes) and further costs behind their count (1 byte), each as kind (1),
 * memory (4) and passes (4); for an answer 1 byte: 0 wrong, 1 right, 2 no memory. */
#ifndef POSTERN_USERS_HASHER_H
#define POSTERN_USERS_HASHER_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "crypto/password.h"

enum {
	HASHER_COST_BYTES = 1 + 4 + 4,
	HASHER_JOB_BYTES = 8 + 1 + LIMIT_HASH_TEXT_BYTES + 2 + LIMIT_PASSWORD_BYTES + 1 +
			   LIMIT_HASH_COSTS * HASHER_COST_BYTES, /* at most */
	HASHER_ANSWER_BYTES = 8 + 1,
};

struct hasher_job {
	uint64_t job; /* the worker's number, never used twice */
	struct slice hash;
	struct slice password;
	unsigned costs_count;
	struct password_cost costs[LIMIT_HASH_COSTS]; /* spent too when the password is not right */
};

struct hasher_answer {
	uint64_t job;
	enum password_verdict verdict;
};

/* False when it does not fit; into HASHER_JOB_BYTES a hash and a password within their limits do. */
MUST_USE bool hasher_job_encode(struct buffer *packet, const struct hasher_job *job);
/* Hash and password point into the packet. False for anything that hasher_job_encode() does not make. */
MUST_USE bool hasher_job_decode(struct slice packet, struct hasher_job *job);

void hasher_answer_encode(uint8_t packet[HASHER_ANSWER_BYTES], const struct hasher_answer *answer);
MUST_USE bool hasher_answer_decode(struct slice packet, struct hasher_answer *answer);

#endif
