/* What can happen to a file under a name, and how a side of the ring, or the name itself, is taken without doubt. */
#include "ring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_AND_PREFIX "/dev/shm/sevenm."
#define ATTEMPTS 1000 /* at a name that others keep removing, or a byte that a remover holds */
#define AGAIN (-1)    /* the name means another file now */

int sm_fail_os(char *error, const char *what, const char *name) {
    int number = errno;
    snprintf(error, SM_RING_ERROR, "%s ring %s: %s", what, name, strerror(number));
    errno = number;
    return SM_RING_OS;
}

int sm_ring_check_name(const char *name, char *error) {
    size_t n = strnlen(name, SM_RING_NAME_MAX + 1);
    size_t good = strspn(name, SM_LETTERS);
    if (n == 0 || n > SM_RING_NAME_MAX || good != n)
        return sm_fail(SM_RING_BAD, "a ring's name must be 1 to %d of A-Z a-z 0-9 . _ -, not \"%.*s\"%s",
                       SM_RING_NAME_MAX, SM_RING_NAME_MAX, name, n > SM_RING_NAME_MAX ? "…" : "");
    return SM_RING_OK;
}

int sm_ring_check_subscriber(const char *subscriber, char *error) {
    size_t n = strnlen(subscriber, SM_LANE_NAME);
    size_t good = strspn(subscriber, SM_LETTERS);
    if (n == 0 || n == SM_LANE_NAME || good != n)
        return sm_fail(SM_RING_BAD, "a subscriber's name must be 1 to %d of A-Z a-z 0-9 . _ -, not \"%.*s\"%s",
                       SM_LANE_NAME - 1, SM_LANE_NAME - 1, subscriber, n == SM_LANE_NAME ? "…" : "");
    return SM_RING_OK;
}

static struct flock area(int type, uint32_t byte, uint32_t n) {
    return (struct flock){.l_type = (short)type, .l_whence = SEEK_SET, .l_start = byte, .l_len = n};
}

