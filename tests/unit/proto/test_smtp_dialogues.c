/* proto/smtp_session: a table of dialogues, what the client sends and the codes it is answered, each fed whole, byte by
 * byte and cut in two at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/proto/dialogue.h"

enum { PLAIN_TEXT = 1, MUST_SIGN_IN = 2, SIGN_IN_ANYWHERE = 4, NO_SIGN_IN = 8, FEW_ERRORS = 16, NO_STARTTLS = 32 };

struct row {
	const char *name;
	unsigned flags;
	const char *input;
	const char *codes;
	const char *accepted; /* NULL: no message */
};

#define EHLO        "EHLO client.example\r\n"
#define MAIL        "MAIL FROM:<a@b.example>\r\n"
#define RCPT        "RCPT TO:<c@d.example>\r\n"
#define EMR         EHLO MAIL RCPT
#define EMR_CODES   "250 | 250 2.1.0 | 250 2.1.5 | "
#define TEXT        "Subject: x\r\n\r\nHi\r\n"
#define MESSAGE     "a@b.example>c@d.example:" TEXT
#define GOOD_PLAIN  "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"
#define WRONG_PLAIN "AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n"
#define QUIT        "QUIT\r\n"
#define GOODBYE     "221 2.0.0"

static const struct row transactions[] = {
	{ "a message", 0, EMR "DATA\r\n" TEXT ".\r\n" QUIT, EMR_CODES "354 | 250 2.0.0 | " GOODBYE, MESSAGE },
	{ "after HELO", 0, "HELO x\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\n" QUIT, EMR_CODES "354 | 250 2.0.0 | " GOODBYE,
	  MESSAGE },
	{ "two messages", 0, EMR "DATA\r\n" TEXT ".\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\n",
	  EMR_CODES "354 | 250 2.0.0 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0", MESSAGE MESSAGE },
	{ "words in any case, blanks at the end", 0,
	  "ehlo x \r\nmail from:<a@b.example> \r\nrcpt to:<c@d.example>\t\r\ndata\r\n" TEXT ".\r\nquit \r\n",
	  EMR_CODES "354 | 250 2.0.0 | " GOODBYE, MESSAGE },
	{ "a blank before the path", 0, EHLO "MAIL FROM: <a@b.example>\r\nRCPT TO: <c@d.example>\r\n",
	  "250 | 250 2.1.0 | 250 2.1.5", NULL },
	{ "but not two, nor other white space", 0, EHLO "MAIL FROM:  <a@b.example>\r\nMAIL FROM:\t<a@b.example>\r\n",
	  "250 | 501 5.1.7 | 501 5.1.7", NULL },
	{ "the null reverse path", 0, EHLO "MAIL FROM:<>\r\n" RCPT "DATA\r\n.\r\n",
	  "250 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0", ">c@d.example:" },
	{ "postmaster alone, and no null recipient", 0, EHLO MAIL "RCPT TO:<>\r\nRCPT TO:<PostMaster>\r\n",
	  "250 | 250 2.1.0 | 501 5.1.3 | 250 2.1.5", NULL },
	{ "a source route is dropped", 0, EHLO "MAIL FROM:<@x.example,@y.example:a@b.example>\r\n" RCPT "DATA\r\n.\r\n",
	  EMR_CODES "354 | 250 2.0.0", "a@b.example>c@d.example:" },
	{ "dots", 0, EMR "DATA\r\n..\r\n...\r\n.x\r\nx.\r\n.\r\n", EMR_CODES "354 | 250 2.0.0",
	  "a@b.example>c@d.example:.\r\n..\r\nx\r\nx.\r\n" },
	{ "a sender is refused", 0, EHLO "MAIL FROM:<bad@b.example>\r\n" RCPT, "250 | 550 5.7.1 | 503 5.5.1", NULL },
	{ "recipients are refused", 0, EHLO MAIL "RCPT TO:<no@d.example>\r\nRCPT TO:<relay@d.example>\r\nDATA\r\n",
	  "250 | 250 2.1.0 | 550 5.1.1 | 550 5.7.1 | 503 5.5.1", NULL },
	{ "a recipient too many", 0, EMR RCPT RCPT RCPT "DATA\r\n.\r\n",
	  EMR_CODES "250 2.1.5 | 250 2.1.5 | 452 4.5.3 | 354 | 250 2.0.0",
	  "a@b.example>c@d.example,c@d.example,c@d.example:" },
	{ "recipients too many are no errors", FEW_ERRORS, EMR RCPT RCPT RCPT RCPT RCPT RCPT,
	  EMR_CODES "250 2.1.5 | 250 2.1.5 | 452 4.5.3 | 452 4.5.3 | 452 4.5.3 | 452 4.5.3", NULL },
	{ "RSET", 0, EMR "RSET\r\n" RCPT "RSET\r\n" MAIL, EMR_CODES "250 2.0.0 | 503 5.5.1 | 250 2.0.0 | 250 2.1.0",
	  NULL },
	{ "EHLO resets too", 0, EMR EHLO RCPT, EMR_CODES "250 | 503 5.5.1", NULL },
	{ "a loop", 0,
	  EMR "DATA\r\n"
	      "Received: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\nReceived: 5\r\nReceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "received: 1\r\nreceived: 2\r\nreceived: 3\r\nreceived: 4\r\nreceived: 5\r\nreceived: 6\r\n"
	      "RECEIVED : 1\r\nreceived: 2\r\nreceived: 3\r\n\r\n.\r\nNOOP\r\n",
	  EMR_CODES "354 | 554 5.4.6 | 250 2.0.0", NULL },
};

