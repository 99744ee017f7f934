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
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (n == 0 || n > SM_RING_NAME_MAX || good != n)
        return sm_fail(SM_RING_BAD, "a ring's name must be 1 to %d of A-Z a-z 0-9 . _ -, not \"%.*s\"%s",
                       SM_RING_NAME_MAX, SM_RING_NAME_MAX, name, n > SM_RING_NAME_MAX ? "…" : "");
    return SM_RING_OK;
}

/* Tries to lock the byte: 1 got it, 0 somebody has it, -1 errno tells. */
static int lock(int fd, int byte) {
    struct flock area = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &area) == 0) return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

int sm_ring_file_locked(int fd, int byte) {
    struct flock area = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &area) == 0 && area.l_type != F_UNLCK;
}

/* A remover is done in microseconds. */
static void nap(void) { nanosleep(&(struct timespec){0, 1000000}, 0); }

static int same(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* Whether the name refers to the open file. */
static int bound(const sm_ring_file *file) {
    struct stat is, named;
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

int sm_ring_file_taken(const sm_ring_file *file, int role, const char *name, char *error) {
    uint32_t pid = 0;
    size_t at = role == SM_RING_PRODUCER ? offsetof(sm_ring_header, producer_pid) : offsetof(sm_ring_header, reader_pid);
    if (pread(file->fd, &pid, sizeof pid, (off_t)at) != (ssize_t)sizeof pid) pid = 0;
    return sm_fail(SM_RING_TAKEN, "ring %s is taken by a living %s (pid %u)", name,
                   role == SM_RING_PRODUCER ? "producer" : "reader", pid);
}

int sm_ring_file_unmade(const sm_ring_file *file, const char *name, char *error) {
    if (sm_ring_file_locked(file->fd, SM_RING_PRODUCER))
        return sm_fail(SM_RING_NOT_READY, "ring %s is just being made by its producer; try again", name);
    return sm_fail(SM_RING_NOT_READY, "ring %s is half-made and no producer is at it; try again, or remove it: "
                   "sevenm ring rm %s", name, name);
}

/* AGAIN also where a remover holds the byte for a moment. */
static int take_byte(const char *name, int role, const sm_ring_file *file, char *error) {
    if (role != SM_RING_OBSERVER) {
        int got = lock(file->fd, role);
        if (got < 0) return sm_fail_os(error, "cannot lock", name);
        if (!got) {
            int passing = sm_ring_file_locked(file->fd, SM_RING_REMOVER) || !sm_ring_file_locked(file->fd, role);
            return passing || !bound(file) ? AGAIN : sm_ring_file_taken(file, role, name, error);
        }
    }
    return bound(file) ? SM_RING_OK : AGAIN;
}

static int take_once(const char *name, int role, sm_ring_file *file, char *error) {
    static const int flags[] = {
        [SM_RING_PRODUCER] = O_RDWR | O_CREAT, [SM_RING_READER] = O_RDWR, [SM_RING_OBSERVER] = O_RDONLY};
    uint64_t magic = 1;
    int code = open_once(name, flags[role], 0, file, error);
    if (code) return code;
    if (!(code = open_again(name, flags[role], file, error)) && role == SM_RING_READER)
        code = sm_ring_file_magic(file->fd, name, &magic, error);
    /* A waiting reader looks every few milliseconds: it must not seem to be alive to the producer that makes the ring. */
    if (!code && !magic) code = sm_ring_file_unmade(file, name, error);
    if (!code) code = take_byte(name, role, file, error);
    if (code) sm_ring_file_close(file);
    return code;
}

int sm_ring_file_take(const char *name, int role, sm_ring_file *file, char *error) {
    int code = sm_ring_check_name(name, error);
    if (code) return code;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt) nap();
        if ((code = take_once(name, role, file, error)) != AGAIN) return code;
    }
    return sm_fail(SM_RING_NOT_READY, "ring %s is removed as fast as it is made; try again", name);
}

/* AGAIN: another remover is at it, or has just been. */
static int unlink_once(const char *name, int force, const sm_ring_file *file, char *error) {
    int got = lock(file->fd, SM_RING_REMOVER);
    for (int role = SM_RING_PRODUCER; got > 0 && !force && role <= SM_RING_READER; role++) {
        /* Held until the name is gone, so that nobody takes it in between. */
        got = lock(file->fd, role);
        if (!got && bound(file) && sm_ring_file_locked(file->fd, role))
            return sm_ring_file_taken(file, role, name, error);
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
    for (int attempt = 0; attempt < ATTEMPTS && !(got = lock(file->fd, SM_RING_REMOVER)); attempt++) nap();
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
