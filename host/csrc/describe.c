#include "describe.h"

#include <string.h>

enum { ICMP = 1, IGMP = 2, TCP = 6, UDP = 17, GRE = 47, ESP = 50, AH = 51, ICMP6 = 58, OSPF = 89, SCTP = 132 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };
#define WALK_MAX 8 /* extension headers */

static const char HEX[] = "0123456789abcdef";

static uint32_t be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static char *text(char *out, const char *what)
{
    const size_t n = strlen(what);
    memcpy(out, what, n);
    return out + n;
}

/* In decimal, right-justified in `width` with `fill`. */
static char *padded(char *out, uint64_t value, int width, char fill)
{
    char digits[20];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    for (; width > n; width--)
        *out++ = fill;
    while (n)
        *out++ = digits[--n];
    return out;
}

static char *decimal(char *out, uint64_t value)
{
    return padded(out, value, 0, ' ');
}

static char *mac(char *out, const uint8_t *at)
{
    for (int i = 0; i < 6; i++) {
        if (i)
            *out++ = ':';
        *out++ = HEX[at[i] >> 4];
        *out++ = HEX[at[i] & 15];
    }
    return out;
}

static char *ip4(char *out, const uint8_t *at)
{
    for (int i = 0; i < 4; i++) {
        if (i)
            *out++ = '.';
        out = decimal(out, at[i]);
    }
    return out;
}