static const struct row orders[] = {
	{ "nothing before a greeting", 0, MAIL RCPT "DATA\r\nBDAT 3\r\nabcSTARTTLS\r\nAUTH PLAIN\r\n" EHLO,
	  "503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 250", NULL },
	{ "but what asks nothing", 0, "NOOP\r\nNOOP any thing\r\nRSET\r\nHELP\r\nHELP MAIL\r\nVRFY x\r\nQUIT\r\n",
	  "250 2.0.0 | 250 2.0.0 | 250 2.0.0 | 214 2.0.0 | 214 2.0.0 | 252 2.5.0 | 221 2.0.0", NULL },
	{ "a greeting comes before the sign-in", MUST_SIGN_IN, MAIL EHLO MAIL "HELO x\r\n" MAIL,
	  "503 5.5.1 | 250 | 530 5.7.0 | 250 | 530 5.7.0", NULL },
	{ "the same in clear text", MUST_SIGN_IN | PLAIN_TEXT, MAIL EHLO MAIL, "503 5.5.1 | 250 | 530 5.7.0", NULL },
	{ "MAIL twice", 0, EHLO MAIL MAIL RCPT MAIL, "250 | 250 2.1.0 | 503 5.5.1 | 250 2.1.5 | 503 5.5.1", NULL },
	{ "RCPT, DATA and BDAT before MAIL", 0, EHLO RCPT "DATA\r\nBDAT 4 LAST\r\nQUIT" MAIL,
	  "250 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 250 2.1.0", NULL },
	{ "DATA before RCPT", 0, EHLO MAIL "DATA\r\n" RCPT, "250 | 250 2.1.0 | 503 5.5.1 | 250 2.1.5", NULL },
	{ "verbs that nobody knows", 0,
	  "FOO\r\n\r\n MAIL\r\nMAILFROM:<a@b>\r\nEHLO\r\nHELO\r\nEHLO a b\r\nXCLIENT a=b\r\n",
	  "500 5.5.1 | 500 5.5.1 | 500 5.5.1 | 500 5.5.1 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 500 5.5.1", NULL },
	{ "verbs that are not offered", 0, "EXPN list\r\nTURN\r\nETRN x\r\n", "502 5.5.1 | 502 5.5.1 | 502 5.5.1",
	  NULL },
	{ "arguments where none belong, none where one belongs", 0,
	  EMR "DATA x\r\nRSET x\r\nQUIT x\r\nSTARTTLS x\r\nVRFY\r\nMAIL\r\nRCPT\r\nBDAT\r\nAUTH\r\n",
	  EMR_CODES
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 503 5.5.1 | 501 5.5.4 | 503 5.5.1 | 501 5.5.4 | 501 5.5.4 | 503 5.5.1",
	  NULL },
	{ "not SMTP at all", 0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n" EMR, "421 4.7.0", NULL },
	{ "errors have a bound", FEW_ERRORS, "FOO\r\nFOO\r\nNOOP\r\nFOO\r\nNOOP\r\n",
	  "500 5.5.1 | 500 5.5.1 | 250 2.0.0 | 500 5.5.1 | 421 4.7.0", NULL },
	{ "a refused message may be the last error", FEW_ERRORS, "FOO\r\nFOO\r\n" EMR "DATA\r\na\nb\r\n.\r\nNOOP\r\n",
	  "500 5.5.1 | 500 5.5.1 | " EMR_CODES "354 | 554 5.6.0 | 421 4.7.0", NULL },
};

static const struct row parameters[] = {
	{ "that are known", 0,
	  EHLO "MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME SMTPUTF8 AUTH=<>\r\nRSET\r\n"
	       "MAIL FROM:<a@b.example>  body=7bit  size=0  auth=a+40b\r\n",
	  "250 | 250 2.1.0 | 250 2.0.0 | 250 2.1.0", NULL },
	{ "that are not", 0,
	  EHLO
	  "MAIL FROM:<a@b.example> FOO=1\r\nMAIL FROM:<a@b.example> RET=HDRS\r\nMAIL FROM:<a@b.example> FOO\r\n" MAIL
	  "RCPT TO:<c@d.example> NOTIFY=NEVER\r\nRCPT TO:<c@d.example> SIZE=1\r\n",
	  "250 | 555 5.5.4 | 555 5.5.4 | 555 5.5.4 | 250 2.1.0 | 555 5.5.4 | 555 5.5.4", NULL },
	{ "with wrong values", 0,
	  EHLO
	  "MAIL FROM:<a@b.example> SIZE=1x\r\nMAIL FROM:<a@b.example> SIZE\r\nMAIL FROM:<a@b.example> SIZE=\r\n"
	  "MAIL FROM:<a@b.example> SIZE=1 SIZE=1\r\nMAIL FROM:<a@b.example> BODY=9BIT\r\n"
	  "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\nMAIL FROM:<a@b.example> SMTPUTF8=1\r\n"
	  "MAIL FROM:<a@b.example> SIZE==1\r\nMAIL FROM:<a@b.example> -A=1\r\nMAIL FROM:<a@b.example> AUTH=a+4\r\n"
	  "MAIL FROM:<a@b.example> SIZE=-1\r\nMAIL FROM:<a@b.example>SIZE=1\r\nMAIL FROM:<a@b.example>\tSIZE=1\r\n",
	  "250 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | "
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4",
	  NULL },
	{ "SIZE too large", 0,
	  EHLO "MAIL FROM:<a@b.example> SIZE=10001\r\nMAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n"
	       "MAIL FROM:<a@b.example> SIZE=999999999999999999999\r\nMAIL FROM:<a@b.example> SIZE=10000\r\n",
	  "250 | 552 5.3.4 | 552 5.3.4 | 501 5.5.4 | 250 2.1.0", NULL },
	{ "after HELO there are none", 0, "HELO x\r\nMAIL FROM:<a@b.example> SIZE=100\r\n" MAIL,
	  "250 | 555 5.5.4 | 250 2.1.0", NULL },
	{ "a refused MAIL leaves nothing behind", 0,
	  EHLO "MAIL FROM:<a@b.example> SMTPUTF8 FOO\r\n" MAIL "RCPT TO:<\xc3\xa4@d.example>\r\n",
	  "250 | 555 5.5.4 | 250 2.1.0 | 553 5.6.7", NULL },
	{ "UTF-8 with SMTPUTF8 only", 0,
	  EHLO "MAIL FROM:<\xc3\xa4@b.example>\r\nMAIL FROM:<\xc3\xa4@b.example> SMTPUTF8\r\nRCPT "
	       "TO:<\xc3\xa4@d.example>\r\n"
	       "RCPT TO:<\xff@d.example>\r\nRSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<\xc3\xa4@d.example>\r\n",
	  "250 | 553 5.6.7 | 250 2.1.0 | 250 2.1.5 | 501 5.1.3 | 250 2.0.0 | 250 2.1.0 | 553 5.6.7", NULL },
	{ "paths that are none", 0,
	  EHLO
	  "MAIL FROM:<a@@b>\r\nMAIL FROM:<.a@b>\r\nMAIL FROM:<a..b@c>\r\nMAIL FROM:<a@b>>\r\nMAIL FROM:a@b\r\n"
	  "MAIL FROM:<a@b\r\nMAIL FROM:a@b>\r\nMAIL FROM:<a\x01@b>\r\nMAIL <a@b>\r\nMAIL FROM<a@b>\r\nMAIL FROM:\r\n"
	  "MAIL TO:<a@b>\r\n" MAIL "RCPT TO:<a@@b>\r\nRCPT TO:<a@b>>\r\nRCPT TO:c@d\r\nRCPT FROM:<a@b>\r\n",
	  "250 | 501 5.1.7 | 501 5.1.7 | 501 5.1.7 | 501 5.5.4 | 501 5.1.7 | 501 5.1.7 | 501 5.1.7 | 501 5.1.7 | "
	  "501 5.5.4 | 501 5.5.4 | 501 5.1.7 | 501 5.5.4 | 250 2.1.0 | 501 5.1.3 | 501 5.5.4 | 501 5.1.3 | 501 5.5.4",
	  NULL },
};

static const struct row chunks[] = {
	{ "one", 0, EMR "BDAT 18 LAST\r\n" TEXT QUIT, EMR_CODES "250 2.0.0 | " GOODBYE, MESSAGE },
	{ "several, cut inside CRLF", 0, EMR "BDAT 11\r\nSubject: x\rBDAT 7 LAST\r\n\n\r\nHi\r\nNOOP\r\n",
	  EMR_CODES "250 2.0.0 | 250 2.0.0 | 250 2.0.0", MESSAGE },
	{ "the last is empty", 0, EMR "BDAT 18\r\n" TEXT "BDAT 0 LAST\r\nNOOP\r\n",
	  EMR_CODES "250 2.0.0 | 250 2.0.0 | 250 2.0.0", MESSAGE },
	{ "empty ones between", 0, EMR "BDAT 0\r\nBDAT 18\r\n" TEXT "BDAT 0\r\nbdat 000 last\r\n",
	  EMR_CODES "250 2.0.0 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0", MESSAGE },
	{ "nothing at all", 0, EMR "BDAT 0 LAST\r\nNOOP\r\n", EMR_CODES "250 2.0.0 | 250 2.0.0",
	  "a@b.example>c@d.example:" },
	{ "dots mean nothing", 0, EMR "BDAT 12 LAST\r\n.\r\n..\r\n\r\n.\r\nNOOP\r\n", EMR_CODES "250 2.0.0 | 250 2.0.0",
	  "a@b.example>c@d.example:.\r\n..\r\n\r\n.\r\n" },
	{ "bytes are no commands where there is no transaction", 0,
	  EHLO "BDAT 6\r\nQUIT\r\nNOOP\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
	  "250 | 503 5.5.1 | 250 2.0.0 | 503 5.5.1 | 250 2.0.0", NULL },
	{ "nor where there is no recipient", 0,
	  EHLO MAIL "RCPT TO:<no@d.example>\r\nBDAT 6 LAST\r\nQUIT\r\n" MAIL RCPT "BDAT 18 LAST\r\n" TEXT,
	  "250 | 250 2.1.0 | 550 5.1.1 | 503 5.5.1 | 250 2.1.0 | 250 2.1.5 | 250 2.0.0", MESSAGE },
	{ "after one that failed, all are refused up to RSET", 0,
	  EHLO MAIL "BDAT 6\r\nQUIT\r\n" RCPT "BDAT 6\r\nQUIT\r\nDATA\r\n" MAIL "RSET\r\n" MAIL RCPT
		    "BDAT 18 LAST\r\n" TEXT,
	  "250 | 250 2.1.0 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0 | 250 2.1.0 | 250 "
	  "2.1.5 | "
	  "250 2.0.0",
	  MESSAGE },
	{ "or up to LAST", 0, EMR "BDAT 3\r\na\nbBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" MAIL,
	  EMR_CODES "554 5.6.0 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0 | 250 2.1.0", NULL },
	{ "bare CR at the end", 0, EMR "BDAT 3 LAST\r\nab\rNOOP\r\n", EMR_CODES "554 5.6.0 | 250 2.0.0", NULL },
	{ "bare CR at the end, and then nothing", 0, EMR "BDAT 3\r\nab\rBDAT 0 LAST\r\nNOOP\r\n",
	  EMR_CODES "250 2.0.0 | 554 5.6.0 | 250 2.0.0", NULL },
	{ "DATA between them, and what else does not belong", 0,
	  EMR "BDAT 18\r\n" TEXT "DATA\r\n" RCPT MAIL "STARTTLS\r\nNOOP\r\nBDAT 0 LAST\r\n",
	  EMR_CODES "250 2.0.0 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0 | 250 2.0.0", MESSAGE },
	{ "a second word that is not LAST", 0, EMR "BDAT 6 FOO\r\nQUIT\r\nNOOP\r\n", EMR_CODES "501 5.5.4 | 250 2.0.0",
	  NULL },
	{ "sizes that are none", 0, EMR "BDAT -1\r\nNOOP\r\n", EMR_CODES "501 5.5.4 | 421 4.5.0", NULL },
	{ "words for sizes", 0, EMR "BDAT LAST\r\nNOOP\r\n", EMR_CODES "501 5.5.4 | 421 4.5.0", NULL },
	{ "sizes beyond numbers", 0, EMR "BDAT 99999999999999999999999 LAST\r\nNOOP\r\n",
	  EMR_CODES "501 5.5.4 | 421 4.5.0", NULL },
	{ "a size that nobody waits for", 0, EMR "BDAT 9223372036854775807\r\nNOOP\r\n",
	  EMR_CODES "552 5.3.4 | 421 4.5.0", NULL },
	{ "the same outside a transaction", 0, "BDAT 9223372036854775807\r\nNOOP\r\n", "503 5.5.1 | 421 4.5.0", NULL },
	{ "after HELO", 0, "HELO x\r\n" MAIL RCPT "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", EMR_CODES "503 5.5.1 | 250 2.0.0",
	  NULL },
};

static const struct row sign_ins[] = {
	{ "PLAIN at once", MUST_SIGN_IN, EHLO GOOD_PLAIN MAIL, "250 | 235 2.7.0 | 250 2.1.0", NULL },
	{ "PLAIN, asked", MUST_SIGN_IN, EHLO "auth plain\r\nAHVzZXIAc2VjcmV0\r\n" MAIL,
	  "250 | 334 | 235 2.7.0 | 250 2.1.0", NULL },
	{ "PLAIN for oneself", MUST_SIGN_IN, EHLO "AUTH PLAIN dXNlcgB1c2VyAHNlY3JldA==\r\n", "250 | 235 2.7.0", NULL },
	{ "PLAIN for somebody else", MUST_SIGN_IN, EHLO "AUTH PLAIN cm9vdAB1c2VyAHNlY3JldA==\r\n" MAIL,
	  "250 | 535 5.7.8 | 530 5.7.0", NULL },
	{ "LOGIN", MUST_SIGN_IN, EHLO "AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n" MAIL,
	  "250 | 334 | 334 | 235 2.7.0 | 250 2.1.0", NULL },
	{ "LOGIN with the name", MUST_SIGN_IN, EHLO "AUTH LOGIN dXNlcg==\r\nc2VjcmV0\r\n", "250 | 334 | 235 2.7.0",
	  NULL },
	{ "wrong ones have a bound", MUST_SIGN_IN, EHLO WRONG_PLAIN WRONG_PLAIN WRONG_PLAIN GOOD_PLAIN,
	  "250 | 535 5.7.8 | 535 5.7.8 | 535 5.7.8 | 421 4.7.0", NULL },
	{ "no hasher", MUST_SIGN_IN, EHLO "AUTH PLAIN AHNsb3cAc2VjcmV0\r\n" GOOD_PLAIN, "250 | 454 4.7.0 | 235 2.7.0",
	  NULL },
	{ "cancelled", MUST_SIGN_IN, EHLO "AUTH LOGIN\r\n*\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN *\r\n" MAIL,
	  "250 | 334 | 501 5.0.0 | 334 | 501 5.0.0 | 501 5.5.2 | 530 5.7.0", NULL },
	{ "not base64", 0,
	  EHLO "AUTH PLAIN x\r\nAUTH PLAIN AHVzZXIAc2VjcmV0=\r\nAUTH LOGIN\r\n dXNlcg==\r\nAUTH "
	       "LOGIN\r\ndXNlch==\r\nAUTH LOGIN\r\n"
	       "dXNlcg==\r\nc2VjcmV0 \r\n",
	  "250 | 501 5.5.2 | 501 5.5.2 | 334 | 501 5.5.2 | 334 | 501 5.5.2 | 334 | 334 | 501 5.5.2", NULL },
	{ "base64 of something else", 0,
	  EHLO "AUTH PLAIN dXNlcg==\r\nAUTH PLAIN =\r\nAUTH LOGIN =\r\nAUTH PLAIN\r\n\r\n",
	  "250 | 501 5.5.2 | 501 5.5.2 | 501 5.5.2 | 334 | 501 5.5.2", NULL },
	{ "mechanisms that are unknown", 0, EHLO "AUTH FOO\r\nAUTH PLAI\r\nAUTH PLAIN=\r\nAUTH\r\nAUTH PLAIN a b\r\n",
	  "250 | 504 5.5.4 | 504 5.5.4 | 504 5.5.4 | 501 5.5.4 | 501 5.5.4", NULL },
	{ "twice", 0, EHLO GOOD_PLAIN GOOD_PLAIN EHLO GOOD_PLAIN, "250 | 235 2.7.0 | 503 5.5.1 | 250 | 503 5.5.1",
	  NULL },
	{ "inside a transaction", 0, EHLO MAIL GOOD_PLAIN RCPT GOOD_PLAIN,
	  "250 | 250 2.1.0 | 503 5.5.1 | 250 2.1.5 | 503 5.5.1", NULL },
	{ "after HELO", 0, "HELO x\r\n" GOOD_PLAIN, "250 | 503 5.5.1", NULL },
	{ "outside TLS", PLAIN_TEXT, EHLO GOOD_PLAIN "AUTH FOO\r\n", "250 | 538 5.7.11 | 504 5.5.4", NULL },
	{ "outside TLS where it may be", PLAIN_TEXT | SIGN_IN_ANYWHERE, EHLO GOOD_PLAIN, "250 | 235 2.7.0", NULL },
	{ "where there is none", NO_SIGN_IN, EHLO GOOD_PLAIN "MAIL FROM:<a@b.example> AUTH=<>\r\n",
	  "250 | 502 5.5.1 | 555 5.5.4", NULL },
	{ "a bare LF ends the exchange", 0, EHLO "AUTH LOGIN\r\ndXNlcg==\nAUTH PLAIN\r\n*\r\n",
	  "250 | 334 | 500 5.5.2 | 334 | 501 5.0.0", NULL },
};

static const struct row tls[] = {
	{ "mail outside TLS", PLAIN_TEXT, EHLO MAIL, "250 | 250 2.1.0", NULL },
	{ "starts", PLAIN_TEXT, EHLO "STARTTLS\r\n" MAIL EHLO "STARTTLS\r\n" MAIL,
	  "250 | 220 2.0.0 | 503 5.5.1 | 250 | 503 5.5.1 | 250 2.1.0", NULL },
	{ "forgets the sign-in", PLAIN_TEXT | SIGN_IN_ANYWHERE | MUST_SIGN_IN, EHLO GOOD_PLAIN "STARTTLS\r\n" EHLO MAIL,
	  "250 | 235 2.7.0 | 220 2.0.0 | 250 | 530 5.7.0", NULL },
	{ "not inside a transaction", PLAIN_TEXT, EHLO MAIL "STARTTLS\r\n", "250 | 250 2.1.0 | 503 5.5.1", NULL },
	{ "not with an argument", PLAIN_TEXT, EHLO "STARTTLS now\r\n", "250 | 501 5.5.4", NULL },
	{ "not where it is not offered", PLAIN_TEXT | NO_STARTTLS, EHLO "STARTTLS\r\n", "250 | 502 5.5.1", NULL },
};

static const struct row lines[] = {
	{ "bare LF", 0, "NOOP\nNOOP\r\n" EMR "DATA\nQUIT\r\n",
	  "500 5.5.2 | 250 2.0.0 | " EMR_CODES "500 5.5.2 | 221 2.0.0", NULL },
	{ "bare CR", 0, "NOOP\rQUIT\r\nNOOP\r\r\nNOOP\r\n", "500 5.5.2 | 500 5.5.2 | 250 2.0.0", NULL },
	{ "LF alone, CR alone", 0, "\n\r\n\r\r\nNOOP\r\n", "500 5.5.2 | 500 5.5.1 | 500 5.5.2 | 250 2.0.0", NULL },
};

struct table {
	const struct row *rows;
	size_t count;
};

#define TABLE(rows)                                                                                                    \
	{                                                                                                              \
		rows, sizeof(rows) / sizeof(rows)[0]                                                                   \
	}

static const struct table tables[] = { TABLE(transactions), TABLE(orders), TABLE(parameters), TABLE(chunks),
				       TABLE(sign_ins),     TABLE(tls),    TABLE(lines) };

static struct smtp_profile profile_of(const struct row *row)
{
	struct smtp_profile profile = dialogue_profile();
	profile.sign_in_required = row->flags & MUST_SIGN_IN;
	profile.plaintext_sign_in = row->flags & SIGN_IN_ANYWHERE;
	profile.starttls = !(row->flags & NO_STARTTLS);
	if (row->flags & NO_SIGN_IN)
		profile.mechanisms = 0;
	if (row->flags & FEW_ERRORS)
		profile.errors = 3;
	return profile;
}

static struct dialogue dialogue;

static void check(const struct row *row, const char *way)
{
	struct slice codes = buffer_slice(&dialogue.codes);
	struct slice accepted = buffer_slice(&dialogue.accepted);
	if (slice_equal(codes, slice_from_text(row->codes)) &&
	    slice_equal(accepted, slice_from_text(row->accepted ? row->accepted : "")))
		return;
	print_error("%s, %s:\n  codes    %.*s\n  expected %s\n  accepted \"%.*s\"\n", row->name, way, SLICE_ARGS(codes),
		    row->codes, SLICE_ARGS(accepted));
	fail();
}

static void dialogues_are_answered_as_the_tables_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		for (size_t k = 0; k < tables[i].count; k++) {
			const struct row *row = &tables[i].rows[k];
			struct smtp_profile profile = profile_of(row);
			struct slice input = slice_from_text(row->input);
			bool in_tls = !(row->flags & PLAIN_TEXT);
			for (size_t at = 0; at <= input.size; at++) {
				dialogue_run_cut(&dialogue, &profile, in_tls, input, at);
				check(row, at ? "cut in two" : "whole");
			}
			dialogue_run_bytes(&dialogue, &profile, in_tls, input);
			check(row, "byte by byte");
		}
}

