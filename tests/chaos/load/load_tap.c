/* A subscriber on the bus: which batches are published under which epoch (I17). Loses what any subscriber may lose. */
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdio.h>

#include "shared/base/arena.h"
#include "shared/proto/chat_protocol.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

static nng_socket subscriber;

static void take(struct text message)
{
    struct arena arena = ARENA_EMPTY;
    struct chat_news news;
    struct codec_error error;
    if (codec_decode(&chat_news_codec, message, &arena, &news, &error)) {
        for (size_t i = 0; i < news.batches_count; i++) {
            const struct chat_feed_batch *batch = &news.batches[i];
            record("tap", "batch", "%lld\t%lld\t%lld\t%zu", (long long)batch->partition,
                   (long long)batch->epoch, (long long)batch->first_offset, batch->events_count);
        }
    }
    arena_deinit(&arena);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    nng_msg *msg;
    (void)fd;
    (void)what;
    (void)context;
    while (nng_recvmsg(subscriber, &msg, NNG_FLAG_NONBLOCK) == 0) {
        take((struct text){nng_msg_body(msg), nng_msg_len(msg)});
        nng_msg_free(msg);
    }
}

bool load_tap_start(struct load *load)
{
    char url[160];
    int fd;
    snprintf(url, sizeof url, "ipc://%s/chat.pub", load->options.tap);
    if (nng_sub0_open(&subscriber) != 0 ||
        nng_socket_set(subscriber, NNG_OPT_SUB_SUBSCRIBE, "", 0) != 0 ||
        nng_socket_set_int(subscriber, NNG_OPT_RECVBUF, 4096) != 0 ||
        nng_dial(subscriber, url, NULL, NNG_FLAG_NONBLOCK) != 0 ||
        nng_socket_get_int(subscriber, NNG_OPT_RECVFD, &fd) != 0)
        return false;
    struct event *readable =
        event_new(loop_base(load->loop), fd, EV_READ | EV_PERSIST, on_readable, NULL);
    return event_add(readable, NULL) == 0;
}
