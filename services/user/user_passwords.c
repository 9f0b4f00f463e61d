/* Threads, two lists under one lock (waiting, finished), and an eventfd that wakes the loop when the list of finished
 * jobs was empty. A thread touches only the job that it took; everything else is the loop's. */
#include "services/user/user_passwords.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STALLED_MS 10000

struct job {
    struct job *next;
    bool is_verify;
    char password[USER_PASSWORD_MAX_BYTES];
    size_t password_bytes;
    char hash[crypto_pwhash_STRBYTES]; /* in for verify, out for hash */
    int64_t begin_before_ms;
    enum user_password_outcome outcome;
    user_on_password on_password;
    void *context;
};

struct list {
    struct job *first;
    struct job **end;
};

struct user_passwords {
    struct user_passwords_options options;
    char dummy_hash[crypto_pwhash_STRBYTES]; /* of a password that nobody knows */
    pthread_t *threads;
    struct event *wakeup;
    int wakeup_fd;
    size_t jobs;
    int64_t last_progress_ms; /* a job finished, or one came when there was none */
    pthread_mutex_t lock;     /* guards what follows */
    pthread_cond_t work;
    struct list waiting;
    struct list finished;
    bool stopping;
};

static struct metric jobs_metric = {.name = "parley_user_password_jobs",
                                    .labels = "",
                                    .help = "Passwords that wait for a thread or are being hashed.",
                                    .kind = METRIC_GAUGE};
static struct metric refused_metric = {.name = "parley_user_password_jobs_refused_total",
                                       .labels = "",
                                       .help = "Passwords turned away because too many waited.",
                                       .kind = METRIC_COUNTER};

static void list_init(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_put(struct list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *list_take(struct list *list)
{
    struct job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL)
            list->end = &list->first;
    }
    return job;
}

/* --- on a thread --- */

static enum user_password_outcome work_off(const struct user_passwords_options *options,
                                           struct job *job)
{
    if (clock_monotonic_ms() > job->begin_before_ms)
        return USER_PASSWORD_BUSY;
    if (job->is_verify)
        return crypto_pwhash_str_verify(job->hash, job->password, job->password_bytes) == 0
                   ? USER_PASSWORD_DONE
                   : USER_PASSWORD_WRONG;
    return crypto_pwhash_str(job->hash, job->password, job->password_bytes,
                             (unsigned long long)options->passes, options->memory_bytes) == 0
               ? USER_PASSWORD_DONE
               : USER_PASSWORD_BUSY;
}

static void hand_back(struct user_passwords *passwords, struct job *job)
{
    bool was_empty = passwords->finished.first == NULL;
    list_put(&passwords->finished, job);
    if (!was_empty)
        return;
    ssize_t written = write(passwords->wakeup_fd, &(uint64_t){1}, sizeof(uint64_t));
    assert(written == sizeof(uint64_t)); /* eventfd(2): blocks or fails only near 2^64 */
    (void)written;
}

static void *run_worker(void *argument)
{
    struct user_passwords *passwords = argument;
    pthread_mutex_lock(&passwords->lock);
    for (;;) {
        while (passwords->waiting.first == NULL && !passwords->stopping)
            pthread_cond_wait(&passwords->work, &passwords->lock);
        if (passwords->stopping)
            break;
        struct job *job = list_take(&passwords->waiting);
        pthread_mutex_unlock(&passwords->lock);
        job->outcome = work_off(&passwords->options, job);
        mem_wipe(job->password, sizeof job->password);
        pthread_mutex_lock(&passwords->lock);
        hand_back(passwords, job);
    }
    pthread_mutex_unlock(&passwords->lock);
    return NULL;
}

/* --- in the loop --- */

static void finish(struct user_passwords *passwords, struct job *job)
{
    passwords->jobs--;
    passwords->last_progress_ms = clock_monotonic_ms();
    metric_set(&jobs_metric, (int64_t)passwords->jobs);
    bool has_hash = !job->is_verify && job->outcome == USER_PASSWORD_DONE;
    job->on_password(job->context, job->outcome, has_hash ? job->hash : NULL);
    mem_wipe(job, sizeof *job);
    mem_free(job);
}

static void on_wakeup(evutil_socket_t fd, short events, void *context)
{
    struct user_passwords *passwords = context;
    uint64_t count;
    (void)events;
    if (read(fd, &count, sizeof count) < 0)
        return; /* EAGAIN: another turn has taken them */
    for (;;) {
        pthread_mutex_lock(&passwords->lock);
        struct job *job = list_take(&passwords->finished);
        pthread_mutex_unlock(&passwords->lock);
        if (job == NULL)
            return;
        finish(passwords, job);
    }
}

