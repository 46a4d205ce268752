/* Reading an entry of a list of rules; see rule_text.h. */
#include "core/net/rule_text.h"

/* Also what is a mistaken address: "192.0.2.*", "192.0.2.1-192.0.2.9". */
static bool is_meant_as_address(struct slice text)
{
	if (text.size == 0 || text.data[0] == '.')
		return false;
	bool digits = true;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];
		if (byte == ':' || byte == '/')
			return true;
		digits &= (byte >= '0' && byte <= '9') || byte == '.' || byte == '*' || byte == '-';
	}
	return digits && text.data[0] != '-' && text.data[0] != '*';
}

bool rule_text_parse(struct slice text, struct rule_text *rule, struct error *error)
{
	rule->is_name = !is_meant_as_address(text);
	return rule->is_name ? suffix_parse(text, &rule->suffix, error) : net_prefix_parse(text, &rule->prefix, error);
}
