/* The REST handlers: http_handler each; the routes stand in user_http.c. `service` is a struct user_service. */
#ifndef PARLEY_USER_HANDLERS_H
#define PARLEY_USER_HANDLERS_H

#include "shared/net/http_server.h"

/* user_accounts.c */
void user_accounts_register(void *service, struct http_request *request);
void user_accounts_erase(void *service, struct http_request *request);
void user_accounts_change_password(void *service, struct http_request *request);
/* user_login.c */
void user_login_open(void *service, struct http_request *request);
/* user_sessions.c */
void user_sessions_list(void *service, struct http_request *request);
void user_sessions_end(void *service, struct http_request *request);
void user_sessions_end_current(void *service, struct http_request *request);
/* user_devices.c */
void user_devices_list(void *service, struct http_request *request);
void user_devices_rename(void *service, struct http_request *request);
void user_devices_remove(void *service, struct http_request *request);
/* user_profile.c */
void user_profile_own(void *service, struct http_request *request);
void user_profile_update(void *service, struct http_request *request);
void user_profile_get(void *service, struct http_request *request);
void user_profile_search(void *service, struct http_request *request);
/* user_blocks.c */
void user_blocks_list(void *service, struct http_request *request);
void user_blocks_put(void *service, struct http_request *request);
void user_blocks_delete(void *service, struct http_request *request);

#endif
