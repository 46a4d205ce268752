/* The audit: what a server would find on a disk, against what the clients were told.
 *
 * It works on a copy of the disk (sim_fork), where it recovers the lane as the server does, reads every message, and walks the
 * Maildirs. What must hold:
 *   - a mail that was accepted is in the spool with its envelope, or in the Maildir of each recipient that is done; whole,
 *     byte for byte, under the id that its client was told; unless its removal was ordered
 *   - what is in the spool or in new/ of a Maildir is some client's mail, whole; one that was not sent whole, or that was
 *     refused, is nowhere; none is there twice
 *   - a mail whose removal was confirmed, or that had left the spool for good, does not come back
 * Anything else is a failure (failure.h). */
#ifndef POSTERN_TESTS_AUDIT_H
#define POSTERN_TESTS_AUDIT_H

#include "tests/sim/ledger.h"

struct audit_settings {
	struct ledger *ledger;
	const char *when;           /* for the message of a failure */
	const char *lane_directory; /* on the simulated disk; the Maildirs are /mail/DOMAIN/USER */
	uint64_t segment_bytes;
	bool all_delivered; /* nobody with a Maildir may be left waiting */
	bool restarts;      /* audits too what is left when the power fails soon after the next start */
};

struct audit_counts {
	unsigned audits;
	unsigned live;
	unsigned copies;
	unsigned unanswered; /* mails that are there and whose answer was not read */
	unsigned deferred;   /* mails that a failed write has left */
};

/* Ends `fork`. */
void audit(struct sim *fork, const struct audit_settings *settings, struct audit_counts *counts);

#endif
