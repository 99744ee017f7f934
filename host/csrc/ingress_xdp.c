#include "ingress_xdp.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

static uint32_t load(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

/* The chunk of this address is the kernel's again, once that is told. There is room: no ring is smaller than the number
 * of chunks. */
static void give_back(sm_xdp_queue *queue, uint64_t address)
{
    ((uint64_t *)queue->fill.entries)[queue->fill.at++ & queue->fill.mask] = address;
}

static void tell(sm_xdp_queue *queue)
{
    sm_xdp_ring *const fill = &queue->fill;
    store(fill->producer, fill->at);
    /* A driver that stopped for want of frames asks to be told; the call does nothing else. */
    if (load(fill->flags) & XDP_RING_NEED_WAKEUP)
        (void)!recvfrom(queue->fd, 0, 0, MSG_DONTWAIT, 0, 0);
}

static uint64_t umem_size(const sm_xdp_ingress *ingress)
{
    return (uint64_t)ingress->frames * ingress->chunk;
}

/* The room is free again, but for a frame that goes on. */
static void clear_room(const sm_xdp_ingress *ingress, sm_xdp_queue *queue)
{
    sm_xdp_part *const part = &queue->part;
    uint8_t *const room = queue->umem + umem_size(ingress);
    queue->used = 0;
    if (part->open) {
        memmove(room, room + part->at, part->held);
        part->at = 0;
        queue->used = part->held;
    }
}

/* One more chunk of a frame of several. 1: it was the last one, and event is the frame. */
static int gather(sm_xdp_ingress *ingress, sm_xdp_queue *queue, const struct xdp_desc *desc, int fits, sm_event *event)
{
    sm_xdp_part *const part = &queue->part;
    const uint64_t room = umem_size(ingress);
    if (!part->open)
        *part = (sm_xdp_part){.at = queue->used, .open = 1};
    if ((!fits || !queue->room) && !part->damaged) {
        part->damaged = 1;
        ingress->live.damaged++;
    }
    if (!part->damaged) {
        const uint32_t left = SM_CAPTURE_MAX - part->held, more = desc->len < left ? desc->len : left;
        memcpy(queue->umem + room + part->at + part->held, queue->umem + desc->addr, more);
        part->held += more;
        part->wire = desc->len < UINT32_MAX - part->wire ? part->wire + desc->len : UINT32_MAX;
        queue->used = part->at + part->held;
    }
    part->open = desc->options & XDP_PKT_CONTD;
    if (part->open || part->damaged)
        return 0;
    *event = (sm_event){room + part->at, event->ts_ns, part->held, part->wire};
    return 1;
}

/* Fills the table from the queue's rx ring; how many. */
static uint32_t take(sm_xdp_ingress *ingress, sm_xdp_queue *queue)
{
    sm_xdp_ring *const rx = &queue->rx;
    const struct xdp_desc *const entries = rx->entries;
    const uint64_t size = umem_size(ingress);
    const uint32_t filled = queue->fill.at;
    uint32_t there = load(rx->producer) - rx->at, n = 0;
    if (!there)
        return 0;
    if (there > ingress->frames) {
        ingress->live.fault = EPROTO;
        return 0;
    }
    if (there > ingress->burst)
        there = ingress->burst;
    const uint64_t ts_ns = sm_now_ns();
    clear_room(ingress, queue);
    for (uint32_t i = 0; i < there; i++) {
        const struct xdp_desc desc = entries[rx->at & rx->mask];
        const uint32_t goes_on = desc.options & XDP_PKT_CONTD, several = goes_on | queue->part.open;
        const uint64_t left = ingress->chunk - (desc.addr & (ingress->chunk - 1));
        const int fits = desc.addr < size && desc.len <= left;
        sm_event *const event = &ingress->table[n];
        /* The longest frame has to have room before it begins; the next burst has all of it. */
        if (goes_on && !queue->part.open && queue->room && queue->room - queue->used < SM_CAPTURE_MAX)
            break;
        rx->at++;
        *event = (sm_event){desc.addr, ts_ns, desc.len, desc.len};
        if (several)
            n += (uint32_t)gather(ingress, queue, &desc, fits, event);
        else if (fits) {
            n++;
            continue;
        } else
            ingress->live.damaged++;
        if (desc.addr < size)
            give_back(queue, desc.addr);
    }
    store(rx->consumer, rx->at);
    if (queue->fill.at != filled)
        tell(queue);
    return n;
}

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_xdp_ingress *const ingress = (sm_xdp_ingress *)base;
    for (uint32_t asked = 0; asked < ingress->n_queues; asked++) {
        const uint32_t turn = ingress->turn;
        ingress->turn = turn + 1 < ingress->n_queues ? turn + 1 : 0;
        sm_xdp_queue *const queue = &ingress->queues[turn];
        const uint32_t n = take(ingress, queue);
        if (!n)
            continue;
        ingress->taken = turn;
        ingress->live.received += n;
        *burst = (sm_burst){queue->umem, ingress->table, n, ingress->live.port, 0};
        return SM_INGRESS_READY;
    }
    return sm_live_nothing(&ingress->live);
}

