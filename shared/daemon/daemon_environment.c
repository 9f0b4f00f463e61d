/* What a daemon finds around it, checked before anything is made. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/daemon/daemon_internal.h"

#define MIN_DESCRIPTORS 256

static bool is_production(void)
{
    return strcmp(daemon_settings.environment, "production") == 0;
}

static bool check_run_dir(char *message_out, size_t message_size)
{
    const char *path = daemon_settings.run_dir;
    struct stat status;
    if (*path != '/')
        snprintf(message_out, message_size,
                 "run_dir: %s: is not an absolute path: set PARLEY_RUN_DIR to one", path);
    else if (stat(path, &status) != 0)
        snprintf(message_out, message_size,
                 "run_dir: %s: %s: make it with `mkdir -m 750`, or set PARLEY_RUN_DIR", path,
                 strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        snprintf(message_out, message_size,
                 "run_dir: %s: is not a folder: set PARLEY_RUN_DIR to one", path);
    else if (access(path, W_OK | X_OK) != 0)
        snprintf(message_out, message_size,
                 "run_dir: %s: uid %d may not write here: chown it, or set PARLEY_RUN_DIR to "
                 "another folder",
                 path, (int)geteuid());
    else if (is_production() && (status.st_mode & S_IRWXO) != 0)
        snprintf(message_out, message_size,
                 "run_dir: %s: others may enter it, which production refuses: chmod 750 it", path);
    else
        return true;
    return false;
}

/* That the file is missing is no reason to end: it is read at each connect, and readiness tells. */
static bool check_password_file(char *message_out, size_t message_size)
{
    const char *path = daemon_settings.postgres_password_file;
    struct stat status;
    if (!is_production() || *path == '\0' || stat(path, &status) != 0 ||
        (status.st_mode & S_IRWXO) == 0)
        return true;
    snprintf(
        message_out, message_size,
        "postgres_password_file: %s: others may read it, which production refuses: chmod 600 it",
        path);
    return false;
}

/* As many as this process may have: connections are what it is for. */
static bool raise_descriptors(char *message_out, size_t message_size)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= MIN_DESCRIPTORS)
        return true;
    snprintf(message_out, message_size,
             "only %llu descriptors are allowed: raise the limit with `ulimit -n` to %d or more",
             (unsigned long long)limit.rlim_cur, MIN_DESCRIPTORS);
    return false;
}

bool daemon_environment_check(char *message_out, int message_size)
{
    size_t size = (size_t)message_size;
    umask(S_IRWXO);
    return check_run_dir(message_out, size) && check_password_file(message_out, size) &&
           raise_descriptors(message_out, size);
}
