/* One WebSocket connection. Kept small: an idle one is this struct, its device and user, and no buffer. */
#ifndef PARLEY_DELIVERY_CONNECTION_H
#define PARLEY_DELIVERY_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "shared/base/buffer.h"
#include "shared/net/websocket.h"

enum connection_state {
    CONNECTION_HANDSHAKE,      /* the upgrade request is being read */
    CONNECTION_NEW,            /* no auth yet */
    CONNECTION_AUTHENTICATING, /* the token is being looked up */
    CONNECTION_OPEN,           /* it has a device */
    CONNECTION_CLOSING, /* our close frame is out: waits for the peer's, or for the deadline */
    CONNECTION_CLOSED,  /* the socket is gone; freed when nobody holds it */
};

/* api.md, close codes */
enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_NOT_AUTHENTICATED = 4001,
    CLOSE_SESSION_ENDED = 4002,
    CLOSE_REPLACED = 4003,
    CLOSE_TOO_SLOW = 4008,
    CLOSE_VIOLATIONS = 4029,
};

struct device;
struct presence_set;
struct typist;
struct delivery_watch_set;
struct delivery_ws;

struct connection {
    struct delivery_ws *ws;
    struct device *device; /* when OPEN */
    int fd;
    uint8_t state;
    uint8_t missed_pings;
    uint8_t violations; /* in the current stretch */
    bool is_dirty;      /* has output for the end of the turn */
    bool is_blocked;    /* the socket takes no more */
    bool was_full;      /* the device waits for room in the output */
    bool is_reading;
    bool ignores_input;       /* its frames cannot be told apart any more */
    bool peer_closed;         /* the peer's close frame has come */
    bool fd_closes_when_sent; /* the upgrade was refused: no closing handshake */
    bool said_bye;
    uint32_t holds; /* answers that are on their way to it */
    uint32_t sends_in_flight;
    uint32_t
        given_up_round; /* of delivery_send.c: the last in which one of its messages was given up */
    int64_t session_id; /* of the login */
    int64_t user_id;
    int64_t expires_at_ms; /* of the token, wall clock */
    int64_t authenticated_ms;
    int64_t heard_ms;
    int64_t deadline_ms; /* HANDSHAKE, NEW, AUTHENTICATING, CLOSING: closed then */
    int64_t progress_ms; /* blocked: when the socket last took something */
    int64_t violations_from_ms;
    int64_t live_full_us;               /* token bucket of delivery_live.c */
    struct typist *typists;             /* what it says that its user types in */
    struct delivery_watch_set *watches; /* NULL: it watches no chat */
    struct presence_set *presence;      /* NULL: it follows nobody's */
    uint32_t presence_questions;        /* of delivery_presence.c, so far */
    uint32_t watch_questions;           /* of delivery_watch_op.c, so far */
    struct websocket_decoder decoder;
    struct buffer input; /* the beginning of a frame or of the upgrade request */
    struct buffer output;
    size_t output_start;
    struct connection *next_dirty;
    struct connection *wheel_next, **wheel_link; /* in its slot of the wheel */
    struct event *write_event;                   /* only while blocked */
    struct event read_event;
};

#endif
