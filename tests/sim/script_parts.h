/* What the files of a scripted client share: script.c (connection, bytes), script_proxy.c (a header before all), script_say.c (what it says next),
 * script_hear.c (what it is told). */
#ifndef POSTERN_TESTS_SCRIPT_PARTS_H
#define POSTERN_TESTS_SCRIPT_PARTS_H

#include "core/base/buffer.h"
#include "core/base/limits.h"
#include "tests/sim/failure.h"
#include "tests/sim/script.h"

enum {
	SCRIPT_AWAITED = 512, /* replies that may be outstanding */
	SCRIPT_ENDS = 8,      /* mails that go out in one run */
	SCRIPT_LINE_BYTES = 1024,
	NS_PER_MS = 1000 * 1000,
};

enum script_stage {
	STAGE_GREETING,
	STAGE_HELLO,
	STAGE_SIGN_IN,
	STAGE_IDLE,       /* between mails */
	STAGE_RECIPIENTS, /* one by one */
	STAGE_TEXT,       /* DATA was said */
	STAGE_CHUNKS,     /* one by one */
	STAGE_QUIT,
	STAGE_WAIT, /* for the server to close */
	STAGE_OVER,
};

/* Which answer comes next. */
enum awaited_kind {
	AWAITED_GREETING,
	AWAITED_HELLO,
	AWAITED_SIGN_IN,
	AWAITED_WRONG_SIGN_IN,
	AWAITED_MAIL,
	AWAITED_RECIPIENT,
	AWAITED_DATA,
	AWAITED_CHUNK,
	AWAITED_FINAL,
	AWAITED_ANYTHING,
	AWAITED_GOODBYE,
};

struct awaited {
	enum awaited_kind kind;
	struct mail *mail;
	struct mail_recipient *recipient;
};

struct script {
	struct script_settings settings;
	struct sim *sim;
	struct sim_client *connection;
	enum script_stage stage;
	uint64_t not_before_ns; /* it rests until then */
	uint64_t bytes_left;    /* until its nature shows */
	bool shown;

	/* Its ways. */
	bool hello_only; /* HELO: no extensions */
	bool pipelines;
	bool chunks;
	bool pieces;  /* bytes go out in pieces */
	bool runs_on; /* says the next before it has heard of the last */
	bool proxied;
	bool signed_in;
	bool refused; /* it may hand in nothing: no sign-in */
	bool closing; /* 421 was read */
	unsigned mails_left;
	unsigned wrong_sign_ins;
	unsigned accepted;

	/* The mail that it is at. */
	struct mail *mail;
	size_t next_recipient;
	size_t text_sent;
	bool sender_refused;
	bool go_ahead;
	bool ahead; /* the next may be said before all is answered */

	/* What it has said. */
	struct buffer out;
	size_t out_gone;
	struct {
		size_t at;
		struct mail *mail;
	} ends[SCRIPT_ENDS]; /* where in `out` a mail is whole */
	size_t end_count;
	struct awaited awaited[SCRIPT_AWAITED];
	size_t awaited_first, awaited_count;

	/* What it hears. */
	char line[SCRIPT_LINE_BYTES];
	size_t line_size;
};

/* Says the next thing; called when all was said and is answered, or `ahead`. */
void script_say(struct script *script);

/* The PROXY header, where the server wants one from the client's address. */
void script_say_proxy_header(struct script *script);

/* One line of a reply, without its CRLF. */
void script_hear(struct script *script, const char *line);

void script_await(struct script *script, enum awaited_kind kind, struct mail *mail, struct mail_recipient *recipient);

/* Goes on no earlier than that. */
void script_rest(struct script *script, uint64_t ns);

/* Makes room for `more` bytes in `out`. */
void script_make_room(struct script *script, size_t more);

/* What is said last ends this mail. */
void script_mark_end(struct script *script, struct mail *mail);

#endif
