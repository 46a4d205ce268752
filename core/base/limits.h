/* Every bound of the server, with its reason. Nothing that a client sends makes memory, time or disk use grow past
 * what stands here or in the configuration's `limits`. */
#ifndef POSTERN_BASE_LIMITS_H
#define POSTERN_BASE_LIMITS_H

enum {
	/* --- loop --- */
	LIMIT_RECEIVE_BUFFER_BYTES = 16 * 1024, /* one full TLS record; a larger one only displaces the cache */
	LIMIT_RECEIVE_BUFFERS = 32,   /* of a turn; they go round, so more of them push each other out of the cache */
	LIMIT_IO_PARTS = 1024,        /* IOV_MAX */
	LIMIT_TURN_COMPLETIONS = 512, /* so that timers run between batches */

	LIMIT_SUBMISSIONS = 1024,           /* what a turn starts; more only costs a further system call */
	LIMIT_COMPLETIONS = 4096,           /* the kernel keeps what is over in a list of its own */
	LIMIT_DISK_OPERATIONS = 64,         /* beside an epoll loop; all processes share 65,536 (fs.aio-max-nr) */
	LIMIT_LOG_BUFFER_BYTES = 64 * 1024, /* lines of one turn: some 300 */

	/* --- stream --- */
	LIMIT_SMALL_BUFFER_BYTES = 4 * 1024,  /* a turn of replies, a TLS flight with a short chain */
	LIMIT_LARGE_BUFFER_BYTES = 40 * 1024, /* two full TLS records and a long certificate chain */
	LIMIT_LARGE_BUFFERS = 16384,          /* 640 MiB a worker, in the hands of those that do not read */

	/* --- TLS --- */
	LIMIT_CERTIFICATE_CHAIN = 16, /* in a certificate file; public chains have 2 to 4 */

	/* --- SMTP (RFC 5321 §4.5.3.1 unless said) --- */
	LIMIT_COMMAND_LINE_BYTES = 2048, /* 512 and the room that MAIL's extensions add */
	LIMIT_AUTH_LINE_BYTES = 12288,   /* RFC 4954 §4 */
	LIMIT_PATH_BYTES = 256,          /* with its brackets */
	LIMIT_LOCAL_PART_BYTES = 64,
	LIMIT_DOMAIN_BYTES = 255,
	LIMIT_TEXT_LINE_BYTES = 1000,    /* with CRLF: over-long header lines are refused */
	LIMIT_BODY_LINE_BYTES = 1000000, /* RFC 5321's 1,000 is broken by much real mail; a bound all the same */
	LIMIT_HEADER_BYTES = 256 * 1024, /* Postfix' header_size_limit is 100 KiB; mailing lists come near */
	LIMIT_FROM_BYTES = 4000,  /* of a From field where a login may only give its own addresses: some 100 of them */
	LIMIT_HOPS = 50,          /* Received fields: more is a loop (§6.3); Postfix stops at 50 too */
	LIMIT_REPLY_BYTES = 1024, /* the longest reply of one command (EHLO's) */
	LIMIT_REPLY_DETAIL_BYTES = 256, /* of a reply's text that is not ours: the line stays under §4.5.3.1.5's 512 */
	LIMIT_TURN_REPLY_BYTES = 16 * 1024, /* replies gathered before they must be sent */
	LIMIT_CLIENT_NAME_BYTES = 64,       /* of the EHLO name, kept for the trace; longer is cut there */
	LIMIT_CLIENT_TEXT_BYTES = 160,      /* of a server's reply, kept by our client side for the log */
	LIMIT_CLIENT_LINE_BYTES =
		2048, /* a server's reply line (512, §4.5.3.1.5) or challenge; more is read and dropped */
	LIMIT_CLIENT_REPLY_BYTES = 65536,               /* of one reply, all lines: as many full ones as may be */
	LIMIT_CLIENT_REPLY_LINES = 128,                 /* of one reply; EHLO's has about 15 */
	LIMIT_CHUNK_SWALLOW_BYTES = 1024 * 1024 * 1024, /* of a BDAT that is refused; a larger one closes the session */
	LIMIT_REPLIES_AHEAD_BYTES = 2048, /* of a group held back until its message is durable; more leave at once */
	LIMIT_SESSION_COMMITS = 64,       /* messages of one session that may wait for the disk */