/* Tries to lock n bytes: 1 got them, 0 somebody has one, -1 errno tells. */
static int lock(int fd, uint32_t byte, uint32_t n) {
    struct flock wanted = area(F_WRLCK, byte, n);
    if (fcntl(fd, F_OFD_SETLK, &wanted) == 0) return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

void sm_ring_file_unlock(int fd, uint32_t byte) {
    struct flock given = area(F_UNLCK, byte, 1);
    int number = errno;
    fcntl(fd, F_OFD_SETLK, &given);
    errno = number;
}

int sm_ring_file_locked(int fd, uint32_t byte) { return sm_ring_file_locker(fd, byte, 1) >= 0; }

int sm_ring_file_locker(int fd, uint32_t byte, uint32_t n) {
    struct flock wanted = area(F_WRLCK, byte, n);
    if (fcntl(fd, F_OFD_GETLK, &wanted) != 0 || wanted.l_type == F_UNLCK) return -1;
    return wanted.l_start > (off_t)byte ? (int)wanted.l_start : (int)byte;
}

/* A remover is done in microseconds. */
static void nap(void) { nanosleep(&(struct timespec){0, 1000000}, 0); }

static int same(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* Whether the name refers to the open file. */
static int bound(const sm_ring_file *file) {
    struct stat is, named;
    if (!*file->path) return 1; /* it has no name that could be another's (ring_memfd.h) */
    int number = errno, yes = fstat(file->fd, &is) == 0 && lstat(file->path, &named) == 0 && same(&is, &named);
    errno = number;
    return yes;
}

/* What only rm(1) should remove: it cannot be locked. */
static int check_kind(const struct stat *is, const char *path, char *error) {
    if (S_ISREG(is->st_mode)) return SM_RING_OK;
    const char *kind = S_ISDIR(is->st_mode)    ? "a directory"
                       : S_ISLNK(is->st_mode)  ? "a symbolic link"
                       : S_ISFIFO(is->st_mode) ? "a FIFO"
                       : S_ISSOCK(is->st_mode) ? "a socket"
                                               : "a device";
    return sm_fail(SM_RING_FOREIGN, "%s is %s, not a ring; remove it, or take another name", path, kind);
}

/* Also for root: who owns a file, or may write it, can change everything in it while it is used. */
static int check_owner(const struct stat *is, const char *path, char *error) {
    if (is->st_uid != geteuid())
        return sm_fail(SM_RING_FOREIGN, "%s belongs to user %u, and this process to user %u; a ring is for one user", path,
                       (unsigned)is->st_uid, (unsigned)geteuid());
    if (is->st_mode & 077)
        return sm_fail(SM_RING_FOREIGN, "%s has mode %04o, which lets other users in; a ring has 0600", path,
                       (unsigned)is->st_mode & 07777);
    if (is->st_nlink > 1)
        return sm_fail(SM_RING_FOREIGN, "%s has %lu names (hard links); a ring has one", path, (unsigned long)is->st_nlink);
    return SM_RING_OK;
}

/* Why the name could not be opened; errno tells, or what is there. */
static int refused(const char *name, const char *path, char *error) {
    int number = errno;
    struct stat named;
    if (number == ENOENT)
        return sm_fail(SM_RING_ABSENT, "there is no ring %s (it is made by its producer, in %s)", name, path);
    if (lstat(path, &named) == 0 && (check_kind(&named, path, error) || check_owner(&named, path, error)))
        return SM_RING_FOREIGN;
    errno = number;
    return sm_fail_os(error, "cannot open", name);
}

/* Opens the name once, never waiting for what is there (a FIFO) and never through a link. */
static int open_once(const char *name, int flags, int any_owner, sm_ring_file *file, char *error) {
    struct stat is;
    int code = SM_RING_OK;
    file->mapped = -1;
    file->lane = 0;
    file->anew = 0;
    snprintf(file->path, sizeof file->path, FOLDER_AND_PREFIX "%s", name);
    file->fd = open(file->path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (file->fd < 0) return refused(name, file->path, error);
    if (fstat(file->fd, &is) != 0)
        code = sm_fail_os(error, "cannot examine", name);
    else if (!(code = check_kind(&is, file->path, error)) && !any_owner)
        code = check_owner(&is, file->path, error);
    if (code) sm_ring_file_close(file);
    return code;
}

/* Opens it once more, for mapping. */
static int open_again(const char *name, int flags, sm_ring_file *file, char *error) {
    struct stat one, other;
    file->mapped = open(file->path, (flags & ~O_CREAT) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file->mapped < 0) {
        int code = sm_fail_os(error, "cannot open", name);
        return bound(file) ? code : AGAIN;
    }
    return fstat(file->fd, &one) == 0 && fstat(file->mapped, &other) == 0 && same(&one, &other) ? SM_RING_OK : AGAIN;
}

int sm_ring_file_magic(int fd, const char *name, uint64_t *magic, char *error) {
    *magic = 0; /* also of a file that is too short for one */
    if (pread(fd, magic, sizeof *magic, 0) < 0) return sm_fail_os(error, "cannot read", name);
    atomic_thread_fence(memory_order_acquire); /* it is stored last: what is read from here on belongs to it */
    return SM_RING_OK;
}

int sm_ring_file_blocks(int fd, sm_lane_block *blocks) {
    memset((void *)blocks, 0, SM_RING_LANES * sizeof *blocks); /* of a file that is too short */
    if (pread(fd, (void *)blocks, SM_RING_LANES * sizeof *blocks, SM_LANE_BLOCKS) < 0) return SM_RING_OS;
    for (int i = 0; i < SM_RING_LANES; i++) ((char *)blocks[i].name)[SM_LANE_NAME - 1] = 0;
    return SM_RING_OK;
}

int sm_ring_file_taken(const sm_ring_file *file, uint32_t byte, const char *name, char *error) {
    uint32_t pid = 0;
    sm_lane_block blocks[SM_RING_LANES];
    const char *subscriber = "";
    if (byte == SM_BYTE_PRODUCER) {
        if (pread(file->fd, &pid, sizeof pid, offsetof(sm_ring_header, producer_pid)) != (ssize_t)sizeof pid) pid = 0;
        return sm_fail(SM_RING_TAKEN, "ring %s is taken by a living producer (pid %u)", name, pid);
    }
    if (sm_ring_file_blocks(file->fd, blocks) == SM_RING_OK) {
        pid = blocks[byte - SM_BYTE_LANES].pid;
        subscriber = (const char *)blocks[byte - SM_BYTE_LANES].name;
    }
    if (byte == SM_BYTE_LANES) return sm_fail(SM_RING_TAKEN, "ring %s is taken by a living reader (pid %u)", name, pid);
    return sm_fail(SM_RING_TAKEN, "subscriber %.31s of ring %s is taken by a living reader (pid %u)",
                   subscriber, name, pid);
}

int sm_ring_file_unmade(const sm_ring_file *file, const char *name, char *error) {
    if (sm_ring_file_locked(file->fd, SM_BYTE_PRODUCER))
        return sm_fail(SM_RING_NOT_READY, "ring %s is just being made by its producer; try again", name);
    return sm_fail(SM_RING_NOT_READY, "ring %s is half-made and no producer is at it; try again, or remove it: "
                   "sevenm ring rm %s", name, name);
}

/* Whether the byte is locked only because a remover holds them all for a moment. */
static int passing(const sm_ring_file *file, uint32_t byte) {
    return sm_ring_file_locked(file->fd, SM_BYTE_REMOVER) || !sm_ring_file_locked(file->fd, byte);
}

/* AGAIN also where a remover holds the byte for a moment. */
static int take_byte(const char *name, uint32_t byte, const sm_ring_file *file, char *error) {
    int got = lock(file->fd, byte, 1);
    if (got < 0) return sm_fail_os(error, "cannot lock", name);
    if (!got) return passing(file, byte) || !bound(file) ? AGAIN : sm_ring_file_taken(file, byte, name, error);
    return bound(file) ? SM_RING_OK : AGAIN;
}

/* A lane that nobody living has: of those that are free, or else of those whose subscriber is dead. */
static int take_any_lane(const char *name, const sm_lane_block *blocks, sm_ring_file *file, char *error) {
    for (int dead = 0; dead < 2; dead++)
        for (uint32_t i = 1; i < SM_RING_LANES; i++) {
            int got = (blocks[i].state == SM_LANE_OPEN) == dead ? lock(file->fd, SM_BYTE_LANES + i, 1) : 0;
            if (got < 0) return sm_fail_os(error, "cannot lock", name);
            file->lane = i;
            file->anew = 1;
            if (got) return bound(file) ? SM_RING_OK : AGAIN;
        }
    if (sm_ring_file_locked(file->fd, SM_BYTE_REMOVER) || !bound(file)) return AGAIN;
    return sm_fail(SM_RING_TAKEN, "ring %s has living subscribers in all its %d lanes; end one of them", name,
                   SM_RING_LANES - 1);
}

/* The lane of this subscriber. Who chooses does it alone, until sm_ring_file_chosen, so that no name stands there twice. */
static int take_lane(const char *name, const char *subscriber, sm_ring_file *file, char *error) {
    sm_lane_block blocks[SM_RING_LANES];
    int got = lock(file->fd, SM_BYTE_CHOICE, 1);
    if (got < 0) return sm_fail_os(error, "cannot lock", name);
    if (!got) return AGAIN;
    if (sm_ring_file_blocks(file->fd, blocks)) return sm_fail_os(error, "cannot read", name);
    for (uint32_t i = 1; i < SM_RING_LANES; i++)
        if (blocks[i].state == SM_LANE_OPEN && strcmp((const char *)blocks[i].name, subscriber) == 0) {
            file->lane = i;
            return take_byte(name, SM_BYTE_LANES + i, file, error);
        }
    return take_any_lane(name, blocks, file, error);
}

void sm_ring_file_chosen(int fd) { sm_ring_file_unlock(fd, SM_BYTE_CHOICE); }

static int take_side(const char *name, int role, const char *subscriber, sm_ring_file *file, char *error) {
    uint64_t magic = 1;
    int code = role == SM_RING_READER ? sm_ring_file_magic(file->fd, name, &magic, error) : SM_RING_OK;
    /* A waiting reader looks every few milliseconds: it must not seem to be alive to the producer that makes the ring. */
    if (!code && !magic) code = sm_ring_file_unmade(file, name, error);
    if (code) return code;
    if (role == SM_RING_OBSERVER) return bound(file) ? SM_RING_OK : AGAIN;
    if (role == SM_RING_READER && *subscriber) return take_lane(name, subscriber, file, error);
    return take_byte(name, role == SM_RING_READER ? SM_BYTE_LANES : SM_BYTE_PRODUCER, file, error);
}

static int take_once(const char *name, int role, const char *subscriber, sm_ring_file *file, char *error) {
    static const int flags[] = {
        [SM_RING_PRODUCER] = O_RDWR | O_CREAT, [SM_RING_READER] = O_RDWR, [SM_RING_OBSERVER] = O_RDONLY};
    int code = open_once(name, flags[role], 0, file, error);
    if (code) return code;
    if (!(code = open_again(name, flags[role], file, error))) code = take_side(name, role, subscriber, file, error);
    if (code) sm_ring_file_close(file);
    return code;
}

static int busy(const char *name, char *error) {
    return sm_fail(SM_RING_NOT_READY, "others keep making and removing ring %s, or choosing their lanes; try again", name);
}

int sm_ring_file_take_opened(const char *name, int role, const char *subscriber, sm_ring_file *file, char *error) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt) nap();
        const int code = take_side(name, role, subscriber, file, error);
        if (code != AGAIN) return code;
    }
    return busy(name, error);
}

