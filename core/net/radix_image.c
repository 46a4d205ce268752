/* The radix tree as bytes that hold wherever they lie; see radix.h. References in it are places among its halves already. */
#include <stdlib.h>

#include "core/net/radix_parts.h"

struct image_head {
	uint64_t count; /* of halves, which follow */
	uint32_t roots[2];
};

size_t radix_image_bytes(const struct radix_tree *tree)
{
	return sizeof(struct image_head) + tree->count * sizeof *tree->halves;
}

void radix_image_write(const struct radix_tree *tree, void *memory)
{
	struct image_head head = { tree->count, { tree->roots[0], tree->roots[1] } };
	memcpy(memory, &head, sizeof head);
	if (tree->count)
		memcpy((uint8_t *)memory + sizeof head, tree->halves, tree->count * sizeof *tree->halves);
}

struct radix_tree *radix_image_open(struct slice image)
{
	struct image_head head;
	if (image.size < sizeof head)
		return NULL;
	memcpy(&head, image.data, sizeof head);
	struct slice halves = slice_skip(image, sizeof head);
	if (halves.size % sizeof(uint16_t) != 0 || halves.size / sizeof(uint16_t) != head.count)
		return NULL;
	struct radix_tree *tree = calloc(1, sizeof *tree);
	if (tree)
		*tree = (struct radix_tree){
			.halves = (uint16_t *)halves.data, /* only read from now on */
			.count = head.count,
			.borrowed = true,
			.roots = { head.roots[0], head.roots[1] },
		};
	return tree;
}