	/* --- sign-in --- */
	LIMIT_LOGIN_NAME_BYTES = 254, /* the longest mail address */
	LIMIT_PASSWORD_BYTES = 1024,
	LIMIT_SASL_RESPONSE_BYTES = LIMIT_AUTH_LINE_BYTES / 4 * 3, /* decoded */
	LIMIT_CHALLENGE_BYTES = 4096,     /* not encoded; Kerberos' and NTLM's have some hundred */
	LIMIT_DOVECOT_LINE_BYTES = 16384, /* Dovecot reads no longer ones; its own are shorter */
	LIMIT_DOVECOT_SEND_BYTES = 65536, /* that wait to be sent: 250 names and passwords, 5 of the longest tokens */
	LIMIT_DOVECOT_WAITING = 1024,     /* sign-ins that wait for its greeting or for room to be sent; more is 454 */
	LIMIT_DOVECOT_GREETING_MS = 5000, /* for connecting and its greeting; it comes at once */
	LIMIT_DOVECOT_ANSWER_MS = 20000,  /* a step not answered by then is 454; LDAP and PAM may take some seconds */
	LIMIT_DOVECOT_AGAIN_MS = 5000,    /* at most between tries to connect: a sign-in is worth little later */
	LIMIT_BACKENDS = 8,               /* of a server block: more than there are mechanisms that differ */
	LIMIT_SIGN_IN_TRIES = 3,          /* failures a session, then it is closed */
	LIMIT_HASH_TEXT_BYTES = 128,      /* crypto_pwhash_STRBYTES */
	LIMIT_HASH_COSTS = 8,             /* of hashes in the database: a wrong password is verified at each of them */
	LIMIT_SIGN_INS = 8192,            /* exchanges that are going on in a worker; more is 454 */
	LIMIT_HASH_QUEUE = 4096,          /* jobs that wait for a hasher in a worker; more is 454 */
	LIMIT_HASH_WAIT_MS = 30000,   /* in that queue; later the client may have gone, and 454 lets it come again */
	LIMIT_HASH_TIME_MS = 15000,   /* a job not answered by then is 454: its hasher may have died */
	LIMIT_SIGN_IN_CACHE = 262144, /* verified logins a worker remembers */
	LIMIT_SIGN_IN_CACHE_MS = 10 * 60 * 1000,
	LIMIT_SCRAM_SALT_BYTES = 64,       /* of keys from elsewhere; our own have 16 */
	LIMIT_SCRAM_ITERATIONS = 10000000, /* a second or more for the client, and for whoever sets a password */
	LIMIT_SCRAM_NONCE_BYTES = 256,     /* both sides' together; usual are 50 to 100 */
	LIMIT_SCRAM_MESSAGE_BYTES =
		1792, /* the longest name, twice, with each of its characters escaped; and a nonce */
	LIMIT_SCRAM_EXCHANGE_BYTES = 2 * LIMIT_SCRAM_MESSAGE_BYTES + 512, /* all that both sides sign */
	LIMIT_NTLM_NEGOTIATE_BYTES = 512, /* a first message: 40 bytes and two names, kept for the MIC */
	LIMIT_NTLM_HELPERS = 64,          /* of a worker; a domain controller gains nothing from more than 4 */
	LIMIT_NTLM_QUEUE = 1024,          /* exchanges that wait for a helper in a worker; more is 454 */
	LIMIT_NTLM_WAIT_MS = 10000,       /* there; then 454 */
	LIMIT_NTLM_ANSWER_MS =
		10000, /* a helper that has not answered by then is killed: its domain controller hangs */
	LIMIT_NTLM_HOLD_LEAST_MS = 1000,  /* that a client may think with a helper that others want: some round trips */
	LIMIT_NTLM_HOLD_MS = 10000,       /* and with one that nobody wants */
	LIMIT_NTLM_AGAIN_MS = 100,        /* before a helper that has ended is started again; doubles each time */
	LIMIT_NTLM_AGAIN_MOST_MS = 30000, /* so that one that is put right is soon back */
	LIMIT_COPROCESS_LINE_BYTES = 16 * 1024, /* said or heard: the longest response of a client, in base64 */
	LIMIT_COPROCESS_ERROR_BYTES = 256,      /* of a line on standard error; the rest is cut */

