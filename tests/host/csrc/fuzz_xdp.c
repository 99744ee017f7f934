/* The rings of an AF_XDP ingress, as a kernel fills them, and as none would: descriptors that leave the UMEM or their
 * chunk, frames that go on without an end, indices that cannot be. What has to come of it is worked out beside it: how
 * long each frame is, which are damaged; and where everything was sound, each byte of it, and where each chunk is. */
#include "sm_boundary.h"
#undef SM_CAPTURE_MAX
#define SM_CAPTURE_MAX 20000 /* so that frames are longer than that often */
#include "ingress_xdp.h"
#undef SM_XDP_ROOM
#define SM_XDP_ROOM 45000 /* and a burst often has more of them than fit */
#include "ingress_xdp.c"

#include "fuzz.h"

enum { FRAMES = 16, STEPS = 300, EXPECTED = 4096 };

static uint64_t seen, damaged_seen, cut_seen, gathered_seen, faults_seen;

typedef struct {
    uint32_t held, wire;
    uint64_t first; /* number of its first byte, by which the others follow */
} expected;

typedef struct {
    sm_xdp_ingress ingress;
    uint8_t *umem;
    uint64_t fill[FRAMES];
    struct xdp_desc rx[FRAMES];
    uint32_t indices[6], chunk, sound, taken; /* taken: of the fill ring */
    expected queue[EXPECTED];
    uint32_t from, to;
    expected part;
    uint32_t open, bad;
    uint64_t damaged, bytes;
} world;

static uint32_t in_rx(const world *w) { return w->indices[3] - w->indices[4]; }

/* The kernel says this; what that means for the frame. */
static void say(world *w, struct xdp_desc desc)
{
    const uint64_t size = (uint64_t)FRAMES * w->chunk;
    const int fits = desc.addr < size && desc.len <= w->chunk - desc.addr % w->chunk;
    const uint32_t goes_on = desc.options & XDP_PKT_CONTD;
    w->rx[w->indices[3]++ % FRAMES] = desc;
    if (!w->open) {
        w->part = (expected){0, 0, w->bytes};
        w->bad = 0;
    }
    if (!w->bad && (!fits || ((goes_on || w->open) && !w->ingress.queues[0].room))) {
        w->bad = 1;
        w->damaged++;
    }
    if (!w->bad) {
        for (uint32_t i = 0; i < desc.len && w->sound; i++)
            w->umem[desc.addr + i] = (uint8_t)((w->bytes + i) * 167 >> 3);
        const uint64_t wire = (uint64_t)w->part.wire + desc.len, most = goes_on || w->open ? SM_CAPTURE_MAX : UINT32_MAX;
        w->bytes += desc.len;
        w->part.wire = wire < UINT32_MAX ? (uint32_t)wire : UINT32_MAX;
        w->part.held = wire < most ? (uint32_t)wire : SM_CAPTURE_MAX;
    }
    w->open = goes_on;
    if (!goes_on && !w->bad) {
        CHECK(w->to < EXPECTED);
        w->queue[w->to++] = w->part;
    }
}

/* A frame as a kernel makes it: of chunks that the fill ring has, whole. */
static void send_sound(world *w, fuzz_input *in)
{
    const uint32_t chunks = 1 + take_below(in, take_byte(in) % 4 ? 3 : FRAMES);
    if (chunks > w->indices[0] - w->taken || chunks > FRAMES - in_rx(w))
        return;
    for (uint32_t left = chunks; left; left--) {
        const uint64_t address = w->fill[w->taken++ % FRAMES] / w->chunk * w->chunk + SM_XDP_HEADROOM;
        const uint32_t most = w->chunk - SM_XDP_HEADROOM;
        say(w, (struct xdp_desc){address, left > 1 ? most : take_below(in, most + 1), left > 1 ? XDP_PKT_CONTD : 0});
    }
    w->indices[1] = w->taken;
}

static void send_any(world *w, fuzz_input *in)
{
    static const uint64_t SHIFTS[] = {0, 0, 0, 12, 32, 56};
    if (in_rx(w) >= FRAMES)
        return;
    struct xdp_desc desc = {take_bytes(in, 2) << SHIFTS[take_byte(in) % 6], (uint32_t)take_bytes(in, 2), take_byte(in)};
    if (take_byte(in) % 8 == 0)
        desc.len = (uint32_t)take_bytes(in, 4);
    if (take_byte(in) % 2)
        desc.addr = take_below(in, FRAMES) * (uint64_t)w->chunk, desc.len %= w->chunk + 2;
    say(w, desc);
}

