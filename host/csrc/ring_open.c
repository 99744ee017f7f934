/* Life of a ring: making, attaching, taking over, closing, removing; who holds it is the kernel's knowledge (OFD locks). */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_BYTES 100
#define PREFIX "/sevenm."
#define ATTEMPTS 100 /* to open a name that others keep removing */

#define fail(code, ...) (snprintf(error, SM_RING_ERROR, __VA_ARGS__), (code))

static int fail_os(char *error, const char *what, const char *name) {
    int number = errno;
    snprintf(error, SM_RING_ERROR, "%s ring %s: %s", what, name, strerror(number));
    errno = number;
    return SM_RING_OS;
}

static int check_name(const char *name, char *path, char *error) {
    size_t n = strnlen(name, NAME_MAX_BYTES + 1);
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (n == 0 || n > NAME_MAX_BYTES || good != n)
        return fail(SM_RING_BAD, "a ring's name must be 1 to %d of A-Z a-z 0-9 . _ -, not \"%.*s\"%s", NAME_MAX_BYTES,
                    NAME_MAX_BYTES, name, n > NAME_MAX_BYTES ? "…" : "");
    snprintf(path, 128, PREFIX "%s", name);
    return SM_RING_OK;
}

static int check_geometry(uint64_t slots, uint32_t slot_size, char *error) {
    if (slots < SM_RING_SLOTS_MIN || slots > SM_RING_SLOTS_MAX || (slots & (slots - 1)))
        return fail(SM_RING_BAD, "slots must be a power of two from %d to %u, not %" PRIu64, SM_RING_SLOTS_MIN,
                    SM_RING_SLOTS_MAX, slots);
    if (slot_size < SM_RING_SLOT_MIN || slot_size > SM_RING_SLOT_MAX || slot_size % 32)
        return fail(SM_RING_BAD, "slot_size must be a multiple of 32 from %d to %d bytes, not %u", SM_RING_SLOT_MIN,
                    SM_RING_SLOT_MAX, slot_size);
    return SM_RING_OK;
}

static int check_digest(const char *digest, char *error) {
    if (digest && (strnlen(digest, SM_RING_DIGEST + 1) != SM_RING_DIGEST ||
                   strspn(digest, "0123456789abcdef") != SM_RING_DIGEST))
        return fail(SM_RING_BAD, "digest must be %d lower-case hexadecimal digits, not \"%.80s\"", SM_RING_DIGEST, digest);
    return SM_RING_OK;
}

/* Tries to lock the byte of this role: 1 got it, 0 somebody has it, -1 errno tells. */
static int lock(int fd, int role) {
    struct flock area = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = role, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &area) == 0) return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

/* Whether another open file holds the byte of this role. */
static int locked(int fd, int role) {
    struct flock area = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = role, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &area) == 0 && area.l_type != F_UNLCK;
}

/* Opens the name: a regular file of this user. */
static int open_name(const char *name, const char *path, int flags, int *fd, struct stat *info, char *error) {
    *fd = shm_open(path, flags, 0600);
    if (*fd < 0) {
        if (errno == ENOENT)
            return fail(SM_RING_ABSENT, "there is no ring %s (it is made by its producer, in /dev/shm%s)", name, path);
        return fail_os(error, "cannot open", name);
    }
    int code = SM_RING_OK;
    if (fstat(*fd, info) != 0)
        code = fail_os(error, "cannot examine", name);
    else if (!S_ISREG(info->st_mode) || (info->st_uid != geteuid() && geteuid() != 0))
        code = fail(SM_RING_CORRUPT, "/dev/shm%s is not a file of this user; a ring belongs to one user", path);
    if (code != SM_RING_OK) close(*fd);
    return code;
}