/* --- what a table can't say --- */

static void expect_reply(const struct smtp_profile *profile, bool in_tls, const char *input, const char *reply)
{
	struct slice text = slice_from_text(input);
	dialogue_run_cut(&dialogue, profile, in_tls, text, text.size);
	buffer_append_byte(&dialogue.replies, 0);
	assert_string_equal((char *)dialogue.replies.data, reply);
}

static void ehlo_offers_what_works_now(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	expect_reply(
		&profile, true, EHLO,
		"250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n"
		"250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=3\r\n250 HELP\r\n");
	expect_reply(&profile, false, EHLO,
		     "250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-STARTTLS\r\n250-8BITMIME\r\n"
		     "250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=3\r\n250 HELP\r\n");
	profile.plaintext_sign_in = true;
	profile.mechanisms = SASL_LOGIN;
	profile.starttls = false;
	expect_reply(&profile, false, EHLO,
		     "250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-AUTH LOGIN\r\n250-8BITMIME\r\n"
		     "250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=3\r\n250 HELP\r\n");
	expect_reply(&profile, true, "HELO x\r\n", "250 mail.example.org\r\n");
}

/* Runs EHLO first and forgets what it answered. */
static void begin(const struct smtp_profile *profile)
{
	dialogue_start(&dialogue, profile, true);
	dialogue_feed(&dialogue, SLICE_LITERAL(EHLO));
	buffer_clear(&dialogue.codes);
	buffer_clear(&dialogue.replies);
}

