/* Quoting for errors; see quote.h. */
#include "core/net/quote.h"

const char *net_quote(struct slice bytes, char text[NET_QUOTE_BYTES])
{
	static const char cut[] = "...";
	size_t room = NET_QUOTE_BYTES - sizeof cut;
	size_t size = bytes.size < room ? bytes.size : room;
	for (size_t i = 0; i < size; i++) {
		uint8_t c = bytes.data[i];
		text[i] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : (char)c;
	}
	memcpy(text + size, cut, sizeof cut);
	if (size == bytes.size)
		text[size] = 0;
	return text;
}
