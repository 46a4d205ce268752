/* Address literals, "192.0.2.1" and "IPv6:2001:db8::1" (RFC 5321 §4.1.3), without their brackets. */
#ifndef POSTERN_PROTO_ADDRESS_LITERAL_H
#define POSTERN_PROTO_ADDRESS_LITERAL_H

#include "core/base/slice.h"

/* Other tags than IPv6 are not registered and are refused. */
bool address_literal_is_valid(struct slice text);

#endif
