/* nng 1.5.2 starts its threads by the number of processors (13 with two, 31 with eight) and has no setting for it; each
 * daemon is one loop, and fewer threads made requests faster. It asks sysconf(3), and finds this one first.
 *
 * The rest goes to glibc under its other name. dlsym(3) would find it too, but the sanitizers' run-times ask before it
 * can be called; for the same reason nothing here is instrumented. */
#include "shared/daemon/nng_threads.h"

#include <unistd.h>

#define NNG_PROCESSORS 1

extern long __sysconf(int name);

__attribute__((no_sanitize("thread", "address", "undefined"))) long sysconf(int name)
{
    return name == _SC_NPROCESSORS_ONLN ? NNG_PROCESSORS : __sysconf(name);
}

void nng_threads_link(void)
{
}
