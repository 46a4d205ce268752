/* A DNS name's suffixes and their hashes; see suffix_parts.h.
 *
 * This is most of what a lookup costs the processor, so letters are made small and labels hashed eight bytes at a time. */
#include "core/net/suffix_parts.h"

#define EVERY_BYTE(value) ((value)*0x0101010101010101u)

/* ASCII capitals among eight bytes get the bit that makes them small. */
static uint64_t lower_chunk(uint64_t chunk)
{
	uint64_t seven_bits = chunk & EVERY_BYTE(0x7f);
	uint64_t from_a = seven_bits + EVERY_BYTE(0x80u - 'A'), over_z = seven_bits + EVERY_BYTE(0x7fu - 'Z');
	uint64_t capital = (from_a ^ over_z) & ~chunk & EVERY_BYTE(0x80);
	return chunk | capital >> 2;
}

static void copy_chunk(struct suffix_names *names, struct slice name, size_t at)
{
	uint64_t chunk;
	memcpy(&chunk, name.data + at, sizeof chunk);
	chunk = lower_chunk(chunk);
	memcpy(names->name + at, &chunk, sizeof chunk);
}

/* The last chunk may lie half over the one before. */
static void copy_lower(struct suffix_names *names, struct slice name)
{
	memset(names->before, 0, sizeof names->before);
	if (name.size < NAME_CHUNK_BYTES) {
		for (size_t i = 0; i < name.size; i++)
			names->name[i] = ascii_lower(name.data[i]);
		return;
	}
	for (size_t at = 0; at + NAME_CHUNK_BYTES < name.size; at += NAME_CHUNK_BYTES)
		copy_chunk(names, name, at);
	copy_chunk(names, name, name.size - NAME_CHUNK_BYTES);
}

static uint64_t hash_chunk(uint64_t hash, uint64_t chunk)
{
	hash = (hash ^ chunk) * 0xff51afd7ed558ccdu;
	return hash ^ hash >> 32;
}

/* The label's last eight bytes, then those before; what is before the label is shifted out. Its size is hashed too, so
 * that "a.b" and "ab" differ. */
static uint64_t hash_label(const struct suffix_names *names, uint64_t hash, size_t start, size_t end)
{
	size_t size = end - start;
	hash ^= size;
	while (size > 0) {
		uint64_t chunk;
		memcpy(&chunk, names->name + start + size - NAME_CHUNK_BYTES, sizeof chunk);
		size_t taken = size < NAME_CHUNK_BYTES ? size : NAME_CHUNK_BYTES;
		hash = hash_chunk(hash, chunk >> 8 * (NAME_CHUNK_BYTES - taken));
		size -= taken;
	}
	return hash;
}

bool suffix_split(struct slice name, struct suffix_names *names)
{
	if (name.size > 0 && name.data[name.size - 1] == '.')
		name.size--;
	if (name.size == 0 || name.size > LIMIT_DNS_NAME_BYTES)
		return false;
	copy_lower(names, name);
	names->size = name.size;
	names->labels = 0;
	uint64_t hash = 0;
	for (size_t end = name.size;;) {
		size_t start = end;
		while (start > 0 && names->name[start - 1] != '.')
			start--;
		if (start == end || end - start > LIMIT_DNS_LABEL_BYTES)
			return false;
		hash = hash_label(names, hash, start, end);
		names->hashes[++names->labels] = hash;
		names->starts[names->labels] = (uint8_t)start;
		if (start == 0)
			return true;
		end = start - 1;
	}
}
