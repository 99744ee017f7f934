/* Beginnings: making a ring, taking it over, attaching to it; who holds it is the kernel's knowledge (ring_file.h). */
#include "ring_file.h"
#include "ring_map.h"
#include "ring_memfd.h"
#include "ring_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_geometry(uint64_t slots, uint32_t slot_size, uint32_t record_header, char *error) {
    const uint32_t least = record_header ? SM_RING_SLOT_MIN : SM_RING_BARE_MIN;
    if (record_header && record_header != SM_RECORD_HEADER)
        return sm_fail(SM_RING_BAD, "record_header must be %d or 0 bytes, not %u", SM_RECORD_HEADER, record_header);
    if (slots < SM_RING_SLOTS_MIN || slots > SM_RING_SLOTS_MAX || (slots & (slots - 1)))
        return sm_fail(SM_RING_BAD, "slots must be a power of two from %d to %u, not %" PRIu64, SM_RING_SLOTS_MIN,
                       SM_RING_SLOTS_MAX, slots);
    if (slot_size < least || slot_size > SM_RING_SLOT_MAX || slot_size % 32)
        return sm_fail(SM_RING_BAD, "slot_size must be a multiple of 32 from %d to %d bytes, not %u", least, SM_RING_SLOT_MAX,
                       slot_size);
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
    else if (head->unit != SM_RING_HEADER && head->unit != SM_RING_HUGE)
        snprintf(why, sizeof why, "its lanes begin at multiples of %u bytes, not of %d or %u", head->unit, SM_RING_HEADER,
                 SM_RING_HUGE);
    else if (check_geometry(head->slots, head->slot_size, head->record_header, why) == SM_RING_OK) {
        uint64_t wanted = sm_ring_lane_at(head, SM_RING_LANES), size = (uint64_t)is.st_size;
        if (size == wanted) return SM_RING_OK;
        snprintf(why, sizeof why, "its file is %" PRIu64 " bytes, %d lanes of %" PRIu64 " slots of %u bytes need %" PRIu64,
                 size, SM_RING_LANES, head->slots, head->slot_size, wanted);
    }
    return sm_fail(SM_RING_CORRUPT, "ring %s is unusable: %.200s; remove it: sevenm ring rm %s", name, why, name);
}

/* Gives a new file its size and constant fields. The magic number comes last, in sm_ring_create. */
static int make_file(int fd, const char *name, const sm_ring_header *want, char *error) {
    struct stat is;
    const off_t wanted = (off_t)sm_ring_lane_at(want, SM_RING_LANES);
    if (sm_ring_file_locker(fd, SM_BYTE_LANES, SM_RING_LANES) >= 0) /* shrinking it under a reader would kill the reader */
        return sm_fail(SM_RING_CORRUPT, "ring %s lost its magic number while a reader (living) uses it; end the reader first", name);
    if (fstat(fd, &is) != 0 || (is.st_size > wanted && ftruncate(fd, wanted) != 0))
        return sm_fail_os(error, "cannot size", name);
    int code = sm_ring_get_memory(fd, name, 0, SM_RING_HEADER, error);
    if (code) return code;
    if (ftruncate(fd, wanted) != 0) return sm_fail_os(error, "cannot size", name); /* the lanes have no memory yet */
    static char zeros[SM_RING_HEADER];
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
    if (is->record_header != want->record_header)
        n += (size_t)snprintf(differs + n, sizeof differs - n, ", a record header of %u bytes (asked for %u)", is->record_header,
                              want->record_header);
    if (is->unit != want->unit)
        n += (size_t)snprintf(differs + n, sizeof differs - n, ", lanes at multiples of %u bytes (asked for %u)", is->unit, want->unit);
    if (is->layout_hash != want->layout_hash)
        n += (size_t)snprintf(differs + n, sizeof differs - n, ", layout 0x%016" PRIx64 " (asked for 0x%016" PRIx64 ")",
                              is->layout_hash, want->layout_hash);
    if (n == 0) return SM_RING_OK;
    return sm_fail(SM_RING_MISMATCH, "ring %s was left by an earlier producer with%s; remove it: sevenm ring rm %s", name,
                   differs + 1, name);
}