/* Reads and checks what is constant in the header. *fresh: nothing has been made there yet. */
static int read_geometry(int fd, const char *name, off_t size, sm_ring_header *head, int *fresh, char *error) {
    memset((void *)head, 0, sizeof *head);
    ssize_t got = pread(fd, (void *)head, offsetof(sm_ring_header, digest_version), 0);
    if (got < 0) return fail_os(error, "cannot read", name);
    uint64_t magic = atomic_load_explicit(&head->magic, memory_order_relaxed);
    *fresh = magic == 0;
    if (*fresh) return SM_RING_OK;
    char why[SM_RING_ERROR];
    if (magic != SM_RING_MAGIC)
        snprintf(why, sizeof why, "its magic number is 0x%016" PRIx64 ", not 0x%016" PRIx64, magic, SM_RING_MAGIC);
    else if (head->abi != SM_RING_ABI)
        snprintf(why, sizeof why, "its protocol version is %u, this sevenm speaks %d", head->abi, SM_RING_ABI);
    else if (head->header_size != SM_RING_HEADER)
        snprintf(why, sizeof why, "its header is %u bytes, not %d", head->header_size, SM_RING_HEADER);
    else if (check_geometry(head->slots, head->slot_size, why) == SM_RING_OK) {
        uint64_t wanted = SM_RING_HEADER + head->slots * head->slot_size;
        if ((uint64_t)size == wanted) return SM_RING_OK;
        snprintf(why, sizeof why, "its file is %" PRIu64 " bytes, %" PRIu64 " slots of %u bytes need %" PRIu64,
                 (uint64_t)size, head->slots, head->slot_size, wanted);
    }
    return fail(SM_RING_CORRUPT, "ring %s is unusable: %.200s; remove it with Ring.unlink(\"%s\")", name, why, name);
}

/* Opens the file of fd once more for mapping: a mapping, and a forked child's copy of it, keeps its open file alive and
 * with it the lock, which has to end with fd. */
