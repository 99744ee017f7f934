/* A ring's file in memory. */
#include "ring_map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

static uint64_t up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

uint64_t sm_ring_lane_at(const sm_ring_header *head, uint32_t lane) {
    return up(SM_RING_HISTOGRAM_AT(1 + SM_RING_LANES), head->unit) + lane * up(head->slots * head->slot_size, head->unit);
}

int sm_ring_get_memory(int fd, const char *name, uint64_t from, uint64_t to, char *error) {
    struct statfs is;
    int number = posix_fallocate(fd, (off_t)from, (off_t)(to - from));
    if (number == 0) return SM_RING_OK;
    const int huge = fstatfs(fd, &is) == 0 && is.f_type == HUGETLBFS_MAGIC;
    errno = number;
    if (huge) {
        snprintf(error, SM_RING_ERROR, "there are no huge pages for ring %s, which needs %" PRIu64 " of 2 MiB here; have some set "
                 "aside, as root: sysctl vm.nr_hugepages=N (%s)", name, up(to - from, SM_RING_HUGE) / SM_RING_HUGE,
                 strerror(number));
        errno = number;
        return SM_RING_OS;
    }
    return sm_fail_os(error, "cannot get the memory of", name);
}

/* Advice to the kernel, which it may follow or not. errno stays. */
static void advise(void *at, uint64_t bytes, int how) {
    const int number = errno;
    madvise(at, bytes, how);
    errno = number;
}

/* Lanes, from this place of the file on. A huge page of the file is one in memory if it lies at a multiple of its size there
 * as well: so room for one more is taken, and what is before and after given back. */
static void *map_lanes(uint64_t bytes, int may, int fd, uint64_t at, uint32_t unit) {
    if (unit != SM_RING_HUGE) return mmap(0, bytes, may, MAP_SHARED, fd, (off_t)at);
    uint8_t *const room = mmap(0, bytes + unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ((void *)room == MAP_FAILED) return MAP_FAILED;
    const uint64_t before = up((uintptr_t)room, unit) - (uintptr_t)room;
    /* Huge pages that are set aside are taken with a lane, not now for all of them. */
    void *const base = mmap(room + before, bytes, may, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)at);
    if (base == MAP_FAILED) {
        const int number = errno;
        munmap(room, bytes + unit);
        errno = number;
        return MAP_FAILED;
    }
    if (before) munmap(room, before);
    munmap(room + before + bytes, unit - before);
    advise(base, bytes, MADV_HUGEPAGE);
    return base;
}

/* All of this file's range that has memory, without a fault for each page later. */
static void populate(void *at, uint64_t bytes, int writes) {
#ifdef MADV_POPULATE_WRITE
    advise(at, bytes, writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
#else
    (void)at, (void)bytes, (void)writes;
#endif
}

static void unmap_all(sm_ring *r, void *front, void *base, void *stage) {
    if (front && front != MAP_FAILED) munmap(front, r->front);
    if (base && base != MAP_FAILED) munmap(base, r->mapped);
    if (stage && stage != MAP_FAILED) munmap(stage, r->slots * r->slot_size);
    if (r->shown >= 0) close(r->shown);
    free(r);
}

sm_ring *sm_ring_map(sm_ring_file *file, int role, const char *name, const sm_ring_header *head) {
    sm_ring *r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
    if (!r) return 0;
    memset(r, 0, sizeof *r);
    const uint64_t lane = sm_ring_lane_at(head, 1) - sm_ring_lane_at(head, 0);
    r->role = role;
    r->shown = -1;
    r->slots = head->slots;
    r->slot_size = head->slot_size;
    r->record_header = head->record_header;
    r->layout_hash = head->layout_hash;
    r->front = sm_ring_lane_at(head, 0);
    r->mapped = role == SM_RING_READER ? lane : SM_RING_LANES * lane;
    snprintf(r->name, sizeof r->name, "%s", name);
    const int may = role == SM_RING_OBSERVER ? PROT_READ : PROT_READ | PROT_WRITE;
    void *front = mmap(0, r->front, may, MAP_SHARED | MAP_NORESERVE, file->mapped, 0), *base = 0, *stage = 0;
    if (front != MAP_FAILED && role != SM_RING_OBSERVER)
        base = map_lanes(r->mapped, role == SM_RING_READER ? PROT_READ : may, file->mapped,
                         sm_ring_lane_at(head, role == SM_RING_READER ? file->lane : 0), head->unit);
    if (front != MAP_FAILED && base != MAP_FAILED && role == SM_RING_PRODUCER)
        stage = mmap(0, r->slots * r->slot_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (front == MAP_FAILED || base == MAP_FAILED || stage == MAP_FAILED) {
        int number = errno;
        unmap_all(r, front, base, stage);
        errno = number;
        return 0;
    }
    populate(front, SM_RING_HEADER, role != SM_RING_OBSERVER);
    if (base && !file->anew) populate(base, r->slots * r->slot_size, role == SM_RING_PRODUCER);
    r->fd = file->fd;
    file->fd = -1;
    sm_ring_file_close(file);
    r->shared = front;
    r->stage = stage;
    for (uint32_t i = 0; i < SM_RING_LANES; i++) {
        sm_lane *const one = &r->lanes[i];
        one->number = role == SM_RING_READER ? file->lane : i;
        one->shared = (sm_lane_block *)((uint8_t *)front + SM_LANE_BLOCKS) + one->number;
        if (base) one->base = (uint8_t *)base + (role == SM_RING_PRODUCER ? i * lane : 0);
    }
    return r;
}

/* Whether there is room for so much; on a full file system part of it would be taken in vain. */
static int fits(int fd, uint64_t bytes) {
    struct statvfs is;
    return fstatvfs(fd, &is) == 0 && (is.f_blocks == 0 || (uint64_t)is.f_bavail * is.f_frsize >= bytes);
}

int sm_ring_back_lane(sm_ring *r, const sm_ring_header *head, uint32_t lane, char *error) {
    const uint64_t bytes = r->slots * r->slot_size, at = sm_ring_lane_at(head, lane);
    uint8_t *const base = r->role == SM_RING_READER ? r->lanes->base : r->lanes[lane].base;
    /* First through the mapping, which has asked for huge pages; then what that could not get, with an error. */
    if (head->unit == SM_RING_HUGE && fits(r->fd, bytes)) populate(base, bytes, r->role == SM_RING_PRODUCER);
    int code = sm_ring_get_memory(r->fd, r->name, at, at + up(bytes, SM_RING_HEADER), error);
    if (!code) populate(base, bytes, r->role == SM_RING_PRODUCER);
    return code;
}

void sm_ring_unmap(sm_ring *r) { unmap_all(r, r->shared, r->lanes->base, r->stage); }