static int wrong_indices(const sm_ring *r, const sm_lane *lane, const char *name, char *error) {
    return sm_fail(SM_RING_CORRUPT,
                   "ring %s is corrupt: written %" PRIu64 " and consumed %" PRIu64 " do not fit its %" PRIu64
                   " slots; remove it: sevenm ring rm %s",
                   name, atomic_load(&lane->shared->written), atomic_load(&lane->shared->consumed), r->slots, name);
}

/* Producer: goes on in every lane where it was. The default lane has to be sound; any other that is not is closed. */
static int take_lanes_over(sm_ring *r, uint32_t policy, const char *name, char *error) {
    for (uint32_t i = 0; i < SM_RING_LANES; i++) {
        sm_lane *const lane = &r->lanes[i];
        lane->mine = lane->theirs = atomic_load_explicit(&lane->shared->written, memory_order_relaxed);
        lane->floor = atomic_load_explicit(&lane->shared->floor, memory_order_relaxed);
    }
    r->lanes->policy = policy;
    r->lanes->epoch = atomic_load_explicit(&r->lanes->shared->epoch, memory_order_relaxed);
    if (sm_lane_adopt(r, r->lanes) != SM_RING_OK) return wrong_indices(r, r->lanes, name, error);
    atomic_store_explicit(&r->lanes->shared->in_force, policy, memory_order_relaxed);
    r->open = 1;
    sm_ring_follow(r);
    return SM_RING_OK;
}

/* Between a policy whose reader reads in place and drop_oldest, where it must not: with a living reader not at all. */
static int change_policy(const sm_ring_file *file, uint32_t policy, const char *name, char *error) {
    static const char *const names[] = {"drop_newest", "block", "drop_oldest"};
    sm_lane_block blocks[SM_RING_LANES];
    if (sm_ring_file_blocks(file->fd, blocks)) return sm_fail_os(error, "cannot read", name);
    const uint32_t was = blocks->in_force;
    if ((was == SM_RING_DROP_OLDEST) == (policy == SM_RING_DROP_OLDEST)) return SM_RING_OK;
    if (!sm_ring_file_hold_reader(file))
        return sm_fail(SM_RING_MISMATCH, "ring %s has policy %s (asked for %s), and a living reader that relies on it; end "
                       "the reader first", name, was < SM_RING_POLICIES ? names[was] : "unknown", names[policy]);
    const off_t at = SM_LANE_BLOCKS + offsetof(sm_lane_block, in_force);
    int code = pwrite(file->fd, &policy, sizeof policy, at) == (ssize_t)sizeof policy ? SM_RING_OK
                                                                                     : sm_fail_os(error, "cannot write", name);
    sm_ring_file_let_reader(file);
    return code;
}

static void bump(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_release);
}

