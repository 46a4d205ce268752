/* CRLF to LF; see line_ends.h. */
#include "core/relay/line_ends.h"

/* Moves everything up to the next CR, that one left out; answers how much. */
static size_t move_run(struct slice *in, uint8_t *out)
{
	size_t run = slice_find(*in, '\r');
	if (run)
		memmove(out, in->data, run);
	*in = slice_skip(*in, run);
	return run;
}

size_t line_ends_convert(struct line_ends *state, struct slice in, uint8_t *out)
{
	size_t size = 0;
	while (in.size) {
		if (state->after_cr && in.data[0] != '\n')
			out[size++] = '\r';
		state->after_cr = false;
		size += move_run(&in, out + size);
		if (in.size) {
			state->after_cr = true;
			in = slice_skip(in, 1);
		}
	}
	return size;
}

size_t line_ends_finish(struct line_ends *state, uint8_t *out)
{
	if (!state->after_cr)
		return 0;
	state->after_cr = false;
	out[0] = '\r';
	return 1;
}
