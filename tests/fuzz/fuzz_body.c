/* libFuzzer: message text. Whole, byte by byte and in pieces it is read alike, up to the same end; what is kept of sound text
 * has only CRLF. The first two bytes choose the rules and the size of pieces. */
#include "proto/smtp_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 16384 };

struct outcome {
	struct smtp_body body;
	bool ended;
	size_t consumed;
	size_t size;
	uint8_t text[2 * MOST];
};

static void read_pieces(struct outcome *outcome, const struct smtp_body_rules *rules, struct slice raw, size_t piece)
{
	static uint8_t block[2 * MOST];
	memset(outcome, 0, offsetof(struct outcome, text));
	while (raw.size && !outcome->ended) {
		size_t size = piece < raw.size ? piece : raw.size;
		uint8_t *bytes = rules->bare_lf_normalised ? block + size : block;
		size_t kept, consumed;
		memcpy(bytes, raw.data, size);
		outcome->ended = smtp_body_take(&outcome->body, rules, bytes, size, block, &kept, &consumed);
		ASSERT(outcome->ended || consumed == size);
		memcpy(outcome->text + outcome->size, block, kept);
		outcome->size += kept;
		outcome->consumed += consumed;
		raw = slice_skip(raw, size);
	}
}

static void check_text(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->size; i++) {
		bool behind_cr = i && outcome->text[i - 1] == '\r';
		ASSERT(outcome->text[i] != 0 && (outcome->text[i] == '\n') == behind_cr);
	}
	ASSERT(outcome->body.size == outcome->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, pieces;
	if (size < 2 || size > MOST)
		return 0;
	struct smtp_body_rules rules = { 0, data[0] & 1, data[0] & 2 };
	struct slice raw = slice_skip(slice_of(data, size), 2);
	read_pieces(&whole, &rules, raw, raw.size);
	const size_t sizes[] = { 1, (size_t)data[1] + 1 };
	for (int i = 0; i < 2; i++) {
		read_pieces(&pieces, &rules, raw, sizes[i]);
		ASSERT(pieces.ended == whole.ended && pieces.consumed == whole.consumed);
		ASSERT(pieces.body.fault == whole.body.fault && pieces.body.fields == whole.body.fields);
		ASSERT(pieces.body.hops == whole.body.hops);
		if (whole.body.fault == BODY_FINE)
			ASSERT(slice_equal(slice_of(pieces.text, pieces.size), slice_of(whole.text, whole.size)));
	}
	if (whole.body.fault == BODY_FINE)
		check_text(&whole);
	return 0;
}