static void expect_codes(const char *codes)
{
	buffer_append_byte(&dialogue.codes, 0);
	assert_string_equal((char *)dialogue.codes.data, codes);
	buffer_clear(&dialogue.codes);
}

static void challenges_are_base64(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	begin(&profile);
	dialogue_feed(&dialogue, SLICE_LITERAL("AUTH LOGIN\r\ndXNlcg==\r\n*\r\nAUTH PLAIN\r\n"));
	buffer_append_byte(&dialogue.replies, 0);
	assert_string_equal((char *)dialogue.replies.data, "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n"
							   "501 5.0.0 Sign-in cancelled\r\n334 \r\n");
}

static void other_mechanisms_take_as_many_steps_as_they_like(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	profile.mechanisms = SASL_NTLM | SASL_CRAM_MD5 | SASL_EXTERNAL;
	begin(&profile);
	dialogue_feed(&dialogue,
		      SLICE_LITERAL("AUTH NTLM\r\nbW9yZQ==\r\nbW9yZQ==\r\nbm8=\r\nAUTH NTLM bW9yZQ==\r\n*\r\n"
				    "AUTH CRAM-MD5\r\nb\r\nAUTH CRAM-MD5\r\nb2s=\r\nAUTH NTLM\r\n"));
	buffer_append_byte(&dialogue.replies, 0);
	assert_string_equal((char *)dialogue.replies.data,
			    "334 \r\n334 Z28gb24=\r\n334 Z28gb24=\r\n535 5.7.8 User name or password is wrong\r\n"
			    "334 Z28gb24=\r\n501 5.0.0 Sign-in cancelled\r\n"
			    "334 Z28gb24=\r\n501 5.5.2 That is not base64\r\n"
			    "334 Z28gb24=\r\n235 2.7.0 Signed in\r\n503 5.5.1 Signed in already\r\n");
}

