/* Making, and taking part in, the memory of a descriptor. */
#include "ring_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define HUGE_2MB (21u << 26) /* MFD_HUGE_2MB, which the C library does not have */
#define FOR_READERS (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) /* with these no subscriber could say what it has read */

/* An open file of one's own: locks belong to it, and have to end with this process, not with the last that was handed the
 * descriptor. */
static int reopen(int descriptor, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

/* Twice: once for locks, once for mappings (ring_file.h). */
static int open_both(int descriptor, int flags, const char *name, sm_ring_file *file, char *error) {
    file->fd = reopen(descriptor, flags);
    file->mapped = file->fd < 0 ? -1 : reopen(descriptor, flags);
    if (file->mapped >= 0) return SM_RING_OK;
    const int code = sm_fail_os(error, "cannot open the memory of", name);
    sm_ring_file_close(file);
    return code;
}

int sm_ring_memfd_make(const char *label, uint64_t bytes, int huge, sm_ring_file *file, int *shown, char *error) {
    *file = (sm_ring_file){.fd = -1, .mapped = -1};
    const unsigned int pages = huge ? MFD_HUGETLB | HUGE_2MB : 0;
    const int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING | pages);
    if (fd < 0 && huge && (errno == EINVAL || errno == ENOENT || errno == ENODEV))
        return sm_fail(SM_RING_BAD, "this kernel has no huge pages of 2 MiB for ring %s; leave huge out", label);
    if (fd < 0) return sm_fail_os(error, "cannot make the memory of", label);
    int code = SM_RING_OK;
    if (fchmod(fd, 0600) != 0 || ftruncate(fd, (off_t)bytes) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0)
        code = sm_fail_os(error, "cannot make the memory of", label);
    if (!code) code = open_both(fd, O_RDWR, label, file, error);
    if (!code) code = sm_ring_file_take_opened(label, SM_RING_PRODUCER, "", file, error);
    if (code) {
        sm_ring_file_close(file);
        close(fd);
        return code;
    }
    *shown = fd;
    return SM_RING_OK;
}

static int check_seals(int descriptor, const char *name, char *error) {
    const int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 && errno == EINVAL)
        return sm_fail(SM_RING_FOREIGN, "%s is no memory that can be sealed (memfd), so it is no ring", name);
    if (seals < 0) return sm_fail_os(error, "cannot examine", name);
    if ((seals & SEALS) != SEALS)
        return sm_fail(SM_RING_FOREIGN, "%s is not sealed against%s%s%s: who has it could end this process by shrinking it; have it made by "
                       "RingWriter.anonymous", name, seals & F_SEAL_SHRINK ? "" : " shrinking",
                       seals & F_SEAL_GROW ? "" : " growing", seals & F_SEAL_SEAL ? "" : " other seals");
    if (seals & FOR_READERS)
        return sm_fail(SM_RING_FOREIGN, "%s is sealed against writing, so that a subscriber cannot say what it has read", name);
    return SM_RING_OK;
}

int sm_ring_memfd_take(int descriptor, const char *name, int role, const char *subscriber, sm_ring_file *file, char *error) {
    *file = (sm_ring_file){.fd = -1, .mapped = -1};
    int code = check_seals(descriptor, name, error);
    if (!code) code = open_both(descriptor, role == SM_RING_READER ? O_RDWR : O_RDONLY, name, file, error);
    if (!code) code = sm_ring_file_take_opened(name, role, subscriber, file, error);
    if (code) sm_ring_file_close(file);
    return code;
}
