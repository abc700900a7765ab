/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: reads and writes do a part of what they are asked, and some are interrupted, as the system allows them to. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>

static _Atomic uint64_t state;

static uint64_t next(void)
{
    if (state == 0) {
        const char *seed = getenv("SHORT_SEED");
        state = seed ? strtoull(seed, NULL, 10) * 2 + 1 : 1;
    }
    /* A linear congruence, of which the upper half is used. Threads may see a number twice. */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

/* How many of `count` bytes are done, at least one; -1 for an interruption, which no call meets twice in a row. */
static ssize_t part(size_t count)
{
    static _Thread_local int interrupted;
    uint64_t number = next();
    if (!interrupted && number % 7 == 0) {
        interrupted = 1;
        errno = EINTR;
        return -1;
    }
    interrupted = 0;
    return count == 0 ? 0 : 1 + (ssize_t)(number / 7 % count);
}

#define ORIGINAL(name) static __typeof__(name) *original; if (!original) original = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t count)
{
    ORIGINAL(write);
    ssize_t some = part(count);
    return some < 0 ? -1 : original(fd, bytes, (size_t)some);
}

ssize_t read(int fd, void *bytes, size_t count)
{
    ORIGINAL(read);
    ssize_t some = part(count);
    return some < 0 ? -1 : original(fd, bytes, (size_t)some);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset)
{
    ORIGINAL(pread64);
    ssize_t some = part(count);
    return some < 0 ? -1 : original(fd, bytes, (size_t)some, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    ORIGINAL(pwrite64);
    ssize_t some = part(count);
    return some < 0 ? -1 : original(fd, bytes, (size_t)some, offset);
}

/* Of several buffers, the first is done in part. */
ssize_t writev(int fd, const struct iovec *buffers, int count)
{
    return count > 0 ? write(fd, buffers[0].iov_base, buffers[0].iov_len) : 0;
}

ssize_t readv(int fd, const struct iovec *buffers, int count)
{
    return count > 0 ? read(fd, buffers[0].iov_base, buffers[0].iov_len) : 0;
}