static void what_can_not_work_is_not_offered(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	profile.mechanisms = SASL_NTLM | SASL_PLAIN | SASL_EXTERNAL;
	begin(&profile);
	smtp_session_withhold(&dialogue.session, SASL_EXTERNAL | SASL_NTLM);
	dialogue_feed(&dialogue, SLICE_LITERAL("AUTH EXTERNAL\r\nAUTH NTLM\r\nAUTH PLAIN\r\n*\r\n"));
	expect_codes("504 5.5.4 | 504 5.5.4 | 334 | 501 5.0.0");
	smtp_session_withhold(&dialogue.session, 0);
	dialogue_feed(&dialogue, SLICE_LITERAL("AUTH EXTERNAL =\r\n"));
	expect_codes("535 5.7.8");

	profile.plaintext_sign_in = true;
	dialogue_start(&dialogue, &profile, false);
	dialogue_feed(&dialogue,
		      SLICE_LITERAL(EHLO "AUTH EXTERNAL\r\nAUTH NTLM\r\n*\r\nSTARTTLS\r\n" EHLO "AUTH EXTERNAL\r\n"));
	buffer_append_byte(&dialogue.codes, 0);
	assert_non_null(
		strstr((char *)dialogue.codes.data, "250 | 538 5.7.11 | 334 | 501 5.0.0 | 220 2.0.0 | 250 | 334"));
}

