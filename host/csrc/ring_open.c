/* Life of a ring: making, attaching, taking over, closing; who holds it is the kernel's knowledge (ring_file.h). */
#include "ring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int check_geometry(uint64_t slots, uint32_t slot_size, char *error) {
    if (slots < SM_RING_SLOTS_MIN || slots > SM_RING_SLOTS_MAX || (slots & (slots - 1)))
        return sm_fail(SM_RING_BAD, "slots must be a power of two from %d to %u, not %" PRIu64, SM_RING_SLOTS_MIN,
                       SM_RING_SLOTS_MAX, slots);
    if (slot_size < SM_RING_SLOT_MIN || slot_size > SM_RING_SLOT_MAX || slot_size % 32)
        return sm_fail(SM_RING_BAD, "slot_size must be a multiple of 32 from %d to %d bytes, not %u", SM_RING_SLOT_MIN,
                       SM_RING_SLOT_MAX, slot_size);
    return SM_RING_OK;
}

static int check_digest(const char *digest, char *error) {
    if (digest && (strnlen(digest, SM_RING_DIGEST + 1) != SM_RING_DIGEST ||
                   strspn(digest, "0123456789abcdef") != SM_RING_DIGEST))
        return sm_fail(SM_RING_BAD, "digest must be %d lower-case hexadecimal digits, not \"%.80s\"", SM_RING_DIGEST, digest);
    return SM_RING_OK;
}

/* Reads and checks what is constant in the header. *fresh: it has no magic number, nothing has been made there yet. */
static int read_geometry(const sm_ring_file *file, const char *name, sm_ring_header *head, int *fresh, char *error) {
    uint64_t magic;
    struct stat is;
    memset((void *)head, 0, sizeof *head);
    int code = sm_ring_file_magic(file->fd, name, &magic, error);
    *fresh = !code && magic == 0;
    if (code || *fresh) return code;
    if (pread(file->fd, (void *)head, offsetof(sm_ring_header, digest_version), 0) < 0)
        return sm_fail_os(error, "cannot read", name);
    /* The size comes last: before there is a magic number it is still to change. */
    if (fstat(file->fd, &is) != 0) return sm_fail_os(error, "cannot examine", name);
    char why[SM_RING_ERROR];
    if (magic != SM_RING_MAGIC)
        snprintf(why, sizeof why, "its magic number is 0x%016" PRIx64 ", not 0x%016" PRIx64, magic, SM_RING_MAGIC);
    else if (head->abi != SM_RING_ABI)
        snprintf(why, sizeof why, "its protocol version is %u, this sevenm speaks %d", head->abi, SM_RING_ABI);
    else if (head->header_size != SM_RING_HEADER)
        snprintf(why, sizeof why, "its header is %u bytes, not %d", head->header_size, SM_RING_HEADER);
    else if (check_geometry(head->slots, head->slot_size, why) == SM_RING_OK) {
        uint64_t wanted = SM_RING_HEADER + head->slots * head->slot_size, size = (uint64_t)is.st_size;
        if (size == wanted) return SM_RING_OK;
        snprintf(why, sizeof why, "its file is %" PRIu64 " bytes, %" PRIu64 " slots of %u bytes need %" PRIu64, size,
                 head->slots, head->slot_size, wanted);
    }
    return sm_fail(SM_RING_CORRUPT, "ring %s is unusable: %.200s; remove it: sevenm ring rm %s", name, why, name);
}

/* The file is the handle's from here on; if there is none it stays the caller's. errno tells why. */
static sm_ring *map(sm_ring_file *file, int role, const char *name, const sm_ring_header *head) {
    sm_ring *r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
    if (!r) return 0;
    memset(r, 0, sizeof *r);
    r->role = role;
    r->slots = head->slots;
    r->slot_size = head->slot_size;
    r->layout_hash = head->layout_hash;
    snprintf(r->name, sizeof r->name, "%s", name);
    int header = role == SM_RING_OBSERVER ? PROT_READ : PROT_READ | PROT_WRITE;
    int data = role == SM_RING_PRODUCER ? PROT_READ | PROT_WRITE : PROT_READ;
    void *page = mmap(0, SM_RING_HEADER, header, MAP_SHARED | MAP_POPULATE, file->mapped, 0);
    void *base = 0;
    if (page != MAP_FAILED && role != SM_RING_OBSERVER)
        base = mmap(0, r->slots * r->slot_size, data, MAP_SHARED | MAP_POPULATE, file->mapped, SM_RING_HEADER);
    if (page == MAP_FAILED || base == MAP_FAILED) {
        int number = errno;
        if (page != MAP_FAILED) munmap(page, SM_RING_HEADER);
        free(r);
        errno = number;
        return 0;
    }
    r->fd = file->fd;
    file->fd = -1;
    sm_ring_file_close(file);
    r->shared = page;
    r->base = base;
    return r;
}