	/* --- guard: a file of 23 MB, all of it from the start --- */
	LIMIT_GUARD_FAILURES = 131072,  /* of networks with a login, as many of networks: 9 MB; more displace those */
	LIMIT_GUARD_SUCCESSES = 262144, /* sources that have signed in: 9 MB; with more, the oldest are forgotten */
	LIMIT_GUARD_BANS = 16384,       /* 5 MB; with more at a time, those that end first end early */
	LIMIT_GUARD_BANS_BY_HAND = 256, /* each compared with each try; connect { lists } take millions */
	LIMIT_GUARD_EXEMPT = 256,       /* prefixes, likewise */
	LIMIT_SIGN_INS_DELAYED = 2048,  /* a quarter of LIMIT_SIGN_INS: others find room; further ones do not wait */

	/* --- user database --- */
	LIMIT_USER_GRANTS = 64, /* addresses and domains that one login may send as, beside its name */
	LIMIT_QUOTA_LOGINS =
		1048576,          /* whose messages are counted: a file of 38 MB; with more, some are forgotten early */
	LIMIT_USERS_MAP_GIB = 16, /* address space, not memory or disk: 60 million users before it must grow */
	LIMIT_USERS_ROOM_MIB = 1024,     /* free in the map before a change begins: several times what a batch writes */
	LIMIT_USERS_READERS = 512,       /* LMDB's table in the lock file: all workers and many command lines */
	LIMIT_USERS_BATCH = 50000,       /* changes a transaction of an import: few syncs, some 100 MB of pages */
	LIMIT_USERS_CHANGE_BYTES = 2048, /* of a record; a longer one counts as several changes */
	LIMIT_USERS_BATCH_MS = 1000,     /* longer than that no other writer should wait for an import */

	/* --- spool --- */
	LIMIT_INLINE_MESSAGE_BYTES = 256 * 1024, /* larger bodies go to files of their own */
	LIMIT_TRANSACTIONS = 16384,              /* messages that come in or wait for the disk, a worker; more is 451 */
	LIMIT_BODY_BLOCKS = 65536,               /* 1 GiB of text a worker has in memory at most */
	LIMIT_BODY_BLOCK_BYTES = 16 * 1024,      /* a message is received in these */
	LIMIT_SEGMENT_BYTES = 64 * 1024 * 1024,
	LIMIT_COMMIT_BYTES = 4 * 1024 * 1024,          /* one write of a group commit: some 2,900 small messages */
	LIMIT_COMMIT_BACKLOG_BYTES = 16 * 1024 * 1024, /* that wait for one; then the sources pause */
	SPOOL_BLOCK_BYTES = 4096, /* commits are whole ones, as direct I/O wants; no disk has larger sectors */
	LIMIT_SPOOL_RECORD_BYTES = 4 * 1024 * 1024,  /* an inline message and an envelope of 15,000 long addresses */
	LIMIT_FIRST_SEGMENT_BYTES = 8 * 1024 * 1024, /* made while the start waits; two of the largest records */
	LIMIT_READY_SEGMENTS = 3, /* kept for later, one of them for compaction; more are given back to the disk */
	LIMIT_OPEN_SEGMENTS = 64, /* descriptors kept; older ones are opened to be read */
	LIMIT_SEALS = 1024,       /* segments that ended early and are still needed: a failure or restart each */
	LIMIT_CHANGE_DETAIL_BYTES = 512, /* a server's reply and our words; what is longer is cut */
	SPOOL_COMMIT_INTERVAL_MS = 2,    /* a sync takes a fifth of it; waiting out the rest lets a commit carry more */
	SPOOL_RETRY_MS = 1000,           /* between tries while the disk is full or failing */
	SPOOL_COMPACTION_MS = 10000,     /* a segment must stay sparse that long: most empty by themselves */
	SPOOL_COMPACTION_PAUSE_MS = 5,   /* between steps of LIMIT_COMPACTION_BYTES: 12 MB a second at most */
	LIMIT_COMPACTION_BYTES = 64 * 1024,