static void release(sm_ingress *base, const sm_burst *burst)
{
    sm_xdp_ingress *const ingress = (sm_xdp_ingress *)base;
    sm_xdp_queue *const queue = &ingress->queues[ingress->taken];
    const uint64_t size = umem_size(ingress);
    /* What lies behind the UMEM gave its chunks back when it was gathered. */
    for (uint64_t i = 0; i < burst->n; i++)
        if (burst->events[i].offset < size)
            give_back(queue, burst->events[i].offset);
    tell(queue);
}

static int wait(sm_ingress *base, uint64_t timeout_us)
{
    sm_xdp_ingress *const ingress = (sm_xdp_ingress *)base;
    struct pollfd fds[SM_XDP_QUEUES_MAX];
    const struct timespec limit = {(time_t)(timeout_us / 1000000), (long)(timeout_us % 1000000) * 1000};
    if (ingress->live.fault || ingress->live.ended)
        return -1;
    for (uint32_t i = 0; i < ingress->n_queues; i++)
        fds[i] = (struct pollfd){ingress->queues[i].fd, POLLIN, 0};
    const int ready = ppoll(fds, ingress->n_queues, &limit, 0);
    if (ready < 0) {
        ingress->live.fault = errno == EINTR ? 0 : errno;
        return ingress->live.fault ? -1 : 0;
    }
    for (uint32_t i = 0; i < ingress->n_queues; i++)
        if (fds[i].revents & POLLIN)
            return 1;
    for (uint32_t i = 0; ready && i < ingress->n_queues; i++)
        if (fds[i].revents) {
            socklen_t size = sizeof ingress->live.fault;
            if (getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &ingress->live.fault, &size) || !ingress->live.fault)
                ingress->live.fault = ENETDOWN;
            return -1;
        }
    ingress->live.fault = sm_live_asleep(ingress->live.fd, ingress->ifindex);
    return ingress->live.fault ? -1 : 0;
}

void sm_xdp_count(sm_xdp_ingress *ingress)
{
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < ingress->n_queues; i++) {
        struct xdp_statistics stats;
        socklen_t size = sizeof stats;
        memset(&stats, 0, sizeof stats);
        /* What found the fill ring empty is among rx_dropped. */
        if (!getsockopt(ingress->queues[i].fd, SOL_XDP, XDP_STATISTICS, &stats, &size))
            dropped += stats.rx_dropped + stats.rx_ring_full;
    }
    ingress->dropped = dropped;
}

static void finish(sm_ingress *base)
{
    sm_xdp_ingress *const ingress = (sm_xdp_ingress *)base;
    sm_xdp_count(ingress);
    for (uint32_t i = 0; i < ingress->n_queues; i++) {
        sm_xdp_queue *const queue = &ingress->queues[i];
        close(queue->fd);
        if (queue->fill.map)
            munmap(queue->fill.map, queue->fill.map_bytes);
        if (queue->rx.map)
            munmap(queue->rx.map, queue->rx.map_bytes);
        if (queue->umem)
            munmap(queue->umem, umem_size(ingress) + queue->room);
    }
    if (ingress->live.fd >= 0)
        close(ingress->live.fd);
    ingress->live.fd = -1;
    ingress->n_queues = 0;
    ingress->live.ended = 1;
}

static const sm_ingress_ops OPS = {"xdp", next, release, finish, wait};

static int ring(sm_xdp_ring *ring, int fd, const struct xdp_ring_offset *offset, uint32_t n, uint64_t entry, off_t place)
{
    const uint64_t bytes = offset->desc + n * entry;
    uint8_t *const map = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, place);
    if (map == MAP_FAILED)
        return -errno;
    *ring = (sm_xdp_ring){(uint32_t *)(map + offset->producer), (uint32_t *)(map + offset->consumer),
                          (uint32_t *)(map + offset->flags), map + offset->desc, map, bytes, n - 1, 0};
    return 0;
}

static int option(int fd, int name, const void *value, socklen_t size)
{
    return setsockopt(fd, SOL_XDP, name, value, size) ? -errno : 0;
}

