/* The way of proto/smtp_body_scan.c for machines without vectors, under a name of its own. */
#define POSTERN_PORTABLE
#define smtp_body_scan scan_portably
#include "proto/smtp_body_scan.c"
