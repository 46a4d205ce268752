/* A line of `postern policy test`: a client and what is expected of it, or which server the next lines are for. Pure.
 *
 *     198.51.100.7 name=mx.bad.example tls=256 user=demo from=a@b.example to=c@d.example -> refuse 550 recipient
 *
 * The address comes first, the rest up to the arrow in any order. A word that begins with # begins a comment. */
#ifndef POSTERN_TOOLS_POLICY_CASE_LINE_H
#define POSTERN_TOOLS_POLICY_CASE_LINE_H

#include "core/policy/policy.h"

enum policy_line {
	POLICY_LINE_EMPTY,
	POLICY_LINE_SERVER,
	POLICY_LINE_CASE,
	POLICY_LINE_WRONG,
};

struct policy_case_line {
	char *server;              /* of POLICY_LINE_SERVER; the rest is of POLICY_LINE_CASE */
	struct policy_facts facts; /* address, name, TLS, signed in */
	bool tls_told;             /* else the server says what is usual */
	struct slice recipient;    /* empty: none */
	enum policy_stage last;    /* that the case comes to where all allow */
	struct {
		enum policy_outcome outcome;
		unsigned code;           /* 0: any */
		enum policy_stage stage; /* POLICY_STAGES: any */
		char *text;              /* as written, with single blanks */
	} expected;
};

/* Takes `text` apart, where the slices then lie. Of POLICY_LINE_WRONG `error` says what is, and how it is written. */
MUST_USE enum policy_line policy_case_line_parse(char *text, struct policy_case_line *line, struct error *error);

#endif
