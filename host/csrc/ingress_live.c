/* What live kinds share: how they wait, and how they end. */
#include "ingress_live.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define SETTLE_NS 20000000 /* several times what the kernel takes to close a block that it is filling */

int sm_live_nothing(const sm_live *live)
{
    return live->fault ? SM_INGRESS_FAULT : live->ended ? SM_INGRESS_END : SM_INGRESS_IDLE;
}

int sm_live_wait(sm_ingress *base, uint64_t timeout_us)
{
    sm_live *const live = (sm_live *)base;
    struct pollfd what = {live->fd, POLLIN, 0};
    const struct timespec most = {(time_t)(timeout_us / 1000000), (long)(timeout_us % 1000000) * 1000};

    if (live->fault || live->ended)
        return -1;
    const int found = ppoll(&what, 1, &most, 0);
    if (found < 0 && errno != EINTR) {
        live->fault = errno;
        return -1;
    }
    if (found <= 0)
        return 0;
    if (what.revents & POLLERR) {
        int error = 0;
        socklen_t size = sizeof error;
        /* What is no socket says it with its next read. */
        if (getsockopt(live->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error) {
            const struct timespec settle = {0, SETTLE_NS};
            nanosleep(&settle, 0);
            live->fault = error; /* next gives what came in before, then says so */
        }
    }
    return 1;
}

int sm_live_asleep(int fd, uint32_t ifindex)
{
    struct ifreq request = {.ifr_ifindex = (int)ifindex};
    if (ioctl(fd, SIOCGIFNAME, &request) || ioctl(fd, SIOCGIFFLAGS, &request))
        return errno;
    return request.ifr_flags & IFF_UP ? 0 : ENETDOWN;
}

void sm_live_close(sm_ingress *base)
{
    ((sm_live *)base)->ended = 1;
}