	/* --- delivery --- */
	LIMIT_DELIVERIES = 256,                 /* that run at once in a worker; 64 unless said */
	LIMIT_DELIVERY_CHUNK_BYTES = 64 * 1024, /* what one reads or writes at a time; more gains nothing */
	LIMIT_DELIVERED_TO_BYTES = 16 * 1024,   /* Delivered-To fields of one copy that many recipients share */
	LIMIT_MAILDIR_PATH_BYTES = 4096,        /* PATH_MAX */
	LIMIT_OPEN_FOLDERS = 320,               /* Maildirs, of two descriptors each: one a delivery, and 64 to spare */
	LIMIT_OPEN_FOLDER_MS = 1000,            /* so that one that was moved or removed is noticed */
	LIMIT_LASTING_FOLDERS = 65536,          /* known to be durable, 8 bytes each; others are synced anew */
	LIMIT_ORDER_CHANGES = 64,               /* records that a queue order has under way */
	LIMIT_CONTROL_CONNECTIONS = 8,          /* people who type, and their scripts */
	LIMIT_CONTROL_LINE_BYTES = 1024, /* of a request: an order's name, and an id or the name of a server block */
	LIMIT_CONTROL_MS = 10000,        /* from connecting to the request, and to take the answer */
	LIMIT_PACKING_MS =
		120000, /* to check a configuration and make its rules: millions from slow disks, on a busy machine */
	LIMIT_CHANGE_MS = 10000, /* for workers to change over: longer takes only one that is stopped */
	LIMIT_CHANGE_DESCRIPTORS =
		1024, /* of a worker, that sessions leave for it: files and sockets of the largest configuration */
	LIMIT_GENERATIONS = 16, /* that a worker serves: one in four minutes of an hour, each with rules of 100 MiB */
	LIMIT_RETIRED_SESSIONS = 64, /* told so in a turn: there may be 100,000, and others wait meanwhile */

	/* --- connection rules --- */
	LIMIT_RULES = 16777216,  /* prefixes or names in one table: 1 GiB as it is made; blocklists have a million */
	LIMIT_CLIENTS = 4194304, /* addresses and networks whose connections are counted; 108 MiB with two workers */
	LIMIT_CLIENTS_LEAST = 65536, /* so that rates are remembered of more than are connected */
	LIMIT_TARPITTED = 4096,      /* that wait to be told that they are refused, a worker: each is a connection */
	LIMIT_LIST_LINE_BYTES = 512, /* of a list file, without its comment: twice the longest name */
	LIMIT_LIST_FAULTS = 5,       /* wrong lines of a list file that are told; the rest is counted */
	LIMIT_POLICY_CASE_BYTES =
		4096, /* a line of `postern policy test`: two addresses, a name and a login, with room */
	LIMIT_WRITTEN_RULES =
		4096, /* in one block of the configuration, each compared with those before; lists have files */
	LIMIT_RULE_FILES = 64,      /* of a server block */
	LIMIT_NAME_SERVERS = 8,     /* of a server block; further ones are hardly ever asked */
	LIMIT_DNS_NAME_BYTES = 253, /* RFC 1035 §2.3.4: 255 in a message, where each label has a length before it */
	LIMIT_DNS_LABEL_BYTES = 63,
	LIMIT_DNS_LABELS = 127, /* of one byte each */
	LIMIT_PROXIES =
		1024, /* addresses or prefixes of proxies in a server block; each is compared with those before */
	LIMIT_REFUSALS = 16384,           /* that a worker keeps for `postern explain`, 1 KiB each: 16 MiB of disk */
	LIMIT_REFUSALS_WAITING = 64,      /* for the disk; further ones are only logged */
	LIMIT_REFUSALS_AT_THE_DOOR = 100, /* a second: a crowd that is turned away is not to push out all others */
	LIMIT_PROXY_LINE_BYTES = 107,     /* version 1: two IPv6 addresses at their longest, and CRLF */
	LIMIT_PROXY_HEADER_BYTES = 4096,  /* version 2: addresses are 216, a certificate's names some hundred */

