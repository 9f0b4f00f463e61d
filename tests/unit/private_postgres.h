/* A Postgres of the test's own: made anew in a folder of its own, on a Unix socket only, without fsync. */
#ifndef PARLEY_TESTS_UNIT_PRIVATE_POSTGRES_H
#define PARLEY_TESTS_UNIT_PRIVATE_POSTGRES_H

#include <stdbool.h>
#include <sys/types.h>

/* False when Debian's PostgreSQL 15 is not installed or does not start. The folder must exist; it is opened to the user
 * postgres when we are root. */
bool private_postgres_make(const char *folder);
void private_postgres_start(void);
void private_postgres_stop(void); /* at once, as after a crash */
const char *private_postgres_conninfo(void);
/* SQL by the superuser; the first value of the first row as a number, 0 when there is none. The test fails on an error. */
long private_postgres_run(const char *sql);
void private_postgres_run_file(const char *path); /* at most 64 KiB of SQL, in one transaction */

#endif