/* Signals are the loop's: threads are born with all of them blocked. */
static void start_workers(struct user_passwords *passwords)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    passwords->threads = mem_array(passwords->options.workers, sizeof *passwords->threads);
    for (size_t i = 0; i < passwords->options.workers; i++) {
        int error = pthread_create(&passwords->threads[i], NULL, run_worker, passwords);
        if (error != 0) {
            log_error("password_thread_failed", LOG_STRING("reason", strerror(error)));
            passwords->options.workers = i;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void make_dummy_hash(struct user_passwords *passwords)
{
    char secret[32];
    randombytes_buf(secret, sizeof secret);
    if (crypto_pwhash_str(passwords->dummy_hash, secret, sizeof secret,
                          (unsigned long long)passwords->options.passes,
                          passwords->options.memory_bytes) != 0) {
        log_error("password_memory_lacking",
                  LOG_NUMBER("memory_bytes", passwords->options.memory_bytes));
        abort(); /* as the allocators: without memory for one hash nobody could log in */
    }
    mem_wipe(secret, sizeof secret);
}

struct user_passwords *user_passwords_create(struct loop *loop,
                                             const struct user_passwords_options *options)
{
    struct user_passwords *passwords = mem_zalloc(sizeof *passwords);
    int ready = sodium_init(); /* again is harmless */
    assert(ready >= 0);
    (void)ready;
    passwords->options = *options;
    make_dummy_hash(passwords);
    list_init(&passwords->waiting);
    list_init(&passwords->finished);
    pthread_mutex_init(&passwords->lock, NULL);
    pthread_cond_init(&passwords->work, NULL);
    passwords->wakeup_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(passwords->wakeup_fd >= 0);
    passwords->wakeup = event_new(loop_base(loop), passwords->wakeup_fd, EV_READ | EV_PERSIST,
                                  on_wakeup, passwords);
    event_add(passwords->wakeup, NULL);
    metrics_register(&jobs_metric);
    metrics_register(&refused_metric);
    start_workers(passwords);
    return passwords;
}

/* NULL when too many jobs are there already. */
static struct job *job_create(struct user_passwords *passwords, struct text password,
                              user_on_password on_password, void *context)
{
    assert(password.length <= USER_PASSWORD_MAX_BYTES);
    if (passwords->jobs >= passwords->options.max_jobs) {
        metric_add(&refused_metric, 1);
        return NULL;
    }
    struct job *job = mem_zalloc(sizeof *job);
    if (password.length > 0)
        memcpy(job->password, password.data, password.length);
    job->password_bytes = password.length;
    job->begin_before_ms = clock_monotonic_ms() + passwords->options.deadline_ms;
    job->on_password = on_password;
    job->context = context;
    return job;
}

static void give_to_worker(struct user_passwords *passwords, struct job *job)
{
    if (passwords->jobs++ == 0)
        passwords->last_progress_ms = clock_monotonic_ms();
    metric_set(&jobs_metric, (int64_t)passwords->jobs);
    pthread_mutex_lock(&passwords->lock);
    list_put(&passwords->waiting, job);
    pthread_cond_signal(&passwords->work);
    pthread_mutex_unlock(&passwords->lock);
}

bool user_passwords_hash(struct user_passwords *passwords, struct text password,
                         user_on_password on_password, void *context)
{
    struct job *job = job_create(passwords, password, on_password, context);
    if (job == NULL)
        return false;
    give_to_worker(passwords, job);
    return true;
}

bool user_passwords_verify(struct user_passwords *passwords, struct text password, struct text hash,
                           user_on_password on_password, void *context)
{
    struct job *job = job_create(passwords, password, on_password, context);
    if (job == NULL)
        return false;
    job->is_verify = true;
    if (hash.length == 0 || hash.length >= sizeof job->hash)
        memcpy(job->hash, passwords->dummy_hash, sizeof job->hash);
    else
        memcpy(job->hash, hash.data, hash.length); /* the rest is zero */
    give_to_worker(passwords, job);
    return true;
}

size_t user_passwords_jobs(const struct user_passwords *passwords)
{
    return passwords->jobs;
}

bool user_passwords_is_alive(const struct user_passwords *passwords)
{
    return passwords->options.workers > 0 &&
           (passwords->jobs == 0 ||
            clock_monotonic_ms() - passwords->last_progress_ms < STALLED_MS);
}

static void stop_workers(struct user_passwords *passwords)
{
    pthread_mutex_lock(&passwords->lock);
    passwords->stopping = true;
    pthread_cond_broadcast(&passwords->work);
    pthread_mutex_unlock(&passwords->lock);
    for (size_t i = 0; i < passwords->options.workers; i++)
        pthread_join(passwords->threads[i], NULL);
}

void user_passwords_destroy(struct user_passwords **passwords)
{
    struct user_passwords *gone = *passwords;
    if (gone == NULL)
        return;
    stop_workers(gone);
    struct job *job;
    while ((job = list_take(&gone->finished)) != NULL ||
           (job = list_take(&gone->waiting)) != NULL) {
        job->outcome = USER_PASSWORD_BUSY;
        finish(gone, job);
    }
    event_free(gone->wakeup);
    close(gone->wakeup_fd);
    pthread_cond_destroy(&gone->work);
    pthread_mutex_destroy(&gone->lock);
    mem_free(gone->threads);
    mem_free(gone);
    *passwords = NULL;
}
