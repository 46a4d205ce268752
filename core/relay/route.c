/* Finding a recipient's route and its Maildir; see route.h.
 *
 * A path made from a recipient is the one place where what a client says becomes a name in the file system, so every
 * expansion is one safe component or there is no path at all. */
#include "core/relay/route.h"

#include <limits.h>

#include "core/base/buffer.h"
#include "core/base/limits.h"

enum { PATH_COMPONENT_BYTES = NAME_MAX };

/* --- which route --- */

static bool is_suffix(struct slice domain, struct slice suffix)
{
	return domain.size > suffix.size && slice_equal_nocase(slice_skip(domain, domain.size - suffix.size), suffix);
}

/* How well a route's domain matches: 0 not at all, 1 "*", then longer is better and exact is best. */
static size_t match_quality(const char *pattern, struct slice domain)
{
	struct slice text = slice_from_text(pattern);
	if (slice_equal_nocase(text, domain))
		return SIZE_MAX;
	if (slice_equal(text, SLICE_LITERAL("*")))
		return 1;
	if (text.size > 1 && text.data[0] == '.' && is_suffix(domain, text))
		return text.size;
	return 0;
}

const struct route *route_find(const struct route_table *table, struct slice domain)
{
	const struct route *best = NULL;
	size_t best_quality = 0;
	for (size_t i = 0; i < table->count; i++) {
		size_t quality = match_quality(table->routes[i].domain, domain);
		if (quality > best_quality) {
			best_quality = quality;
			best = &table->routes[i];
		}
	}
	return best;
}

/* --- its Maildir --- */

/* The local part without the quotes and backslashes of RFC 5321's Quoted-string, ASCII letters in lower case. */
static bool append_local(struct buffer *out, struct slice local)
{
	bool quoted = local.size >= 2 && local.data[0] == '"' && local.data[local.size - 1] == '"';
	if (quoted)
		local = slice_first(slice_skip(local, 1), local.size - 2);
	for (size_t i = 0; i < local.size; i++) {
		if (quoted && local.data[i] == '\\' && i + 1 < local.size)
			i++;
		buffer_append_byte(out, ascii_lower(local.data[i]));
	}
	return !out->overflow;
}

static bool append_domain(struct buffer *out, struct slice domain)
{
	for (size_t i = 0; i < domain.size; i++)
		buffer_append_byte(out, ascii_lower(domain.data[i]));
	return !out->overflow;
}

/* Not empty, not hidden, and so neither "." nor ".."; no separator and no control character. */
static bool is_safe(struct slice name)
{
	if (name.size == 0 || name.data[0] == '.')
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] < ' ' || name.data[i] == 0x7f || name.data[i] == '/')
			return false;
	return true;
}

static bool components_fit(struct slice path)
{
	while (path.size) {
		size_t component = slice_find(path, '/');
		if (component > PATH_COMPONENT_BYTES)
			return false;
		path = slice_skip(path, component < path.size ? component + 1 : component);
	}
	return true;
}

static bool append_expansion(struct buffer *out, uint8_t what, struct slice local, struct slice domain)
{
	size_t start = out->size;
	bool fits = false;
	switch (what) {
	case '%':
		return buffer_append_byte(out, '%');
	case 'u':
		fits = append_local(out, local);
		break;
	case 'd':
		fits = append_domain(out, domain);
		break;
	}
	return fits && is_safe(slice_skip(buffer_slice(out), start));
}

bool route_maildir_path(const struct route *route, struct slice local, struct slice domain, char *path, size_t capacity)
{
	struct buffer out;
	buffer_init(&out, path, capacity);
	struct slice pattern = slice_from_text(route->maildir);
	while (pattern.size) {
		size_t literal = slice_find(pattern, '%');
		buffer_append(&out, slice_first(pattern, literal));
		pattern = slice_skip(pattern, literal);
		if (pattern.size == 0)
			break;
		if (pattern.size < 2 || !append_expansion(&out, pattern.data[1], local, domain))
			return false;
		pattern = slice_skip(pattern, 2);
	}
	bool fits = !out.overflow && components_fit(buffer_slice(&out));
	return buffer_append_byte(&out, 0) && fits;
}

/* Index behind the last "/" in the first `size` bytes; 0 where there is none. */
static size_t folder_bytes(struct slice path, size_t size)
{
	while (size > 0 && path.data[size - 1] != '/')
		size--;
	return size;
}

size_t route_maildir_base(const struct route *route)
{
	struct slice pattern = slice_from_text(route->maildir);
	while (pattern.size > 1 && pattern.data[pattern.size - 1] == '/')
		pattern.size--;
	return folder_bytes(pattern, slice_find(pattern, '%'));
}