int sm_ring_file_take(const char *name, int role, const char *subscriber, sm_ring_file *file, char *error) {
    int code = sm_ring_check_name(name, error);
    if (code) return code;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt) nap();
        if ((code = take_once(name, role, subscriber, file, error)) != AGAIN) return code;
    }
    return busy(name, error);
}

int sm_ring_file_hold_reader(const sm_ring_file *file) {
    int got = 0;
    for (int attempt = 0; attempt < ATTEMPTS && !(got = lock(file->fd, SM_BYTE_REMOVER, 1)); attempt++) nap();
    if (got > 0 && lock(file->fd, SM_BYTE_LANES, 1) > 0) return 1;
    sm_ring_file_unlock(file->fd, SM_BYTE_REMOVER);
    return 0;
}

void sm_ring_file_let_reader(const sm_ring_file *file) {
    sm_ring_file_unlock(file->fd, SM_BYTE_LANES);
    sm_ring_file_unlock(file->fd, SM_BYTE_REMOVER);
}

/* AGAIN: another remover is at it, or has just been. */
static int unlink_once(const char *name, int force, const sm_ring_file *file, char *error) {
    static const uint32_t bytes[][2] = {{SM_BYTE_PRODUCER, 1}, {SM_BYTE_LANES, SM_RING_LANES}};
    int got = lock(file->fd, SM_BYTE_REMOVER, 1);
    for (int side = 0; got > 0 && !force && side < 2; side++) {
        /* Held until the name is gone, so that nobody takes it in between. */
        got = lock(file->fd, bytes[side][0], bytes[side][1]);
        int byte = got || !bound(file) ? -1 : sm_ring_file_locker(file->fd, bytes[side][0], bytes[side][1]);
        if (byte >= 0) return sm_ring_file_taken(file, (uint32_t)byte, name, error);
    }
    if (got < 0) return sm_fail_os(error, "cannot lock", name);
    if (!got || !bound(file)) return AGAIN;
    return unlink(file->path) == 0 ? SM_RING_OK : sm_fail_os(error, "cannot remove", name);
}

int sm_ring_unlink(const char *name, int force, char *error) {
    sm_ring_file file;
    int code = sm_ring_check_name(name, error);
    if (code) return code;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt) nap();
        if ((code = open_once(name, O_RDWR, force, &file, error))) return code;
        code = unlink_once(name, force, &file, error);
        sm_ring_file_close(&file);
        if (code != AGAIN) return code;
    }
    return sm_fail(SM_RING_NOT_READY, "ring %s is being removed by another process; try again", name);
}

void sm_ring_file_withdraw(const sm_ring_file *file) {
    int number = errno, got = 0;
    for (int attempt = 0; attempt < ATTEMPTS && !(got = lock(file->fd, SM_BYTE_REMOVER, 1)); attempt++) nap();
    if (got > 0 && bound(file)) unlink(file->path);
    errno = number;
}

void sm_ring_file_close(sm_ring_file *file) {
    int number = errno;
    if (file->mapped >= 0) close(file->mapped);
    if (file->fd >= 0) close(file->fd);
    file->fd = file->mapped = -1;
    errno = number;
}