static void receive(world *w)
{
    sm_ingress *const base = &w->ingress.live.base;
    const uint64_t end = (uint64_t)FRAMES * w->chunk + w->ingress.queues[0].room;
    sm_burst burst;
    const int found = next(base, &burst);
    CHECK(found == SM_INGRESS_READY || found == SM_INGRESS_IDLE);
    if (found != SM_INGRESS_READY)
        return;
    CHECK(burst.n && burst.n <= w->ingress.burst && burst.buffer == w->umem);
    for (uint64_t i = 0; i < burst.n; i++) {
        const sm_event *const event = &burst.events[i];
        CHECK(w->from < w->to);
        const expected want = w->queue[w->from++];
        CHECK(event->cap_len == want.held && event->wire_len == want.wire);
        CHECK(event->offset <= end && event->cap_len <= end - event->offset);
        volatile uint8_t sum = 0;
        for (uint32_t at = 0; at < event->cap_len; at++) {
            const uint8_t byte = burst.buffer[event->offset + at];
            CHECK(!w->sound || byte == (uint8_t)((want.first + at) * 167 >> 3));
            sum ^= byte;
        }
        gathered_seen += event->offset >= (uint64_t)FRAMES * w->chunk;
        cut_seen += want.held < want.wire;
    }
    seen += burst.n;
    release(base, &burst);
}

static void fuzz_one(fuzz_input in)
{
    static world w;
    static sm_event table[FRAMES];
    memset(&w, 0, sizeof w);
    w.sound = take_byte(&in) % 2;
    w.chunk = take_byte(&in) % 2 ? 2048 : 4096;
    const uint64_t size = (uint64_t)FRAMES * w.chunk, room = w.sound || take_byte(&in) % 4 ? SM_XDP_ROOM : 0;
    w.umem = calloc(1, size + room);
    CHECK(w.umem);
    w.ingress = (sm_xdp_ingress){.live.base.ops = &OPS, .live.fd = -1, .table = table, .n_queues = 1, .frames = FRAMES,
                                 .chunk = w.chunk, .burst = 1 + take_byte(&in) % FRAMES};
    w.ingress.queues[0] = (sm_xdp_queue){
        .umem = w.umem, .room = room, .fd = -1,
        .fill = {&w.indices[0], &w.indices[1], &w.indices[2], w.fill, 0, 0, FRAMES - 1, FRAMES},
        .rx = {&w.indices[3], &w.indices[4], &w.indices[5], w.rx, 0, 0, FRAMES - 1, 0}};
    for (uint32_t i = 0; i < FRAMES; i++)
        w.fill[i] = (uint64_t)i * w.chunk;
    w.indices[0] = FRAMES;
    for (uint32_t step = 0; step < STEPS && in.at < in.end; step++) {
        if (take_byte(&in) % 4 == 0)
            receive(&w);
        else if (w.sound)
            send_sound(&w, &in);
        else
            send_any(&w, &in);
    }
    for (uint32_t more = 0; more < FRAMES && in_rx(&w); more++)
        receive(&w);
    CHECK(!in_rx(&w) && w.from == w.to);
    CHECK(w.ingress.live.received == w.to && w.ingress.live.damaged == w.damaged);
    if (w.sound) {
        /* Each chunk is in the fill ring once. */
        uint32_t there = 0;
        CHECK(w.indices[0] - w.taken == FRAMES && !w.damaged);
        for (uint32_t i = 0; i < FRAMES; i++)
            there |= 1u << w.fill[i] / w.chunk;
        CHECK(there == (1u << FRAMES) - 1);
    } else if (take_byte(&in) % 2) {
        sm_burst burst;
        w.indices[3] += FRAMES + 1 + (uint32_t)take_bytes(&in, 4) % (UINT32_MAX - FRAMES);
        CHECK(next(&w.ingress.live.base, &burst) == SM_INGRESS_FAULT && w.ingress.live.fault == EPROTO);
        faults_seen++;
    }
    damaged_seen += w.damaged;
    free(w.umem);
}

static void fuzz_said(void)
{
    printf("%llu frames, %llu gathered, %llu cut, %llu damaged, %llu faults\n", (unsigned long long)seen,
           (unsigned long long)gathered_seen, (unsigned long long)cut_seen, (unsigned long long)damaged_seen,
           (unsigned long long)faults_seen);
}