/* RFC 5952, section 4: the first of the longest runs of two or more zeros is left out. */
static char *ip6(char *out, const uint8_t *at)
{
    int best = 0, best_n = 1, run = 0;
    for (int i = 0; i < 8; i++) {
        run = be16(at + 2 * i) ? 0 : run + 1;
        if (run > best_n) {
            best_n = run;
            best = i + 1 - run;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (best_n > 1 && i == best) {
            *out++ = ':';
            *out++ = ':';
            i += best_n - 1;
            continue;
        }
        if (i && out[-1] != ':')
            *out++ = ':';
        const uint32_t group = be16(at + 2 * i);
        for (int shift = group > 0xFFF ? 12 : group > 0xFF ? 8 : group > 0xF ? 4 : 0; shift >= 0; shift -= 4)
            *out++ = HEX[group >> shift & 15];
    }
    return out;
}

static char *protocol(char *out, uint32_t kind)
{
    switch (kind) {
    case ICMP: return text(out, "ICMP");
    case IGMP: return text(out, "IGMP");
    case TCP: return text(out, "TCP");
    case UDP: return text(out, "UDP");
    case GRE: return text(out, "GRE");
    case ESP: return text(out, "ESP");
    case AH: return text(out, "AH");
    case ICMP6: return text(out, "ICMPv6");
    case OSPF: return text(out, "OSPF");
    case SCTP: return text(out, "SCTP");
    default: return decimal(text(out, "protocol "), kind);
    }
}

/* "source > target "; with ports where there are some, and then v6 addresses in brackets. */
static char *between(char *out, const uint8_t *source, const uint8_t *target, int v6, const uint8_t *ports)
{
    for (int side = 0; side < 2; side++) {
        if (v6 && ports)
            *out++ = '[';
        out = (v6 ? ip6 : ip4)(out, side ? target : source);
        if (v6 && ports)
            *out++ = ']';
        if (ports) {
            *out++ = ':';
            out = decimal(out, be16(ports + 2 * side));
        }
        out = text(out, side ? " " : " > ");
    }
    return out;
}

static char *layer4(char *out, const uint8_t *source, const uint8_t *target, int v6, uint32_t kind, const uint8_t *data,
                    uint32_t n)
{
    if ((kind == TCP || kind == UDP || kind == SCTP) && n >= 4) {
        out = protocol(between(out, source, target, v6, data), kind);
        if (kind == TCP && n >= 14) {
            *out++ = ' ';
            for (int bit = 0; bit < 8; bit++)
                if (data[13] >> bit & 1)
                    *out++ = "FSRPAUEC"[bit];
            if (!data[13])
                out = text(out, "none");
        }
        return out;
    }
    out = protocol(between(out, source, target, v6, 0), kind);
    if ((kind == ICMP || kind == ICMP6) && n >= 2)
        out = decimal(text(decimal(text(out, " type "), data[0]), " code "), data[1]);
    return out;
}

static char *fragment(char *out, const uint8_t *source, const uint8_t *target, int v6, uint32_t kind, uint32_t at)
{
    return decimal(text(protocol(between(out, source, target, v6, 0), kind), " fragment at "), at);
}

static char *internet4(char *out, const uint8_t *body, uint32_t n)
{
    const uint32_t place = be16(body + 6), header = (uint32_t)(body[0] & 15) * 4;
    if (place & 0x1FFF)
        return fragment(out, body + 12, body + 16, 0, body[9], (place & 0x1FFF) * 8);
    out = layer4(out, body + 12, body + 16, 0, body[9], body + (header < n ? header : n), header < n ? n - header : 0);
    return place & 0x2000 ? text(out, " first fragment") : out;
}

static char *internet6(char *out, const uint8_t *body, uint32_t n)
{
    uint32_t kind = body[6], at = 40, first = 0;
    for (int i = 0; i < WALK_MAX && n >= at + 8; i++) {
        if (kind == HOP_BY_HOP || kind == ROUTING || kind == DESTINATION) {
            kind = body[at];
            at += 8 * (body[at + 1] + 1u);
        } else if (kind == FRAGMENT) {
            const uint32_t place = be16(body + at + 2);
            kind = body[at];
            if (place >> 3)
                return fragment(out, body + 8, body + 24, 1, kind, place & ~7u);
            first = place & 1;
            at += 8;
        } else
            break;
    }
    out = layer4(out, body + 8, body + 24, 1, kind, body + (at < n ? at : n), at < n ? n - at : 0);
    return first ? text(out, " first fragment") : out;
}

static char *arp(char *out, const uint8_t *body)
{
    const uint32_t operation = be16(body + 6);
    out = between(out, body + 14, body + 24, 0, 0);
    if (operation == 1)
        return ip4(text(out, "ARP who has "), body + 24);
    if (operation == 2)
        return mac(text(out, "ARP is at "), body + 8);
    return decimal(text(out, "ARP operation "), operation);
}

static char *other(char *out, const uint8_t *data, uint32_t kind)
{
    out = text(mac(text(mac(out, data + 6), " > "), data), " ");
    if (kind < 0x600)
        return decimal(text(out, "802.3 length "), kind);
    switch (kind) {
    case 0x0806: return text(out, "ARP");
    case 0x8847: return text(out, "MPLS");
    case 0x8863: return text(out, "PPPoE");
    case 0x8864: return text(out, "PPPoE");
    case 0x88CC: return text(out, "LLDP");
    case 0x88F7: return text(out, "PTP");
    default:
        out = text(out, "type 0x");
        for (int shift = 12; shift >= 0; shift -= 4)
            *out++ = HEX[kind >> shift & 15];
        return out;
    }
}

static int tag(uint32_t kind)
{
    return kind == 0x8100 || kind == 0x88A8 || kind == 0x9100;
}

static char *packet(char *out, const uint8_t *data, uint32_t n)
{
    static const uint8_t ARP_OF_IP4[6] = {0, 1, 8, 0, 6, 4};
    if (n < 14)
        return text(decimal(out, n), " bytes, too short for Ethernet");
    uint32_t at = 12, kind = be16(data + at);
    while (tag(kind) && n >= at + 6) {
        at += 4;
        kind = be16(data + at);
    }
    const uint8_t *const body = data + at + 2;
    const uint32_t left = n - at - 2;
    if (kind == 0x0800 && left >= 20)
        out = internet4(out, body, left);
    else if (kind == 0x86DD && left >= 40)
        out = internet6(out, body, left);
    else if (kind == 0x0806 && left >= 28 && memcmp(body, ARP_OF_IP4, sizeof ARP_OF_IP4) == 0)
        out = arp(out, body);
    else
        out = other(out, data, kind);
    for (uint32_t one = 12; one < at; one += 4)
        out = decimal(text(out, " vlan "), be16(data + one + 2) & 0xFFF);
    return out;
}

/* Days since 1970 as a date of the Gregorian calendar: H. Hinnant, "chrono-compatible low-level date algorithms", for
 * days that are not negative. */
static char *calendar(char *out, uint64_t days)
{
    const uint64_t z = days + 719468, era = z / 146097, of_era = z % 146097;
    const uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    out = padded(out, year + era * 400 + (month >= 10), 4, '0');
    *out++ = '-';
    out = padded(out, month < 10 ? month + 3 : month - 9, 2, '0');
    *out++ = '-';
    return padded(out, of_year - (153 * month + 2) / 5 + 1, 2, '0');
}

/* 64 bits of nanoseconds end in the year 2554, so a year has four digits. */
static char *timestamp(char *out, uint64_t ts_ns, sm_date *date)
{
    const uint64_t second = ts_ns / 1000000000u, of_day = second % 86400;
    if (!date->known || date->second != second) {
        char *at = calendar(date->text, second / 86400);
        *at++ = 'T';
        at = padded(at, of_day / 3600, 2, '0');
        *at++ = ':';
        at = padded(at, of_day / 60 % 60, 2, '0');
        *at++ = ':';
        at = padded(at, of_day % 60, 2, '0');
        *at = '.';
        date->second = second;
        date->known = 1;
    }
    memcpy(out, date->text, sizeof date->text);
    out = padded(out + sizeof date->text, ts_ns % 1000000000u, 9, '0');
    *out++ = 'Z';
    return out;
}

uint32_t sm_line(char *out, uint64_t number, const uint8_t *buffer, const sm_event *event, sm_date *date)
{
    char *at = text(padded(out, number, 7, ' '), "  ");
    at = text(timestamp(at, event->ts_ns, date), "  ");
    at = text(padded(at, event->wire_len, 5, ' '), "  ");
    at = packet(at, buffer + event->offset, event->cap_len < SM_DESCRIBE_HEAD ? event->cap_len : SM_DESCRIBE_HEAD);
    *at++ = '\n';
    return (uint32_t)(at - out);
}
