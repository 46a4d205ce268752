/* What the clients of a seed have sent and what they were told: the yardstick for what must be found on the disk.
 *
 * A mail's text comes from its seed alone, so that a single wrong byte is found. Its reverse path carries its number, so
 * that whatever is found can be told whose it is, however little of it there is.
 *
 * "Accepted" is what must be there: because its 250 was read, or because it was found after a power failure. */
#ifndef POSTERN_TESTS_LEDGER_H
#define POSTERN_TESTS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "tests/sim/loop_sim.h"

enum {
	MAIL_RECIPIENTS = 24, /* of one mail, at most */
	MAIL_PATH_BYTES = 64,
	MAIL_USERS = 6, /* that have a Maildir */
};

enum mail_fate {
	MAIL_SENDING,  /* its end was not sent: must be nowhere */
	MAIL_SENT,     /* its end was sent and no answer was read: may be there, whole, or not */
	MAIL_ACCEPTED, /* its 250 was read: must be there */
	MAIL_DEFERRED, /* a 4xx was read: may be what a failed write has left, until a later mail of the life is accepted */
	MAIL_REFUSED, /* must be nowhere */
	MAIL_FATES,
};

enum mail_removal { MAIL_KEPT, MAIL_REMOVE_ASKED, MAIL_REMOVED };

enum mail_place {
	MAIL_HOLDS,   /* the route of its domain holds */
	MAIL_MAILDIR, /* that of user `user` */
	MAIL_NOWHERE, /* no route: refused */
};

struct mail_recipient {
	char path[MAIL_PATH_BYTES];
	enum mail_place place;
	unsigned user;
	bool refused;
	/* What an audit has found. */
	bool pending; /* in the spool, not done */
	unsigned copies;
};

struct mail {
	unsigned number; /* in the ledger */
	unsigned life;
	unsigned client;
	enum mail_fate fate;
	enum mail_removal removal;
	uint64_t id;    /* as the 250 said */
	uint64_t begun; /* steps of the ledger */
	uint64_t deferred;
	char reverse_path[MAIL_PATH_BYTES];
	char login[MAIL_PATH_BYTES]; /* of the session */
	bool eight_bit;
	bool over;   /* it is known to have left the spool for good */
	bool faulty; /* its text is none: a server must refuse it */
	struct mail_recipient recipients[MAIL_RECIPIENTS];
	size_t recipient_count;
	uint8_t *text; /* as it is to be stored, behind the trace fields */
	size_t text_size;
	uint8_t *file; /* the same as a Maildir has it */
	size_t file_size;
	/* What an audit has found. */
	uint64_t found_id;
	unsigned found; /* live messages of it */
};

struct ledger {
	uint64_t seed;
	struct mail **mails;
	size_t count;
	size_t capacity;
	uint64_t step;
	unsigned held_percent; /* of the recipients to come */
	size_t accepted;       /* mails, up to now */
	size_t deferred;       /* whole ones */
	size_t unanswered;     /* likewise */
};

void ledger_init(struct ledger *ledger, uint64_t seed);
void ledger_finish(struct ledger *ledger);

/* A mail that a client is about to send; `large` ones go to files of their own. Chance is the simulator's. */
struct mail *ledger_add(struct ledger *ledger, struct sim *sim, unsigned life, unsigned client, bool large);

/* The client begins it: MAIL is sent. */
void ledger_begin(struct ledger *ledger, struct mail *mail);
void ledger_accepted(struct ledger *ledger, struct mail *mail, uint64_t id);
/* By a reply of that code. */
void ledger_refused(struct ledger *ledger, struct mail *mail, unsigned code);

/* The life is over and its disk was audited. What nobody knew before is known now: a mail that is not there may never come
 * back. With `durable`, when all that was found is on the disk, one that is there must stay, and one that was there and has
 * left the spool has left it for good. */
void ledger_settle(struct ledger *ledger, bool durable);

/* Whose reverse path it is; NULL: nobody's. */
struct mail *ledger_find(const struct ledger *ledger, struct slice reverse_path);

size_t ledger_count(const struct ledger *ledger, enum mail_fate fate);

/* "accepted" and so on. */
const char *mail_fate_name(enum mail_fate fate);

#endif
