/* One search at a time on each connection; when it is answered the next that waits takes its place. Of a user one is asked
 * at a time: whoever knows a slow question and asks it over and over holds one connection, and the others are for the others. */
#include "services/chat/chat_searches.h"

#include <string.h>

#include "services/chat/chat_read_event.h"
#include "services/chat/chat_read_internal.h"
#include "services/chat/chat_settings.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/daemon.h"

#define MAX_CONNECTIONS 8
#define MAX_WAITING     4 /* of one user */

/* Where the columns of an event begin in the rows of the statement. */
enum { COLUMN_PROBLEM, COLUMN_COMPLETE, COLUMN_FOUND, COLUMN_EXCERPT, COLUMN_EVENT };

struct connection {
    struct chat_searches *searches;
    struct pg *pg;
    struct chat_search *search; /* that it works on; NULL: none */
    int64_t began_us;
};

struct chat_searches {
    const struct chat_partitions *partitions;
    struct connection connections[MAX_CONNECTIONS];
    size_t count;
    struct chat_search *first, **last; /* waiting */
    size_t waiting;
    bool is_ending;
};

/* clang-format off: a table */
/* One row at least. Of what was found only as many as fit into an answer; one more was asked for, to know of a next page. */
static const struct pg_statement statements[] = {
    {"search",
     "select r.problem, r.complete, cardinality(r.hits), "
     "chat.search_excerpt(chat.search_present_text(e.message), r.words, r.runs), " EVENT " "
     "from chat.search($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint, "
     "case when $6::bigint > 0 then row($7::bigint, $6::bigint, $8::bigint, 0)::chat.search_hit "
     "end, "
     "$9::text, $10::bigint, $11::bigint + 1, $12::bigint) r "
     "left join lateral (select e.*, e as message, h.ord, "
     "sum(" SIZE ") over (order by h.ord) - " SIZE " as bytes_before "
     "from unnest(r.hits) with ordinality h (at_ms, chat_id, seq, partition, ord) "
     "join chat.event e on e.partition = h.partition and e.chat_id = h.chat_id and e.seq = h.seq "
     "where h.ord <= $11::bigint) e on e.bytes_before < $13::bigint "
     "order by e.ord"},
};
/* clang-format on */

static struct metric seconds = {.name = "parley_chat_search_seconds",
                                .labels = "",
                                .help = "From asking Postgres for a search to its answer.",
                                .kind = METRIC_HISTOGRAM};
static struct metric waiting_metric = {.name = "parley_chat_searches_waiting",
                                       .labels = "",
                                       .help = "Searches that wait for a connection.",
                                       .kind = METRIC_GAUGE};
static struct metric refused_total = {.name = "parley_chat_searches_refused_total",
                                      .labels = "",
                                      .help = "Searches that found no room or no connection.",
                                      .kind = METRIC_COUNTER};
static struct metric too_slow_total = {.name = "parley_chat_searches_too_slow_total",
                                       .labels = "",
                                       .help = "Searches that Postgres ended for their time.",
                                       .kind = METRIC_COUNTER};

static void start_waiting(struct chat_searches *searches);

/* --- answers --- */

static void judge(struct chat_search_page *page, struct text code)
{
    if (text_is(code, "no_words"))
        page->fault = CHAT_SEARCH_NO_WORDS;
    else if (text_is(code, "too_many_words"))
        page->fault = CHAT_SEARCH_TOO_MANY_WORDS;
    if (page->fault != CHAT_SEARCH_SOUND)
        page->problem = PROBLEM_BAD_REQUEST;
    else if (text_is(code, "not_found"))
        page->problem = PROBLEM_NOT_FOUND;
    else if (text_is(code, "not_member"))
        page->problem = PROBLEM_NOT_MEMBER;
}