/* A line of `size` bytes with its CRLF: `text` and then `fill` as often as needed. */
static void feed_line(const char *text, uint8_t fill, size_t size)
{
	static uint8_t line[DIALOGUE_INPUT_BYTES];
	struct buffer out;
	buffer_init(&out, line, sizeof line);
	buffer_append_text(&out, text);
	while (out.size + 2 < size)
		buffer_append_byte(&out, fill);
	buffer_append_text(&out, "\r\n");
	dialogue_feed(&dialogue, buffer_slice(&out));
}

static void long_lines_are_refused_once(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	begin(&profile);
	feed_line("NOOP ", 'x', LIMIT_COMMAND_LINE_BYTES);
	feed_line("NOOP ", 'x', LIMIT_COMMAND_LINE_BYTES + 1);
	feed_line("NOOP ", 'x', LIMIT_AUTH_LINE_BYTES);
	feed_line("NOOP ", 'x', LIMIT_AUTH_LINE_BYTES + 1);
	feed_line("NOOP ", 'x', LIMIT_AUTH_LINE_BYTES * 2);
	expect_codes("250 2.0.0 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2");
	feed_line("AUTH PLAIN ", 'A', LIMIT_AUTH_LINE_BYTES - 3); /* whole groups of base64 */
	feed_line("AUTH PLAIN ", 'A', LIMIT_AUTH_LINE_BYTES * 2);
	dialogue_feed(&dialogue, SLICE_LITERAL("AUTH PLAIN\r\n"));
	feed_line("", 'A', LIMIT_AUTH_LINE_BYTES + 2);
	dialogue_feed(&dialogue, SLICE_LITERAL("AUTH PLAIN\r\n"));
	feed_line("", 'A', LIMIT_AUTH_LINE_BYTES * 2);
	dialogue_feed(&dialogue, SLICE_LITERAL("NOOP\r\n" GOOD_PLAIN));
	expect_codes("500 5.5.6 | 500 5.5.2 | 334 | 500 5.5.6 | 334 | 500 5.5.6 | 250 2.0.0 | 235 2.7.0");
	feed_line("NOOP ", 'x', LIMIT_COMMAND_LINE_BYTES + 1);
	feed_line("BDAT 1 ", ' ', LIMIT_COMMAND_LINE_BYTES + 1);
	expect_codes("500 5.5.2 | 500 5.5.2");
}

