/* Text from outside, made fit to stand in an error: one short line without controls. */
#ifndef POSTERN_NET_QUOTE_H
#define POSTERN_NET_QUOTE_H

#include "core/base/slice.h"

enum { NET_QUOTE_BYTES = 72 };

/* Controls, quotes, backslashes and bytes that are not ASCII become '?'; what is too long ends in "...". Answers `text`,
 * so that the call can stand among an error's arguments. */
const char *net_quote(struct slice bytes, char text[NET_QUOTE_BYTES]);

#endif
