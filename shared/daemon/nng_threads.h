/* Makes nng start as few threads as it can; see nng_threads.c. */
#ifndef PARLEY_DAEMON_NNG_THREADS_H
#define PARLEY_DAEMON_NNG_THREADS_H

/* Does nothing: a reference to it takes the file out of the static library, and with it the override. */
void nng_threads_link(void);

#endif