static void take_rows(const struct pg_result *result, struct chat_search_page *page,
                      struct chat_search_hit *hits)
{
    judge(page, pg_text(result, 0, 0, COLUMN_PROBLEM));
    page->is_complete = pg_number(result, 0, 0, COLUMN_COMPLETE) != 0;
    page->hits = hits;
    for (int row = 0; row < pg_rows(result, 0); row++) {
        struct chat_log_event event = read_event(result, 0, row, COLUMN_EVENT);
        if (event.seq != 0)
            hits[page->count++] =
                (struct chat_search_hit){event, pg_text(result, 0, row, COLUMN_EXCERPT)};
    }
    page->has_more = pg_number(result, 0, 0, COLUMN_FOUND) > (int64_t)page->count;
}

static void fail_page(const struct pg_result *result, struct chat_search_page *page)
{
    if (pg_result_outcome(result) == PG_REFUSED &&
        strcmp(pg_result_sqlstate(result), "57014") == 0) {
        metric_add(&too_slow_total, 1);
        page->fault = CHAT_SEARCH_TOO_SLOW;
        page->problem = PROBLEM_UNAVAILABLE;
    } else {
        page->problem = read_problem(result);
    }
}

static void on_rows(void *context, const struct pg_result *result)
{
    struct connection *connection = context;
    struct chat_search *search = connection->search;
    struct chat_search_page page = {0};
    struct chat_search_hit *hits = NULL;
    connection->search = NULL;
    metric_observe_us(&seconds, clock_monotonic_us() - connection->began_us);
    if (pg_result_outcome(result) == PG_OK) {
        hits = mem_array((size_t)pg_rows(result, 0) + 1, sizeof *hits);
        take_rows(result, &page, hits);
    } else {
        fail_page(result, &page);
    }
    search->on_done(search->context, &page);
    mem_free(hits);
    start_waiting(connection->searches);
}

static void give_up(struct chat_search *search)
{
    struct chat_search_page page = {.problem = PROBLEM_UNAVAILABLE};
    search->on_done(search->context, &page);
}

/* --- the queue --- */

static void ask(struct connection *connection, struct chat_search *search)
{
    struct pg_unit *unit = pg_unit_create(connection->pg);
    int64_t partition =
        search->chat_id == 0
            ? 0
            : id_partition(search->chat_id, connection->searches->partitions->count);
    connection->search = search;
    connection->began_us = clock_monotonic_us();
    pg_unit_add(unit, "search");
    pg_add_number(unit, search->user_id);
    pg_add_number(unit, partition);
    pg_add_number(unit, search->chat_id);
    pg_add_number(unit, search->sender_id);
    pg_add_number(unit, search->before_ms);
    pg_add_number(unit, search->has_last ? search->last.chat_id : 0);
    pg_add_number(unit, search->last.at_ms);
    pg_add_number(unit, search->last.seq);
    pg_add_text(unit, search->text);
    pg_add_number(unit, limits.max_search_words);
    pg_add_number(unit, search->limit);
    pg_add_number(unit, chat_settings.search_tail_events);
    pg_add_number(unit, chat_settings.max_reply_bytes);
    pg_submit(unit, on_rows, connection);
}

static struct connection *find_idle(struct chat_searches *searches)
{
    for (size_t i = 0; i < searches->count; i++) {
        struct connection *connection = &searches->connections[i];
        if (connection->search == NULL && pg_is_connected(connection->pg))
            return connection;
    }
    return NULL;
}

static bool is_asking(const struct chat_searches *searches, int64_t user_id)
{
    for (size_t i = 0; i < searches->count; i++) {
        const struct chat_search *search = searches->connections[i].search;
        if (search != NULL && search->user_id == user_id)
            return true;
    }
    return false;
}

static size_t count_waiting(const struct chat_searches *searches, int64_t user_id)
{
    size_t count = 0;
    for (const struct chat_search *search = searches->first; search != NULL; search = search->next)
        count += search->user_id == user_id;
    return count;
}