	/* --- names of clients --- */
	LIMIT_DNS_SOCKETS = 64,          /* two UDP and one TCP a server, and those that are being closed */
	LIMIT_DNS_PORT_QUERIES = 256,    /* from one port, then it is changed: who forges answers must guess it */
	LIMIT_DNS_TRIES = 2,             /* of each server; then the question's time is over anyway */
	LIMIT_DNS_TRY_MS = 100,          /* at least; a shorter one only repeats what is under way */
	LIMIT_DNS_BURST = 64,            /* questions sent a millisecond: a socket's buffer takes some 250 packets */
	LIMIT_DNS_UDP_BYTES = 1232,      /* passes every link in one packet; longer answers come by TCP */
	LIMIT_DNS_RECORDS = 256,         /* of an answer that are looked at: 16 KB of message at most */
	LIMIT_DNS_ALIASES = 8,           /* one behind the other; RFC 2317 needs one */
	LIMIT_DNS_POINTERS = 4,          /* names of one address that are tried; a host has one */
	LIMIT_DNS_TIMEOUT_MS = 30000,    /* of a question; a client that waits longer is gone */
	LIMIT_REVERSE_QUESTIONS = 4096,  /* in flight in a worker, of 1.2 KB each; more have failed at once */
	LIMIT_REVERSE_QUERIES = 8192,    /* two a question: one that is given up ends later; ids are 16 bits */
	LIMIT_REVERSE_NETWORK = 256,     /* questions in flight about one /24 or /48: others have theirs, too */
	LIMIT_REVERSE_CACHE = 100000000, /* addresses; 9.6 GB a worker once all are used */
	LIMIT_REVERSE_NAMES_BYTES = 506, /* of eight names together in the cache; most have 20 to 45 bytes */
	LIMIT_REVERSE_SPREAD = 64,       /* groups of eight that a /24 or /64 lies in: it has 512 places at most */
	LIMIT_REVERSE_LEAST_S = 60,      /* a name is remembered that long, whatever its TTL says */
	LIMIT_REVERSE_MOST_S = 86400,    /* and not longer than that: addresses change hands */
	LIMIT_REVERSE_NEGATIVE_S = 3600, /* at most, that there is none, or that it lies: somebody may put it right */
	LIMIT_REVERSE_FAILED_S = 10,     /* a server that is back must not go unused, nor a dead one be asked anew */
	LIMIT_REVERSE_COMPLAINT = 4,     /* failures before the log tells of them: one client's zone may be broken */
	LIMIT_REVERSE_COMPLAINT_S = 60,  /* between two such lines */

	/* --- configuration --- */
	LIMIT_WORKERS = 64,
	LIMIT_HASHERS = 64,
	LIMIT_SERVERS = 64,
	LIMIT_LISTENERS = 256,
	LIMIT_REFUSED_SESSIONS = 1024, /* over `connections`, that are being told so; more are only closed */
};

#endif
