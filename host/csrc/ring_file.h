/* The file behind a ring's name: whose it is, who has it (OFD locks), and that the name still means it.
 *
 * A name can be removed and made anew between any two system calls. So: a side is taken by locking its byte of the open
 * file and then looking whether the name still refers to that file; a name is removed only by who holds the remover's
 * byte of the file that it refers to. In between nobody else takes the name away.
 */
#ifndef SM_RING_FILE_H
#define SM_RING_FILE_H

#include <stdio.h>

#include "ring.h"

#define SM_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-" /* of names */
#define SM_RING_NAME_MAX 100 /* bytes of a name */
#define SM_RING_PATH 128     /* bytes of a path, with its 0 */

#define sm_fail(code, ...) (snprintf(error, SM_RING_ERROR, __VA_ARGS__), (code))

typedef struct {
    int fd;     /* holds the locks */
    int mapped; /* the same file once more: a mapping, and a forked child's copy of it, keeps its open file alive and with
                   it the locks, which have to end with fd; -1: not opened */
    uint32_t lane; /* a reader's */
    int anew;      /* it was not this subscriber's before */
    char path[SM_RING_PATH];
} sm_ring_file;

/* SM_RING_OS with errno's text. errno stays. */
int sm_fail_os(char *error, const char *what, const char *name);

/* Opens the file of this name and takes a byte: the producer's, or that of a lane for the subscriber ("": the default
 * one); an observer takes none. On SM_RING_OK the name refers to the file, and who chose a lane says sm_ring_file_chosen
 * when it has put its name there. A reader is SM_RING_NOT_READY, without having locked anything, while the ring is being
 * made. */
int sm_ring_file_take(const char *name, int role, const char *subscriber, sm_ring_file *file, char *error);
void sm_ring_file_chosen(int fd);

/* The same of a file that is open, twice, and has no name. On another result it stays open. */
int sm_ring_file_take_opened(const char *name, int role, const char *subscriber, sm_ring_file *file, char *error);

/* What the lanes' blocks say. SM_RING_OK or SM_RING_OS. */
int sm_ring_file_blocks(int fd, sm_lane_block *blocks);

/* Producer: keeps the default lane's reader away for a moment. 0: it lives. */
int sm_ring_file_hold_reader(const sm_ring_file *file);
void sm_ring_file_let_reader(const sm_ring_file *file);

/* SM_RING_TAKEN: a living process has this byte. */
int sm_ring_file_taken(const sm_ring_file *file, uint32_t byte, const char *name, char *error);

/* SM_RING_NOT_READY: there is no magic number yet. */
int sm_ring_file_unmade(const sm_ring_file *file, const char *name, char *error);

/* Whether another open file holds the byte; the first byte of n that one holds, or -1. */
int sm_ring_file_locked(int fd, uint32_t byte);
int sm_ring_file_locker(int fd, uint32_t byte, uint32_t n);

/* errno stays. */
void sm_ring_file_unlock(int fd, uint32_t byte);

/* The magic number: 0 as long as the ring is being made. SM_RING_OK or SM_RING_OS. */
int sm_ring_file_magic(int fd, const char *name, uint64_t *magic, char *error);

/* Removes the name if it still refers to this file, whose byte of the producer the caller holds. errno stays. */
void sm_ring_file_withdraw(const sm_ring_file *file);

void sm_ring_file_close(sm_ring_file *file);

#endif