/* Where the first that may be asked now hangs; a link that is NULL when there is none. */
static struct chat_search **find_next(struct chat_searches *searches)
{
    struct chat_search **link = &searches->first;
    while (*link != NULL && is_asking(searches, (*link)->user_id))
        link = &(*link)->next;
    return link;
}

static struct chat_search *take_waiting(struct chat_searches *searches, struct chat_search **link)
{
    struct chat_search *search = *link;
    *link = search->next;
    if (searches->last == &search->next)
        searches->last = link;
    metric_set(&waiting_metric, (int64_t)--searches->waiting);
    return search;
}

static bool is_any_connected(const struct chat_searches *searches)
{
    for (size_t i = 0; i < searches->count; i++) {
        if (pg_is_connected(searches->connections[i].pg))
            return true;
    }
    return false;
}

/* Who has waited for longer than a request may take was answered already. */
static void start_waiting(struct chat_searches *searches)
{
    int64_t oldest_ms = clock_monotonic_ms() - daemon_settings.request_deadline_ms;
    struct chat_search **next;
    while (!searches->is_ending && *(next = find_next(searches)) != NULL) {
        struct connection *idle = find_idle(searches);
        if (idle == NULL && is_any_connected(searches))
            return;
        struct chat_search *search = take_waiting(searches, next);
        if (idle != NULL && search->since_ms >= oldest_ms)
            ask(idle, search);
        else
            give_up(search);
    }
}

bool chat_searches_submit(struct chat_searches *searches, struct chat_search *search)
{
    if (!is_any_connected(searches) || searches->waiting >= (size_t)chat_settings.max_searches ||
        count_waiting(searches, search->user_id) >= MAX_WAITING) {
        metric_add(&refused_total, 1);
        return false;
    }
    search->since_ms = clock_monotonic_ms();
    search->next = NULL;
    *searches->last = search;
    searches->last = &search->next;
    metric_set(&waiting_metric, (int64_t)++searches->waiting);
    start_waiting(searches);
    return true;
}

/* --- life --- */

static void on_state(void *context, bool connected)
{
    (void)connected;
    start_waiting(context);
}

struct chat_searches *chat_searches_create(struct loop *loop,
                                           const struct chat_partitions *partitions)
{
    struct chat_searches *searches = mem_zalloc(sizeof *searches);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-chat/search",
        .statements = statements,
        .statement_count = sizeof statements / sizeof statements[0],
        .max_units = 1,
        .statement_timeout_ms = chat_settings.search_timeout_ms,
    };
    searches->partitions = partitions;
    searches->last = &searches->first;
    searches->count = (size_t)chat_settings.search_connections;
    metrics_register(&seconds);
    metrics_register(&waiting_metric);
    metrics_register(&refused_total);
    metrics_register(&too_slow_total);
    for (size_t i = 0; i < searches->count; i++)
        searches->connections[i] = (struct connection){
            .searches = searches, .pg = pg_create(loop, &options, on_state, searches)};
    return searches;
}

/* What is on its way and what waits is answered `unavailable`. */
void chat_searches_destroy(struct chat_searches **searches)
{
    if (*searches == NULL)
        return;
    (*searches)->is_ending = true;
    for (size_t i = 0; i < (*searches)->count; i++)
        pg_destroy(&(*searches)->connections[i].pg);
    while ((*searches)->first != NULL)
        give_up(take_waiting(*searches, &(*searches)->first));
    mem_free(*searches);
    *searches = NULL;
}

static const struct pg *broken_connection(const struct chat_searches *searches)
{
    for (size_t i = 0; i < searches->count; i++) {
        if (!pg_is_connected(searches->connections[i].pg))
            return searches->connections[i].pg;
    }
    return NULL;
}

bool chat_searches_is_connected(const struct chat_searches *searches)
{
    return broken_connection(searches) == NULL;
}

const char *chat_searches_last_error(const struct chat_searches *searches)
{
    const struct pg *broken = broken_connection(searches);
    return broken == NULL ? "" : pg_last_error(broken);
}
