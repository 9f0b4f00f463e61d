/* Deadlines of connections, a second coarse: a timer for each would cost more memory than the rest of an idle one. */
#include "services/delivery/delivery_ws_internal.h"

void delivery_wheel_remove(struct connection *connection)
{
    if (connection->wheel_link == NULL)
        return;
    *connection->wheel_link = connection->wheel_next;
    if (connection->wheel_next != NULL)
        connection->wheel_next->wheel_link = connection->wheel_link;
    connection->wheel_link = NULL;
}

void delivery_wheel_add(struct delivery_ws *ws, struct connection *connection, int64_t due_ms)
{
    int64_t due_s = due_ms / 1000 + 1, first_s = ws->wheel_at_s + 1;
    if (due_s < first_s)
        due_s = first_s;
    if (due_s > ws->wheel_at_s + WHEEL_SLOTS - 1)
        due_s = ws->wheel_at_s + WHEEL_SLOTS - 1;
    struct connection **slot = &ws->wheel[due_s % WHEEL_SLOTS];
    delivery_wheel_remove(connection);
    connection->wheel_next = *slot;
    connection->wheel_link = slot;
    if (*slot != NULL)
        (*slot)->wheel_link = &connection->wheel_next;
    *slot = connection;
}

/* A check must remove the connection, or add it again: to a later slot, so that this ends. */
void delivery_wheel_turn(struct delivery_ws *ws, int64_t now_ms,
                         void (*check)(struct delivery_ws *, struct connection *, int64_t now_ms))
{
    int64_t now_s = now_ms / 1000;
    if (now_s - ws->wheel_at_s > WHEEL_SLOTS)
        ws->wheel_at_s = now_s - WHEEL_SLOTS; /* the process was stopped: once round is enough */
    while (ws->wheel_at_s < now_s) {
        ws->wheel_at_s++;
        struct connection **slot = &ws->wheel[ws->wheel_at_s % WHEEL_SLOTS];
        while (*slot != NULL)
            check(ws, *slot, now_ms);
    }
}