static int open_again(int fd, int role, const char *path) {
    struct stat one, other;
    int again = shm_open(path, role == SM_RING_OBSERVER ? O_RDONLY : O_RDWR, 0);
    if (again < 0) return -1;
    if (fstat(fd, &one) == 0 && fstat(again, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev)
        return again;
    close(again);
    errno = ENOENT; /* removed and made anew just now */
    return -1;
}

static sm_ring *map(int fd, int role, const char *name, const char *path, const sm_ring_header *head) {
    int mapped = open_again(fd, role, path);
    if (mapped < 0) return 0;
    sm_ring *r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
    if (!r) {
        close(mapped);
        return 0;
    }
    memset(r, 0, sizeof *r);
    r->fd = fd;
    r->role = role;
    r->slots = head->slots;
    r->slot_size = head->slot_size;
    r->layout_hash = head->layout_hash;
    snprintf(r->name, sizeof r->name, "%s", name);
    int header = role == SM_RING_OBSERVER ? PROT_READ : PROT_READ | PROT_WRITE;
    int data = role == SM_RING_PRODUCER ? PROT_READ | PROT_WRITE : PROT_READ;
    void *page = mmap(0, SM_RING_HEADER, header, MAP_SHARED | MAP_POPULATE, mapped, 0);
    void *base = 0;
    if (page != MAP_FAILED && role != SM_RING_OBSERVER)
        base = mmap(0, r->slots * r->slot_size, data, MAP_SHARED | MAP_POPULATE, mapped, SM_RING_HEADER);
    int refused = errno;
    close(mapped);
    if (page == MAP_FAILED || base == MAP_FAILED) {
        if (page != MAP_FAILED) munmap(page, SM_RING_HEADER);
        free(r);
        errno = refused;
        return 0;
    }
    r->shared = page;
    r->base = base;
    return r;
}

/* Gives a new file its size and constant fields. The magic number comes last, in sm_ring_create. */
static int make_file(int fd, const char *name, off_t size, const sm_ring_header *want, char *error) {
    off_t wanted = (off_t)(SM_RING_HEADER + want->slots * want->slot_size);
    if (locked(fd, SM_RING_READER)) /* shrinking it under a reader would kill the reader */
        return fail(SM_RING_CORRUPT, "ring %s lost its magic number while a reader (living) uses it; end the reader first", name);
    if (size > wanted && ftruncate(fd, wanted) != 0) return fail_os(error, "cannot size", name);
    /* Not ftruncate: memory that is not there must be an error here, not a SIGBUS later. */
    int number = posix_fallocate(fd, 0, wanted);
    if (number) {
        errno = number;
        return fail_os(error, "cannot get the memory of", name);
    }
    static const char zeros[SM_RING_HEADER];
    if (pwrite(fd, zeros, sizeof zeros, 0) != (ssize_t)sizeof zeros ||
        pwrite(fd, (const void *)want, offsetof(sm_ring_header, digest_version), 0) !=
            (ssize_t)offsetof(sm_ring_header, digest_version))
        return fail_os(error, "cannot write", name);
    return SM_RING_OK;
}

static int same_geometry(const sm_ring_header *is, const sm_ring_header *want, const char *name, char *error) {
    char differs[SM_RING_ERROR / 2] = "";
    size_t n = 0;
    if (is->slots != want->slots)
        n += (size_t)snprintf(differs + n, sizeof differs - n, ", slots %" PRIu64 " (asked for %" PRIu64 ")", is->slots, want->slots);
    if (is->slot_size != want->slot_size)
        n += (size_t)snprintf(differs + n, sizeof differs - n, ", slot_size %u (asked for %u)", is->slot_size, want->slot_size);
    if (is->layout_hash != want->layout_hash)
        n += (size_t)snprintf(differs + n, sizeof differs - n, ", layout 0x%016" PRIx64 " (asked for 0x%016" PRIx64 ")",
                              is->layout_hash, want->layout_hash);
    if (n == 0) return SM_RING_OK;
    return fail(SM_RING_MISMATCH, "ring %s was left by an earlier producer with%s; remove it with Ring.unlink(\"%s\")", name,
                differs + 1, name);
}

static int taken(int fd, int role, const char *name, char *error) {
    uint32_t pid = 0;
    size_t at = role == SM_RING_PRODUCER ? offsetof(sm_ring_header, producer_pid) : offsetof(sm_ring_header, reader_pid);
    if (pread(fd, &pid, sizeof pid, (off_t)at) != (ssize_t)sizeof pid) pid = 0;
    return fail(SM_RING_TAKEN, "ring %s is taken by a living %s (pid %u)", name,
                role == SM_RING_PRODUCER ? "producer" : "reader", pid);
}

/* Takes the indices over. The own one stands still, and the other cannot pass it, so one look is enough. */
static int indices(sm_ring *r, const char *name, char *error) {
    uint64_t consumed = atomic_load_explicit(&r->shared->consumed, memory_order_acquire);
    uint64_t written = atomic_load_explicit(&r->shared->written, memory_order_acquire);
    if (written - consumed > r->slots)
        return fail(SM_RING_CORRUPT,
                    "ring %s is corrupt: written %" PRIu64 " and consumed %" PRIu64 " do not fit its %" PRIu64
                    " slots; remove it with Ring.unlink(\"%s\")",
                    name, written, consumed, r->slots, name);
    r->mine = r->role == SM_RING_PRODUCER ? written : consumed;
    r->theirs = r->role == SM_RING_PRODUCER ? consumed : written;
    return SM_RING_OK;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void bump(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_release);
}

void sm_ring_set_digest(sm_ring *r, const char *digest) {
    if (r->role != SM_RING_PRODUCER || r->fault == SM_RING_DISOWNED) return;
    sm_ring_header *h = r->shared;
    uint64_t version = atomic_load_explicit(&h->digest_version, memory_order_relaxed) | 1; /* odd: being written */
    atomic_store_explicit(&h->digest_version, version, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < SM_RING_DIGEST / 8; i++) {
        uint64_t word = 0;
        if (digest) memcpy(&word, digest + 8 * i, 8);
        atomic_store_explicit(&h->digest[i], word, memory_order_relaxed);
    }
    atomic_store_explicit(&h->digest_version, version + 1, memory_order_release);
}

int sm_ring_create(const char *name, uint64_t slots, uint32_t slot_size, uint32_t policy, uint64_t layout_hash,
                   const char *digest, sm_ring **out, char *error) {
    char path[128];
    int code, fd;
    struct stat info;
    if ((code = check_name(name, path, error)) || (code = check_geometry(slots, slot_size, error)) ||
        (code = check_digest(digest, error)))
        return code;
    if (policy != SM_RING_DROP && policy != SM_RING_BLOCK)
        return fail(SM_RING_BAD, "policy must be 0 (drop) or 1 (block), not %u", policy);
    sm_ring_header head, want;
    memset((void *)&want, 0, sizeof want);
    want.abi = SM_RING_ABI;
    want.header_size = SM_RING_HEADER;
    want.slot_size = slot_size;
    want.slots = slots;
    want.layout_hash = layout_hash;
    want.created_ns = now_ns();
    for (int attempt = 0;; attempt++) {
        if ((code = open_name(name, path, O_RDWR | O_CREAT, &fd, &info, error))) return code;
        int got = lock(fd, SM_RING_PRODUCER);
        if (got < 0) code = fail_os(error, "cannot lock", name);
        else if (!got) code = taken(fd, SM_RING_PRODUCER, name, error);
        else if (fstat(fd, &info) != 0) code = fail_os(error, "cannot examine", name);
        if (code) {
            close(fd);
            return code;
        }
        if (info.st_nlink) break;
        close(fd); /* removed between opening and locking: the name is another file now */
        if (attempt == ATTEMPTS) return fail(SM_RING_NOT_READY, "ring %s is removed as fast as it is made", name);
    }
    int fresh = 0;
    if ((code = read_geometry(fd, name, info.st_size, &head, &fresh, error)) == SM_RING_OK)
        code = fresh ? make_file(fd, name, info.st_size, &want, error) : same_geometry(&head, &want, name, error);
    sm_ring *r = 0;
    if (code == SM_RING_OK && !(r = map(fd, SM_RING_PRODUCER, name, path, &want))) code = fail_os(error, "cannot map", name);
    if (code == SM_RING_OK) code = indices(r, name, error);
    if (code) {
        int number = errno;
        if (fresh && code == SM_RING_OS) shm_unlink(path);
        r ? sm_ring_free(r) : (void)close(fd);
        errno = number;
        return code;
    }
    r->policy = policy;
    sm_ring_header *h = r->shared;
    atomic_store_explicit(&h->producer_pid, (uint32_t)getpid(), memory_order_relaxed);
    atomic_store_explicit(&h->policy, policy, memory_order_relaxed);
    sm_ring_set_digest(r, digest);
    bump(&h->epoch);
    atomic_store_explicit(&h->state, SM_RING_STATE_OPEN, memory_order_release);
    atomic_store_explicit(&h->magic, SM_RING_MAGIC, memory_order_release);
    *out = r;
    return SM_RING_OK;
}

static int attach(const char *name, int role, uint64_t layout_hash, sm_ring **out, char *error) {
    char path[128];
    int code, fd, fresh = 0;
    struct stat info;
    sm_ring_header head;
    if ((code = check_name(name, path, error))) return code;
    if ((code = open_name(name, path, role == SM_RING_OBSERVER ? O_RDONLY : O_RDWR, &fd, &info, error))) return code;
    code = read_geometry(fd, name, info.st_size, &head, &fresh, error);
    if (code == SM_RING_OK && fresh)
        code = fail(SM_RING_NOT_READY, "ring %s is just being made by its producer; try again", name);
    if (code == SM_RING_OK && layout_hash && head.layout_hash != layout_hash)
        code = fail(SM_RING_MISMATCH, "ring %s carries layout 0x%016" PRIx64 ", this reader expects 0x%016" PRIx64
                    "; build both sides from the same schema", name, head.layout_hash, layout_hash);
    if (code == SM_RING_OK && role == SM_RING_READER) {
        int got = lock(fd, role);
        if (got < 0) code = fail_os(error, "cannot lock", name);
        if (got == 0) code = taken(fd, role, name, error);
    }
    sm_ring *r = 0;
    if (code == SM_RING_OK && !(r = map(fd, role, name, path, &head))) code = fail_os(error, "cannot map", name);
    if (code == SM_RING_OK && role == SM_RING_READER) code = indices(r, name, error);
    if (code) {
        int number = errno;
        r ? sm_ring_free(r) : (void)close(fd);
        errno = number;
        return code;
    }
    r->policy = atomic_load_explicit(&r->shared->policy, memory_order_relaxed);
    if (role == SM_RING_READER) {
        atomic_store_explicit(&r->shared->reader_pid, (uint32_t)getpid(), memory_order_relaxed);
        bump(&r->shared->reader_epoch);
    }
    *out = r;
    return SM_RING_OK;
}

int sm_ring_attach(const char *name, uint64_t layout_hash, sm_ring **out, char *error) {
    return attach(name, SM_RING_READER, layout_hash, out, error);
}

int sm_ring_observe(const char *name, sm_ring **out, char *error) { return attach(name, SM_RING_OBSERVER, 0, out, error); }

int sm_ring_unlink(const char *name, int force, char *error) {
    char path[128];
    int code, fd;
    struct stat info;
    if ((code = check_name(name, path, error)) || (code = open_name(name, path, O_RDWR, &fd, &info, error))) return code;
    for (int role = SM_RING_PRODUCER; role <= SM_RING_READER && !force && !code; role++) {
        /* Held until the name is gone, so that nobody takes it in between. */
        int got = lock(fd, role);
        if (got < 0) code = fail_os(error, "cannot lock", name);
        if (got == 0) code = taken(fd, role, name, error);
    }
    if (!code && shm_unlink(path) != 0 && errno != ENOENT) code = fail_os(error, "cannot remove", name);
    int number = errno;
    close(fd);
    errno = number;
    return code;
}

int sm_ring_alive(const sm_ring *r, int role) {
    if (r->fd < 0) return 0;
    return role == r->role || locked(r->fd, role);
}

/* Nothing can be done with the handle any more; the mapping stays, since views of it may be in use. */
static void let_go(sm_ring *r) {
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
    r->fault = SM_RING_DISOWNED;
    r->theirs = r->role == SM_RING_PRODUCER ? r->mine - r->slots : r->mine; /* full, or empty */
}

/* Before closing: a child forked by C code may still hold the same open file. */
static void unlock(const sm_ring *r) {
    struct flock area = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = r->role, .l_len = 1};
    if (r->fd >= 0 && r->role != SM_RING_OBSERVER) fcntl(r->fd, F_OFD_SETLK, &area);
}

void sm_ring_close(sm_ring *r) {
    if (r->fd < 0) return;
    if (r->role == SM_RING_PRODUCER)
        atomic_store_explicit(&r->shared->state, SM_RING_STATE_CLOSED, memory_order_release);
    unlock(r);
    let_go(r);
}

void sm_ring_abandon(sm_ring *r) {
    unlock(r);
    let_go(r);
}

void sm_ring_disown(sm_ring *r) { let_go(r); }

void sm_ring_free(sm_ring *r) {
    sm_ring_abandon(r);
    munmap(r->shared, SM_RING_HEADER);
    if (r->base) munmap(r->base, r->slots * r->slot_size);
    free(r);
}
