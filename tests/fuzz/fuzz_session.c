/* libFuzzer: whole sessions. Fed at once and byte by byte they are answered alike, and no message is accepted with a bare
 * CR, a bare LF or a NUL. The first byte of the input chooses what the server offers. */
#include "tests/unit/proto/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IN_TLS = 1, MUST_SIGN_IN = 2, SIGN_IN_ANYWHERE = 4, NORMALISE = 8, FEW_ERRORS = 16, NO_STARTTLS = 32 };

static struct dialogue whole, pieces;

static void check_accepted(struct slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		bool behind_cr = i && text.data[i - 1] == '\r';
		ASSERT(text.data[i] != 0);
		ASSERT((text.data[i] == '\n') == behind_cr);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 4096)
		return 0;
	struct slice input = slice_skip(slice_of(data, size), 1);
	struct smtp_profile profile = dialogue_profile();
	profile.sign_in_required = data[0] & MUST_SIGN_IN;
	profile.plaintext_sign_in = data[0] & SIGN_IN_ANYWHERE;
	profile.bare_lf_normalised = data[0] & NORMALISE;
	profile.starttls = !(data[0] & NO_STARTTLS);
	profile.errors = data[0] & FEW_ERRORS ? 3 : 1000;

	dialogue_run_cut(&whole, &profile, data[0] & IN_TLS, input, 0);
	dialogue_run_bytes(&pieces, &profile, data[0] & IN_TLS, input);
	ASSERT(slice_equal(buffer_slice(&whole.replies), buffer_slice(&pieces.replies)));
	ASSERT(slice_equal(buffer_slice(&whole.accepted), buffer_slice(&pieces.accepted)));
	ASSERT(whole.session.state == pieces.session.state);
	check_accepted(buffer_slice(&whole.accepted));
	return 0;
}
