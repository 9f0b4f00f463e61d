/* Every request that the daemon answers, REST and internal: the tables in chat_http.c and chat_rpc.c lead here. A handler
 * may be sure that the number of partitions is known. */
#ifndef PARLEY_CHAT_HANDLERS_H
#define PARLEY_CHAT_HANDLERS_H

#include "services/chat/chat_service.h"

/* --- REST --- */
void chat_append_post(struct chat_service *service, struct http_request *request);
void chat_edit_patch(struct chat_service *service, struct http_request *request);
void chat_message_delete(struct chat_service *service, struct http_request *request);
void chat_reaction_put(struct chat_service *service, struct http_request *request);
void chat_reaction_delete(struct chat_service *service, struct http_request *request);
void chat_history_get(struct chat_service *service, struct http_request *request);
void chat_receipts_put(struct chat_service *service, struct http_request *request);
void chat_receipts_get(struct chat_service *service, struct http_request *request);
void chat_search_get(struct chat_service *service, struct http_request *request);
void chat_sync_post(struct chat_service *service, struct http_request *request);
void chat_trace_get(struct chat_service *service, struct http_request *request);

/* --- internal --- */
void chat_append_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                     const struct chat_append_request *request);
void chat_apply_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                    const struct chat_apply_request *request);
void chat_receipts_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                       const struct chat_receipts_request *request);
void chat_summaries_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                        const struct chat_summaries_request *request);
void chat_members_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                      const struct chat_members_request *request);
void chat_feed_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                   const struct chat_feed_request *request);
void chat_heads_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                    const struct chat_heads_request *request);
void chat_events_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                     const struct chat_events_request *request);
void chat_roles_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                    const struct chat_roles_request *request);
void chat_companions_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                         const struct chat_companions_request *request);

/* --- the servers --- */
struct http_server *chat_http_create(struct chat_service *service, char *message_out,
                                     int message_size);
struct rpc_server *chat_rpc_create(struct chat_service *service, struct nng_bus *bus,
                                   char *message_out, int message_size);

#endif
