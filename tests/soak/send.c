/* Sends numbered UDP frames on an interface as fast as it goes, until SIGTERM: frame n goes to port 5000 + n % 10 and
 * carries n, little endian, behind its headers.
 *
 *     send INTERFACE */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, SIZE = 60, PORT_AT = 36, NUMBER_AT = 42 };
static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

int main(int argc, char **argv)
{
    static const uint8_t head[] = {
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,                              /* Ethernet: IPv4 */
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2,   /* IPv4: UDP */
        0x1f, 0x90, 0, 0, 0, 26, 0, 0,                                        /* UDP from 8080 */
    };
    static uint8_t frames[BATCH][SIZE];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
    const int one = 1, link = socket(AF_PACKET, SOCK_RAW, 0);
    if (argc != 2 || link < 0 || !(to.sll_ifindex = (int)if_nametoindex(argv[1]))) {
        perror("send INTERFACE");
        return 1;
    }
    (void)setsockopt(link, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    (void)signal(SIGTERM, end);
    for (int i = 0; i < BATCH; i++) {
        memcpy(frames[i], head, sizeof head);
        parts[i] = (struct iovec){frames[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i],
                                              .msg_iovlen = 1};
    }
    for (uint64_t number = 0; !ended;) {
        for (int i = 0; i < BATCH; i++) {
            const uint64_t n = number + (uint64_t)i;
            const uint16_t port = htons((uint16_t)(5000 + n % 10));
            memcpy(frames[i] + PORT_AT, &port, sizeof port);
            memcpy(frames[i] + NUMBER_AT, &n, sizeof n);
        }
        const int done = sendmmsg(link, messages, BATCH, 0);
        if (done > 0)
            number += (uint64_t)done;
        else
            (void)usleep(1000); /* the other end is down, or has no room */
    }
    return 0;
}
