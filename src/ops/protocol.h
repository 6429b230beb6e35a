/* The protocol between clients and the daemon: POST /v1/<operation>, GET /v1/events. */
#ifndef OPS_PROTOCOL_H
#define OPS_PROTOCOL_H

/* Grows with each incompatible change; the daemon serves this one and the one before. Sent by both sides as
 * the header Coppice-Protocol. */
#define PROTOCOL_VERSION 1

#endif
