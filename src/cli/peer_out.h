/* How one peer is printed. */
#ifndef CLI_PEER_OUT_H
#define CLI_PEER_OUT_H

#include <jansson.h>

void peer_print(const json_t *peer);
/* What a confined one may write; nothing for another. */
void writable_print(const json_t *peer);

#endif
