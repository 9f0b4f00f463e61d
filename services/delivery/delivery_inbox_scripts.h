/* The scripts that run inside Redis. Each begins with the check of epoch and owner. */
#ifndef PARLEY_DELIVERY_INBOX_SCRIPTS_H
#define PARLEY_DELIVERY_INBOX_SCRIPTS_H

enum delivery_script {
    DELIVERY_SCRIPT_HELLO,
    DELIVERY_SCRIPT_FOUND,
    DELIVERY_SCRIPT_PARKED,
    DELIVERY_SCRIPT_PUSH,
    DELIVERY_SCRIPT_OPEN,
    DELIVERY_SCRIPT_READ,
    DELIVERY_SCRIPT_TRIM,
    DELIVERY_SCRIPT_CLEAR,
    DELIVERY_SCRIPT_CONFIRM,
    DELIVERY_SCRIPT_MARK,
    DELIVERY_SCRIPT_DROP,
    DELIVERY_SCRIPT_TRACE,
    DELIVERY_SCRIPT_COUNT
};

/* The first element of every answer. */
enum delivery_script_status {
    DELIVERY_STATUS_OK,
    DELIVERY_STATUS_RESYNC, /* this inbox overflowed, or is not what was written to it */
    DELIVERY_STATUS_WIPED,  /* another epoch */
    DELIVERY_STATUS_FENCED, /* a newer owner */
};

const char *delivery_script_text(enum delivery_script script);

#endif