/* The queue's descriptor is open; what else is open then, `finish` closes. */
static int open_queue(const sm_xdp_ingress *ingress, sm_xdp_queue *queue, uint32_t flags, const char **step)
{
    const uint64_t size = umem_size(ingress), room = flags & XDP_USE_SG ? SM_XDP_ROOM : 0;
    int done;
    *step = "memory for its frames";
    uint8_t *const umem = mmap(0, size + room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (umem == MAP_FAILED)
        return -errno;
    queue->umem = umem;
    queue->room = room;
    const struct xdp_umem_reg reg = {.addr = (uint64_t)(uintptr_t)umem, .len = size, .chunk_size = ingress->chunk};
    *step = "registering its frames";
    if ((done = option(queue->fd, XDP_UMEM_REG, &reg, sizeof reg)))
        return done;
    *step = "its rings";
    struct xdp_mmap_offsets offsets;
    socklen_t length = sizeof offsets;
    const uint32_t n = ingress->frames;
    /* A socket without a completion ring cannot be bound, though nothing is sent. */
    const uint32_t completion = 2;
    if ((done = option(queue->fd, XDP_UMEM_FILL_RING, &n, sizeof n)) ||
        (done = option(queue->fd, XDP_UMEM_COMPLETION_RING, &completion, sizeof completion)) ||
        (done = option(queue->fd, XDP_RX_RING, &n, sizeof n)))
        return done;
    if (getsockopt(queue->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length))
        return -errno;
    if ((done = ring(&queue->fill, queue->fd, &offsets.fr, n, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING)) ||
        (done = ring(&queue->rx, queue->fd, &offsets.rx, n, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING)))
        return done;
    for (uint32_t i = 0; i < n; i++)
        ((uint64_t *)queue->fill.entries)[i] = (uint64_t)i * ingress->chunk;
    queue->fill.at = n;
    store(queue->fill.producer, n);
    *step = "binding it";
    const struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP,
        .sxdp_flags = (uint16_t)(flags | XDP_USE_NEED_WAKEUP),
        .sxdp_ifindex = ingress->ifindex,
        .sxdp_queue_id = queue->queue,
    };
    return bind(queue->fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
}

int sm_xdp_ingress_open(sm_xdp_ingress *ingress, uint32_t ifindex, const uint32_t *queues, uint32_t n_queues,
                        uint32_t flags, uint32_t frames, uint32_t chunk, sm_event *table, uint32_t burst, const char **step)
{
    int done = 0;
    memset(ingress, 0, sizeof *ingress);
    ingress->live.base.ops = &OPS;
    ingress->table = table;
    ingress->ifindex = ifindex;
    ingress->frames = frames;
    ingress->chunk = chunk;
    ingress->burst = burst;
    *step = "a socket";
    ingress->live.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ingress->live.fd < 0)
        done = -errno;
    for (uint32_t i = 0; i < n_queues && !done; i++) {
        sm_xdp_queue *const queue = &ingress->queues[i];
        *step = "an AF_XDP socket";
        queue->queue = queues[i];
        queue->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (queue->fd < 0) {
            done = -errno;
            break;
        }
        ingress->n_queues = i + 1;
        done = open_queue(ingress, queue, flags, step);
    }
    if (!done) {
        *step = "using it";
        done = -sm_live_asleep(ingress->live.fd, ifindex);
    }
    if (done)
        finish(&ingress->live.base);
    return done;
}

/* Asks after an interface by its name; what was asked for is in the request. */
static int ask(const char *interface, unsigned long what, struct ifreq *request)
{
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    strncpy(request->ifr_name, interface, IFNAMSIZ - 1);
    const int done = ioctl(fd, what, request) ? -errno : 0;
    close(fd);
    return done;
}

int sm_xdp_queues(const char *interface)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq request = {.ifr_data = (void *)&channels};
    const int done = ask(interface, SIOCETHTOOL, &request);
    if (done)
        return done == -EOPNOTSUPP ? 1 : done;
    const uint32_t n = channels.combined_count + channels.rx_count;
    return n ? (int)n : 1;
}

int sm_xdp_mtu(const char *interface)
{
    struct ifreq request = {.ifr_ifindex = 0};
    const int done = ask(interface, SIOCGIFMTU, &request);
    return done ? done : request.ifr_mtu;
}

int sm_xdp_strips_tags(const char *interface)
{
    struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
    struct ifreq request = {.ifr_data = (void *)&flags};
    const int done = ask(interface, SIOCETHTOOL, &request);
    if (done)
        return done == -EOPNOTSUPP ? 0 : done;
    return (flags.data & ETH_FLAG_RXVLAN) != 0;
}