/* Gives a new file its size and constant fields. The magic number comes last, in sm_ring_create. */
static int make_file(int fd, const char *name, const sm_ring_header *want, char *error) {
    struct stat is;
    off_t wanted = (off_t)(SM_RING_HEADER + want->slots * want->slot_size);
    if (sm_ring_file_locked(fd, SM_RING_READER)) /* shrinking it under a reader would kill the reader */
        return sm_fail(SM_RING_CORRUPT, "ring %s lost its magic number while a reader (living) uses it; end the reader first", name);
    if (fstat(fd, &is) != 0 || (is.st_size > wanted && ftruncate(fd, wanted) != 0))
        return sm_fail_os(error, "cannot size", name);
    /* Not ftruncate: memory that is not there must be an error here, not a SIGBUS later. */
    int number = posix_fallocate(fd, 0, wanted);
    if (number) {
        errno = number;
        return sm_fail_os(error, "cannot get the memory of", name);
    }
    static const char zeros[SM_RING_HEADER];
    if (pwrite(fd, zeros, sizeof zeros, 0) != (ssize_t)sizeof zeros ||
        pwrite(fd, (const void *)want, offsetof(sm_ring_header, digest_version), 0) !=
            (ssize_t)offsetof(sm_ring_header, digest_version))
        return sm_fail_os(error, "cannot write", name);
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
    return sm_fail(SM_RING_MISMATCH, "ring %s was left by an earlier producer with%s; remove it: sevenm ring rm %s", name,
                   differs + 1, name);
}

/* Takes the indices over. The own one stands still, and the other cannot pass it, so one look is enough. */
static int indices(sm_ring *r, const char *name, char *error) {
    uint64_t consumed = atomic_load_explicit(&r->shared->consumed, memory_order_acquire);
    uint64_t written = atomic_load_explicit(&r->shared->written, memory_order_acquire);
    if (written - consumed > r->slots)
        return sm_fail(SM_RING_CORRUPT,
                       "ring %s is corrupt: written %" PRIu64 " and consumed %" PRIu64 " do not fit its %" PRIu64
                       " slots; remove it: sevenm ring rm %s",
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

/* What an opening that failed holds. errno stays. */
static void discard(sm_ring *r, sm_ring_file *file) {
    int number = errno;
    r ? sm_ring_free(r) : sm_ring_file_close(file);
    errno = number;
}

int sm_ring_create(const char *name, uint64_t slots, uint32_t slot_size, uint32_t policy, uint64_t layout_hash,
                   const char *digest, sm_ring **out, char *error) {
    sm_ring_file file;
    int code, fresh = 0;
    if ((code = sm_ring_check_name(name, error)) || (code = check_geometry(slots, slot_size, error)) ||
        (code = check_digest(digest, error)))
        return code;
    if (policy != SM_RING_DROP && policy != SM_RING_BLOCK)
        return sm_fail(SM_RING_BAD, "policy must be 0 (drop) or 1 (block), not %u", policy);
    sm_ring_header head, want;
    memset((void *)&want, 0, sizeof want);
    want.abi = SM_RING_ABI;
    want.header_size = SM_RING_HEADER;
    want.slot_size = slot_size;
    want.slots = slots;
    want.layout_hash = layout_hash;
    want.created_ns = now_ns();
    if ((code = sm_ring_file_take(name, SM_RING_PRODUCER, &file, error))) return code;
    if ((code = read_geometry(&file, name, &head, &fresh, error)) == SM_RING_OK)
        code = fresh ? make_file(file.fd, name, &want, error) : same_geometry(&head, &want, name, error);
    sm_ring *r = 0;
    if (code == SM_RING_OK && !(r = map(&file, SM_RING_PRODUCER, name, &want))) code = sm_fail_os(error, "cannot map", name);
    if (code == SM_RING_OK) code = indices(r, name, error);
    if (code) {
        if (fresh && code == SM_RING_OS) sm_ring_file_withdraw(&file);
        discard(r, &file);
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
    sm_ring_file file;
    int code, fresh = 0;
    sm_ring_header head;
    if ((code = sm_ring_file_take(name, role, &file, error))) return code;
    code = read_geometry(&file, name, &head, &fresh, error);
    if (code == SM_RING_OK && fresh) code = sm_ring_file_unmade(&file, name, error);
    if (code == SM_RING_OK && layout_hash && head.layout_hash != layout_hash)
        code = sm_fail(SM_RING_MISMATCH, "ring %s carries layout 0x%016" PRIx64 ", this reader expects 0x%016" PRIx64
                       "; build both sides from the same schema", name, head.layout_hash, layout_hash);
    sm_ring *r = 0;
    if (code == SM_RING_OK && !(r = map(&file, role, name, &head))) code = sm_fail_os(error, "cannot map", name);
    if (code == SM_RING_OK && role == SM_RING_READER) code = indices(r, name, error);
    if (code) {
        discard(r, &file);
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

int sm_ring_alive(const sm_ring *r, int role) {
    if (r->fd < 0) return 0;
    return role == r->role || sm_ring_file_locked(r->fd, role);
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
