/* Makes every fsync and fdatasync of the process it is preloaded into slower by the microseconds
 * that stand, as a 32-bit number, in the file named by BENCH_FSYNC_DELAY. The number may change
 * while the process runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile const uint32_t *delay;

__attribute__((constructor)) static void find_delay(void) {
    const char *path = getenv("BENCH_FSYNC_DELAY");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *delay, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) delay = found;
    close(file);
}

static void linger(void) {
    uint32_t left = delay ? *delay : 0;
    struct timespec span = {left / 1000000, (left % 1000000) * 1000L};
    if (left) while (nanosleep(&span, &span) != 0) {}
}

int fsync(int file) {
    static int (*original)(int);
    if (!original) original = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    linger();
    return original(file);
}

int fdatasync(int file) {
    static int (*original)(int);
    if (!original) original = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    linger();
    return original(file);
}