static void nul_neither_hides_nor_splits(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	begin(&profile);
	dialogue_feed(&dialogue,
		      SLICE_LITERAL("NOOP\0\r\nNOOP\0QUIT\r\n\0\r\nNOOP\r\0\nNOOP\0\nMAIL FROM:<a\0@b>\r\n"));
	expect_codes("500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2");
}

static void a_message_has_a_largest_size(void **state)
{
	(void)state;
	static uint8_t text[20000];
	struct smtp_profile profile = dialogue_profile();
	for (size_t size = profile.message_size_bytes - 1; size <= profile.message_size_bytes + 1; size++) {
		memset(text, 'x', sizeof text);
		memcpy(text, "\r\n", 2);
		memcpy(text + size - 2, "\r\n", 2);
		bool fits = size <= profile.message_size_bytes;
		begin(&profile);
		dialogue_feed(&dialogue, SLICE_LITERAL(MAIL RCPT "DATA\r\n"));
		dialogue_feed(&dialogue, slice_of(text, size));
		dialogue_feed(&dialogue, SLICE_LITERAL(".\r\n" MAIL RCPT));
		dialogue_feed(&dialogue, SLICE_LITERAL("BDAT 4\r\nab\r\n"));
		char command[32];
		snprintf(command, sizeof command, "BDAT %zu LAST\r\n", size - 4);
		dialogue_feed(&dialogue, slice_from_text(command));
		dialogue_feed(&dialogue, slice_of(text + 4, size - 4));
		dialogue_feed(&dialogue, SLICE_LITERAL("NOOP\r\n"));
		expect_codes(fits ? "250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | 250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 "
				    "2.0.0 | "
				    "250 2.0.0"
				  : "250 2.1.0 | 250 2.1.5 | 354 | 552 5.3.4 | 250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 552 "
				    "5.3.4 | "
				    "250 2.0.0");
		assert_int_equal(dialogue.messages, fits ? 2 : 0);
	}
}

