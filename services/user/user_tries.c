#include "services/user/user_tries.h"

#include "services/user/user_settings.h"
#include "shared/base/clock.h"
#include "shared/base/metrics.h"

static struct metric refused_metric = {.name = "parley_user_tries_refused_total",
                                       .labels = "",
                                       .help = "Passwords not looked at: too many wrong ones.",
                                       .kind = METRIC_COUNTER};

static struct metric accounts_metric = {.name = "parley_user_login_accounts",
                                        .labels = "",
                                        .help = "Accounts whose failed logins are remembered.",
                                        .kind = METRIC_GAUGE};

static int64_t seconds(int64_t ms)
{
    int64_t rounded_up = (ms + 999) / 1000;
    return rounded_up > 0 ? rounded_up : 1;
}

static void tell(struct http_request *request, int64_t left, int64_t wait_ms)
{
    int64_t refill_ms = user_settings.login_refill_ms;
    http_tell_rate_limit(request, &(struct http_rate_limit){
                                      .name = "password",
                                      .quota = user_settings.login_attempts,
                                      .window_s = seconds(user_settings.login_attempts * refill_ms),
                                      .left = left,
                                      .wait_s = seconds(wait_ms > 0 ? wait_ms : refill_ms)});
}

bool user_tries_take(struct user_service *service, struct http_request *request, struct text name)
{
    int64_t left, wait_ms;
    bool taken = rate_limit_take(service->login_limit, name, clock_monotonic_ms(), &left, &wait_ms);
    metrics_register(&accounts_metric);
    metrics_register(&refused_metric);
    metric_set(&accounts_metric, (int64_t)rate_limit_names(service->login_limit));
    tell(request, left, wait_ms);
    if (taken)
        return true;
    metric_add(&refused_metric, 1);
    http_fail_retry(request, PROBLEM_RATE_LIMITED, "Too many wrong passwords for this account.",
                    seconds(wait_ms));
    return false;
}

void user_tries_give_back(struct user_service *service, struct text name)
{
    rate_limit_give_back(service->login_limit, name, clock_monotonic_ms());
    metric_set(&accounts_metric, (int64_t)rate_limit_names(service->login_limit));
}
