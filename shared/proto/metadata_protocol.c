#include "shared/proto/metadata_protocol.h"

CODEC_DEFINE(metadata_catch_up_request, METADATA_CATCH_UP_REQUEST_FIELDS)
CODEC_DEFINE(metadata_catch_up_reply, METADATA_CATCH_UP_REPLY_FIELDS)

METADATA_METHODS(RPC_DEFINE_METHOD)