static void the_shell_can_refuse_a_message(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	static const char *const ways[][3] = {
		{ MAIL RCPT, "DATA\r\n", "452 4.3.1" },
		{ MAIL RCPT "DATA\r\n", "abc\r\n.\r\n", "452 4.3.1" },
		{ MAIL RCPT, "BDAT 6 LAST\r\nQUIT\r\n", "452 4.3.1" },
		{ MAIL RCPT "BDAT 3\r\nabc", "BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\n", "452 4.3.1 | 503 5.5.1" },
		{ MAIL RCPT "BDAT 6 LAST\r\nQU", "IT\r\n", "452 4.3.1" },
	};
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		begin(&profile);
		dialogue_feed(&dialogue, slice_from_text(ways[i][0]));
		smtp_session_refuse_message(&dialogue.session, SMTP_STORAGE_FULL);
		assert_true(smtp_session_is_refusing(&dialogue.session));
		buffer_clear(&dialogue.codes);
		dialogue_feed(&dialogue, slice_from_text(ways[i][1]));
		expect_codes(ways[i][2]);
		dialogue_feed(&dialogue, SLICE_LITERAL(MAIL RCPT "BDAT 18 LAST\r\n" TEXT));
		expect_codes("250 2.1.0 | 250 2.1.5 | 250 2.0.0");
		assert_int_equal(dialogue.messages, 1);
	}
}

static void an_aborted_session_stays_closed(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	static const char *const starts[] = { "", MAIL, MAIL RCPT "DATA\r\nabc", MAIL RCPT "BDAT 10\r\nabc",
					      "AUTH LOGIN\r\n" };
	uint8_t storage[LIMIT_REPLY_BYTES];
	struct buffer out;
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		begin(&profile);
		dialogue_feed(&dialogue, slice_from_text(starts[i]));
		buffer_init(&out, storage, sizeof storage);
		smtp_session_abort(&dialogue.session, SMTP_TIME_OUT, &out);
		assert_true(slice_starts_with(buffer_slice(&out), SLICE_LITERAL("421 4.4.2 ")));
		buffer_clear(&out);
		assert_int_equal(dialogue.session.state, SMTP_CLOSED);
		assert_int_equal(smtp_session_line(&dialogue.session, SLICE_LITERAL("NOOP\r\n"), &out), SMTP_CLOSE);
		smtp_session_abort(&dialogue.session, SMTP_SHUTDOWN, &out);
		assert_int_equal(out.size, 0);
	}
}

static void the_client_name_is_kept_and_cut(void **state)
{
	(void)state;
	struct smtp_profile profile = dialogue_profile();
	begin(&profile);
	assert_true(slice_equal(smtp_session_client_name(&dialogue.session), SLICE_LITERAL("client.example")));
	feed_line("EHLO ", 'x', 5 + LIMIT_DOMAIN_BYTES + 2);
	feed_line("EHLO ", 'x', 5 + LIMIT_DOMAIN_BYTES + 3);
	expect_codes("250 | 501 5.5.4");
	assert_int_equal(dialogue.session.client_name_size, LIMIT_CLIENT_NAME_BYTES);
	dialogue_feed(
		&dialogue,
		SLICE_LITERAL("EHLO 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\xc3\xa4\r\n"));
	expect_codes("250");
	assert_int_equal(dialogue.session.client_name_size, LIMIT_CLIENT_NAME_BYTES - 1);
}

/* RFC 2920 §3.2: which replies may be held back, to leave with those behind them. */
static void some_commands_end_a_group(void **state)
{
	(void)state;
	static const char *const in_groups[] = { MAIL, RCPT, "RCPT TO:<no@d.example>\r\n", "RSET\r\n", "BDAT x\r\n" };
	static const char *const ends[] = { EHLO,      "NOOP\r\n",          "VRFY x\r\n", "HELP\r\n",
					    "XYZ\r\n", "MAIL FROM:<\r\r\n", "DATA\r\n",   QUIT };
	struct smtp_profile profile = dialogue_profile();
	begin(&profile);
	for (size_t i = 0; i < sizeof in_groups / sizeof in_groups[0]; i++) {
		dialogue_feed(&dialogue, slice_from_text(in_groups[i]));
		assert_false(dialogue.session.ends_group);
	}
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		begin(&profile);
		dialogue_feed(&dialogue, SLICE_LITERAL(MAIL RCPT));
		dialogue_feed(&dialogue, slice_from_text(ends[i]));
		assert_true(dialogue.session.ends_group);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues_are_answered_as_the_tables_say),
		cmocka_unit_test(ehlo_offers_what_works_now),
		cmocka_unit_test(challenges_are_base64),
		cmocka_unit_test(other_mechanisms_take_as_many_steps_as_they_like),
		cmocka_unit_test(what_can_not_work_is_not_offered),
		cmocka_unit_test(long_lines_are_refused_once),
		cmocka_unit_test(nul_neither_hides_nor_splits),
		cmocka_unit_test(a_message_has_a_largest_size),
		cmocka_unit_test(the_shell_can_refuse_a_message),
		cmocka_unit_test(an_aborted_session_stays_closed),
		cmocka_unit_test(the_client_name_is_kept_and_cut),
		cmocka_unit_test(some_commands_end_a_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