void sm_ring_set_digest(sm_ring *r, const char *digest) {
    if (r->role != SM_RING_PRODUCER || r->lanes->fault == SM_RING_DISOWNED) return;
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

static int check_shape(const sm_ring_header *want, uint32_t policy, const char *digest, char *error) {
    int code = check_geometry(want->slots, want->slot_size, want->record_header, error);
    if (code || (code = check_digest(digest, error))) return code;
    if (policy >= SM_RING_POLICIES)
        return sm_fail(SM_RING_BAD, "policy must be 0 (drop_newest), 1 (block) or 2 (drop_oldest), not %u", policy);
    return SM_RING_OK;
}

/* What is constant in the header of a ring of this shape, but for its magic number. */
static sm_ring_header shape(uint64_t slots, uint32_t slot_size, uint32_t record_header, uint64_t layout_hash, int huge) {
    sm_ring_header want;
    memset((void *)&want, 0, sizeof want);
    want.abi = SM_RING_ABI;
    want.header_size = SM_RING_HEADER;
    want.slot_size = slot_size;
    want.record_header = record_header;
    want.slots = slots;
    want.layout_hash = layout_hash;
    want.unit = huge || slots * slot_size >= SM_RING_HUGE ? SM_RING_HUGE : SM_RING_HEADER;
    want.created_ns = sm_now_ns();
    return want;
}

/* The producer says that it is there; the magic number last of all. */
static void begin(sm_ring *r, const char *digest) {
    sm_ring_header *const h = r->shared;
    atomic_store_explicit(&h->producer_pid, (uint32_t)getpid(), memory_order_relaxed);
    atomic_store_explicit(&h->producer_barrier, sm_bell_join(), memory_order_relaxed);
    atomic_store_explicit(&h->measured, 0, memory_order_relaxed);
    sm_ring_set_digest(r, digest);
    bump(&h->epoch);
    sm_ring_beat(r);
    atomic_store_explicit(&h->state, SM_RING_STATE_OPEN, memory_order_release);
    atomic_store_explicit(&h->magic, SM_RING_MAGIC, memory_order_release);
}

int sm_ring_create(const char *name, uint64_t slots, uint32_t slot_size, uint32_t policy, uint32_t record_header,
                   uint64_t layout_hash, const char *digest, sm_ring **out, char *error) {
    sm_ring_file file;
    int code, fresh = 0;
    sm_ring_header head, want = shape(slots, slot_size, record_header, layout_hash, 0);
    if ((code = sm_ring_check_name(name, error)) || (code = check_shape(&want, policy, digest, error))) return code;
    if ((code = sm_ring_file_take(name, SM_RING_PRODUCER, "", &file, error))) return code;
    if ((code = read_geometry(&file, name, &head, &fresh, error)) == SM_RING_OK)
        code = fresh ? make_file(file.fd, name, &want, error) : same_geometry(&head, &want, name, error);
    if (code == SM_RING_OK && !fresh) code = change_policy(&file, policy, name, error);
    sm_ring *r = 0;
    file.anew = fresh;
    if (code == SM_RING_OK && !(r = sm_ring_map(&file, SM_RING_PRODUCER, name, &want)))
        code = sm_fail_os(error, "cannot map", name);
    if (code == SM_RING_OK && fresh) code = sm_ring_back_lane(r, &want, 0, error);
    if (code == SM_RING_OK) code = take_lanes_over(r, policy, name, error);
    if (code) {
        if (r) file.fd = r->fd; /* which goes with the handle */
        if (fresh && code == SM_RING_OS) sm_ring_file_withdraw(&file);
        discard(r, &file);
        return code;
    }
    begin(r, digest);
    *out = r;
    return SM_RING_OK;
}

int sm_ring_create_anonymous(const char *label, int huge, uint64_t slots, uint32_t slot_size, uint32_t policy,
                             uint32_t record_header, uint64_t layout_hash, const char *digest, sm_ring **out, char *error) {
    sm_ring_file file;
    int code, shown;
    const sm_ring_header want = shape(slots, slot_size, record_header, layout_hash, huge);
    if ((code = sm_ring_check_name(label, error)) || (code = check_shape(&want, policy, digest, error)) ||
        (code = sm_ring_memfd_make(label, sm_ring_lane_at(&want, SM_RING_LANES), huge, &file, &shown, error)))
        return code;
    sm_ring *r = 0;
    file.anew = 1;
    code = sm_ring_get_memory(file.fd, label, 0, SM_RING_HEADER, error);
    if (!code && !(r = sm_ring_map(&file, SM_RING_PRODUCER, label, &want))) code = sm_fail_os(error, "cannot map", label);
    if (!r) {
        close(shown);
        discard(r, &file);
        return code;
    }
    r->shown = shown;
    memcpy((void *)r->shared, (const void *)&want, offsetof(sm_ring_header, digest_version));
    if ((code = sm_ring_back_lane(r, &want, 0, error)) || (code = take_lanes_over(r, policy, label, error))) {
        discard(r, &file);
        return code;
    }
    begin(r, digest);
    *out = r;
    return SM_RING_OK;
}

/* A subscriber's name as the block's words. */
static void put_name(sm_lane_block *block, const char *subscriber) {
    uint64_t words[SM_LANE_NAME / 8] = {0};
    memcpy(words, subscriber, strlen(subscriber));
    for (int i = 0; i < SM_LANE_NAME / 8; i++) atomic_store_explicit(&block->name[i], words[i], memory_order_relaxed);
}

/* Accounts of a subscriber begin here: what others left unread is lost. */
static void begin_anew(sm_lane *lane, const char *subscriber) {
    sm_lane_block *const block = lane->shared;
    const uint64_t written = atomic_load_explicit(&block->written, memory_order_acquire);
    atomic_store_explicit(&block->state, SM_LANE_FREE, memory_order_release);
    lane->mine = lane->theirs = atomic_load_explicit(&block->consumed, memory_order_relaxed);
    if (written - lane->mine > UINT64_MAX / 2) lane->mine = written; /* an index that cannot be is put right */
    sm_lane_skip(lane, written);
    put_name(block, subscriber);
    atomic_store_explicit(&block->start, written, memory_order_relaxed);
    atomic_store_explicit(&block->start_lost, atomic_load_explicit(&block->lost, memory_order_relaxed), memory_order_relaxed);
    for (int i = 0; i < SM_RING_CAUSES; i++)
        atomic_store_explicit(&block->start_undelivered[i],
                              atomic_load_explicit(&block->undelivered[i], memory_order_relaxed), memory_order_relaxed);
}

/* What the reader asks for, or finds. */
static int settle_policy(sm_lane *lane, int anew, uint32_t policy, uint64_t deadline_us, const char *name, char *error) {
    sm_lane_block *const block = lane->shared;
    const uint32_t in_force = atomic_load_explicit(&block->in_force, memory_order_acquire);
    const uint32_t wish = atomic_load_explicit(&block->policy, memory_order_relaxed);
    if (policy == SM_RING_SAME_POLICY) policy = !lane->number ? in_force : anew ? SM_RING_DROP_NEWEST : wish;
    if (deadline_us == SM_RING_SAME_DEADLINE)
        deadline_us = anew ? SM_DEADLINE_US : atomic_load_explicit(&block->deadline_us, memory_order_relaxed);
    if (policy >= SM_RING_POLICIES || deadline_us > SM_DEADLINE_MAX_US)
        return sm_fail(SM_RING_CORRUPT, "ring %s is corrupt: lane %u has policy %u; remove it: sevenm ring rm %s", name,
                       lane->number, policy, name);
    lane->policy = policy;
    /* Where the producer may be following another policy, nothing is read before it has taken notice. */
    lane->pending = lane->number && (wish != policy || in_force != policy);
    if (!lane->number) return SM_RING_OK;
    atomic_store_explicit(&block->policy, policy, memory_order_relaxed);
    atomic_store_explicit(&block->deadline_us, deadline_us, memory_order_relaxed);
    return SM_RING_OK;
}

/* The lane is this reader's: says so, after having looked whether it can be. */
static int join(sm_ring *r, const sm_ring_file *file, const char *subscriber, uint32_t policy, uint64_t deadline_us,
                const char *name, char *error) {
    sm_lane *const lane = r->lanes;
    sm_lane_block *const block = lane->shared;
    if (file->anew) begin_anew(lane, subscriber);
    int code = settle_policy(lane, file->anew, policy, deadline_us, name, error);
    if (code) return code;
    lane->mine = lane->theirs = atomic_load_explicit(&block->consumed, memory_order_relaxed);
    if (!lane->pending) sm_lane_catch_up(r, lane);
    if (lane->fault) return wrong_indices(r, lane, name, error);
    atomic_store_explicit(&block->pid, (uint32_t)getpid(), memory_order_relaxed);
    atomic_store_explicit(&block->barrier, sm_bell_join(), memory_order_relaxed);
    atomic_store_explicit(&block->measured, 0, memory_order_relaxed);
    bump(&block->epoch);
    lane->epoch = atomic_load_explicit(&block->epoch, memory_order_relaxed);
    atomic_store_explicit(&block->state, SM_LANE_OPEN, memory_order_release);
    atomic_fetch_add_explicit(&r->shared->roll, 1, memory_order_release);
    if (lane->number) sm_ring_file_chosen(r->fd);
    return SM_RING_OK;
}

/* The file has a lane, or an observer's role, taken. */
static int attach(sm_ring_file file, const char *name, int role, const char *subscriber, uint32_t policy, uint64_t deadline_us,
                  const uint32_t *record_header, uint64_t layout_hash, sm_ring **out, char *error) {
    int fresh = 0;
    sm_ring_header head;
    int code = read_geometry(&file, name, &head, &fresh, error);
    if (code == SM_RING_OK && fresh) code = sm_ring_file_unmade(&file, name, error);
    if (code == SM_RING_OK && layout_hash && head.layout_hash != layout_hash)
        code = sm_fail(SM_RING_MISMATCH, "ring %s carries layout 0x%016" PRIx64 ", this reader expects 0x%016" PRIx64
                       "; build both sides from the same schema", name, head.layout_hash, layout_hash);
    if (code == SM_RING_OK && record_header && head.record_header != *record_header)
        code = sm_fail(SM_RING_MISMATCH, "ring %s has %s, this reader expects %s", name,
                       head.record_header ? "records with headers" : "bare slots",
                       *record_header ? "records with headers" : "bare slots");
    sm_ring *r = 0;
    if (code == SM_RING_OK && !(r = sm_ring_map(&file, role, name, &head))) code = sm_fail_os(error, "cannot map", name);
    /* A lane's memory is its subscriber's to get: where there is none it is no SIGBUS of the producer. */
    if (code == SM_RING_OK && file.anew) code = sm_ring_back_lane(r, &head, file.lane, error);
    if (code == SM_RING_OK && role == SM_RING_READER)
        code = join(r, &file, subscriber, policy, deadline_us, name, error);
    if (code) {
        discard(r, &file);
        return code;
    }
    *out = r;
    return SM_RING_OK;
}

static int check_wishes(const char *subscriber, uint32_t policy, uint64_t deadline_us, char *error) {
    int code = *subscriber ? sm_ring_check_subscriber(subscriber, error) : SM_RING_OK;
    if (code) return code;
    if (!*subscriber && (policy != SM_RING_SAME_POLICY || deadline_us != SM_RING_SAME_DEADLINE))
        return sm_fail(SM_RING_BAD, "the default subscriber's policy and deadline are the producer's; give the subscriber a "
                       "name to have its own");
    if (policy != SM_RING_SAME_POLICY && policy >= SM_RING_POLICIES)
        return sm_fail(SM_RING_BAD, "policy must be 0 (drop_newest), 1 (block) or 2 (drop_oldest), not %u", policy);
    if (deadline_us != SM_RING_SAME_DEADLINE && deadline_us > SM_DEADLINE_MAX_US)
        return sm_fail(SM_RING_BAD, "deadline must be at most a day, not %" PRIu64 " microseconds", deadline_us);
    return SM_RING_OK;
}

int sm_ring_attach(const char *name, const char *subscriber, uint32_t policy, uint64_t deadline_us, uint32_t record_header,
                   uint64_t layout_hash, sm_ring **out, char *error) {
    sm_ring_file file;
    int code = check_wishes(subscriber, policy, deadline_us, error);
    if (code || (code = sm_ring_file_take(name, SM_RING_READER, subscriber, &file, error))) return code;
    return attach(file, name, SM_RING_READER, subscriber, policy, deadline_us, &record_header, layout_hash, out, error);
}

int sm_ring_observe(const char *name, sm_ring **out, char *error) {
    sm_ring_file file;
    int code = sm_ring_file_take(name, SM_RING_OBSERVER, "", &file, error);
    if (code) return code;
    return attach(file, name, SM_RING_OBSERVER, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, 0, 0, out, error);
}

/* What messages call a ring that has no name. */
static void name_descriptor(int descriptor, char *name, size_t size) { snprintf(name, size, "descriptor %d", descriptor); }

int sm_ring_attach_descriptor(int descriptor, const char *subscriber, uint32_t policy, uint64_t deadline_us,
                              uint32_t record_header, uint64_t layout_hash, sm_ring **out, char *error) {
    char name[32];
    sm_ring_file file;
    name_descriptor(descriptor, name, sizeof name);
    int code = check_wishes(subscriber, policy, deadline_us, error);
    if (code || (code = sm_ring_memfd_take(descriptor, name, SM_RING_READER, subscriber, &file, error))) return code;
    return attach(file, name, SM_RING_READER, subscriber, policy, deadline_us, &record_header, layout_hash, out, error);
}

int sm_ring_observe_descriptor(int descriptor, sm_ring **out, char *error) {
    char name[32];
    sm_ring_file file;
    name_descriptor(descriptor, name, sizeof name);
    int code = sm_ring_memfd_take(descriptor, name, SM_RING_OBSERVER, "", &file, error);
    if (code) return code;
    return attach(file, name, SM_RING_OBSERVER, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, 0, 0, out, error);
}
