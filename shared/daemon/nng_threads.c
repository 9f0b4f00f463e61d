/* nng 1.5.2 starts its threads by the number of processors (13 with two, 31 with eight) and has no setting for it; each
 * daemon is one loop, and fewer threads made requests faster. It asks sysconf(3), and finds this one first. */
#include "shared/daemon/nng_threads.h"

#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

#define NNG_PROCESSORS 1

typedef long (*sysconf_function)(int name);

/* Looked up when first called, from whatever thread: each finds the same. */
static sysconf_function real_sysconf(void)
{
    static sysconf_function found;
    sysconf_function function = __atomic_load_n(&found, __ATOMIC_RELAXED);
    if (function == NULL) {
        *(void **)&function = dlsym(RTLD_NEXT, "sysconf"); /* as dlsym(3) has it */
        __atomic_store_n(&found, function, __ATOMIC_RELAXED);
    }
    return function;
}

long sysconf(int name)
{
    if (name == _SC_NPROCESSORS_ONLN)
        return NNG_PROCESSORS;
    sysconf_function function = real_sysconf();
    return function == NULL ? -1 : function(name);
}

void nng_threads_link(void)
{
}
