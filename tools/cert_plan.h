/* What `postern cert request` and `self-sign` are to make: from options, from the configuration, and on a terminal from whom sits
 * there. Each text is checked as soon as it is there, and a wrong answer is asked for again. */
#ifndef POSTERN_TOOLS_CERT_PLAN_H
#define POSTERN_TOOLS_CERT_PLAN_H

#include <limits.h>

#include "tools/command_cert.h"

enum plan_field {
	PLAN_NAMES, /* blanks between */
	PLAN_COMMON_NAME,
	PLAN_ORGANISATION,
	PLAN_UNIT,
	PLAN_CITY,
	PLAN_STATE,
	PLAN_COUNTRY,
	PLAN_KEY_TYPE,
	PLAN_KEY_FILE,
	PLAN_OUTPUT,
	PLAN_FIELDS,
};

enum { PLAN_TEXT_BYTES = PATH_MAX };

struct cert_plan {
	bool self_signed;
	bool given[PLAN_FIELDS]; /* by an option */
	char text[PLAN_FIELDS][PLAN_TEXT_BYTES];

	/* Made of the texts. */
	struct certificate_subject subject;
	struct argument_list names; /* into name_texts */
	char name_texts[PLAN_TEXT_BYTES];
	enum key_kind kind;
};

enum plan_outcome { PLAN_MADE, PLAN_WRONG, PLAN_GIVEN_UP };

/* `config` may be NULL; its hostnames are the default of the names. PLAN_WRONG: an option is, and it was said how. PLAN_GIVEN_UP: the
 * one on the terminal does not want it. */
enum plan_outcome cert_plan_make(struct cert_plan *plan, const struct cert_request *request,
				 const struct config *config);

#endif
