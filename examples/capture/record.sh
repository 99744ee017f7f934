#!/bin/bash
# Records office.pcap: real programs talking over one link, inside network namespaces that exist only meanwhile.
#
#     sudo examples/capture/record.sh [OUTPUT]          default: office.pcap beside this script; takes about 20 s
#
# The capture is kept in the repository, so nobody has to run this. It needs root and, on Debian, the packages
#     bind9-dnsutils curl dnsmasq-base ethtool iproute2 iputils-ping nginx-light openssh-client openssh-server
#     openssl python3 python3-numpy tcpdump
# (PYTHON=.venv/bin/python instead of python3-numpy). Nothing outside the namespaces is changed: no address, route or
# service of this machine; keys and certificates are made for the run and deleted after it.
#
#   world ──mtu 1400── edge ══════recorded here══════ office      VLAN 20, and VLAN 7 inside service VLAN 100,
#   198.51.100.9       .1   203.0.113.1       203.0.113.10        run over the same link, with tags added
#   2001:db8:9::9      ::1  2001:db8:10::1   2001:db8:10::10      by access_port.py (no 8021q module needed)
#
# Offloads are off, so every frame is one that could have been on a wire: no bigger than the MTU, checksums filled in.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
output=${1:-$here/office.pcap}
python=${PYTHON:-python3}
limit=$((1 << 20))

die() { echo "record.sh: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root to make network namespaces; run it with sudo"
for tool in curl dig dnsmasq ethtool ip nginx openssl ping ssh ssh-keygen sshd tcpdump; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || die "$tool is missing; its package is named in the first lines of this script"
done
PATH=$PATH:/usr/sbin:/sbin
"$python" -c 'import numpy' 2>/dev/null || die "$python has no numpy; install python3-numpy or set PYTHON"
[ -c /dev/net/tun ] || die "/dev/net/tun is missing; the kernel needs the tun module for the tagged ports"

tmp=$(mktemp -d /tmp/record.XXXXXX)
chmod 755 "$tmp"
echo nameserver 203.0.113.10 >"$tmp/resolv.conf"
id=$$
world=world$id edge=edge$id office=office$id

cleanup() {
    trap - EXIT INT TERM HUP
    local space
    for space in "$world" "$edge" "$office"; do
        if [ -e "/run/netns/$space" ]; then
            ip netns pids "$space" | xargs -r kill 2>/dev/null || true
        fi
    done
    sleep 0.5
    for space in "$world" "$edge" "$office"; do
        if [ -e "/run/netns/$space" ]; then
            ip netns pids "$space" | xargs -r kill -9 2>/dev/null || true
            ip netns del "$space"
        fi
    done
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# inside SPACE COMMAND…: ip netns exec gives a mount namespace of its own, so the office's name server is used in there
# only, and no name server of this machine is asked.
inside() {
    local space=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    ip netns exec "$space" sh -c 'mount --bind "$0" /etc/resolv.conf; exec "$@"' "$tmp/resolv.conf" "$@"
}
world() { inside "$world" "$@"; }
edge() { inside "$edge" "$@"; }
office() { inside "$office" "$@"; }
step() { echo "  $*"; }

# until_true SECONDS COMMAND…: waits for something that was started to answer.
until_true() {
    local tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || die "gave up waiting for: $*"
        sleep 0.05
    done
}

step "namespaces and links"
for space in "$world" "$edge" "$office"; do
    ip netns add "$space"
    ip netns exec "$space" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
        net.ipv4.ping_group_range="0 0" net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
        net.ipv6.conf.default.router_solicitations=0
    ip -n "$space" link set lo up
done
edge sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip link add out netns "$world" address 02:00:00:00:09:09 mtu 1400 type veth \
    peer name out netns "$edge" address 02:00:00:00:09:01 mtu 1400
ip link add lan netns "$edge" address 02:00:00:00:10:01 type veth \
    peer name lan netns "$office" address 02:00:00:00:10:10
for end in "$world/out" "$edge/out" "$edge/lan" "$office/lan"; do
    ip netns exec "${end%/*}" ethtool -K "${end#*/}" rx off tx off sg off tso off gso off gro off >/dev/null 2>&1
done

step "recording starts"
ip -n "$office" link set lan up
ip netns exec "$office" tcpdump -Z root -i lan -U --time-stamp-precision=nano -w "$tmp/office.pcap" 2>"$tmp/tcpdump.log" &
tcpdump=$!
until_true 10 grep -q 'listening on' "$tmp/tcpdump.log"

ip -n "$edge" link set lan up
for end in "$world" "$edge"; do ip -n "$end" link set out up; done
ip -n "$world" addr add 198.51.100.9/24 dev out
ip -n "$world" addr add 198.51.100.77/24 dev out
ip -n "$world" addr add 10.66.6.6/32 dev out
ip -n "$world" addr add 2001:db8:9::9/64 dev out
ip -n "$world" route add default via 198.51.100.1
ip -n "$world" route add default via 2001:db8:9::1
ip -n "$edge" addr add 198.51.100.1/24 dev out
ip -n "$edge" addr add 2001:db8:9::1/64 dev out
ip -n "$edge" addr add 203.0.113.1/26 dev lan
ip -n "$edge" addr add 2001:db8:10::1/64 dev lan
ip -n "$office" addr add 203.0.113.10/26 dev lan
ip -n "$office" addr add 2001:db8:10::10/64 dev lan
ip -n "$office" route add default via 203.0.113.1
ip -n "$office" route add default via 2001:db8:10::1

tagged() { # NAME, part of MAC addresses, edge's address, office's address, tags…
    local name=$1 mac=$2 at_edge=$3 at_office=$4
    shift 4
    edge "$python" "$here/access_port.py" "$name" lan "$@" &
    office "$python" "$here/access_port.py" "$name" lan "$@" &
    until_true 10 ip -n "$edge" link show "$name"
    until_true 10 ip -n "$office" link show "$name"
    ip -n "$edge" link set "$name" address "02:00:00:$mac:01" mtu 1492 up
    ip -n "$office" link set "$name" address "02:00:00:$mac:02" mtu 1492 up
    ip -n "$edge" addr add "$at_edge/26" dev "$name"
    ip -n "$office" addr add "$at_office/26" dev "$name"
}
tagged voice 00:20 203.0.113.65 203.0.113.70 0x8100:20:5
tagged branch 01:07 203.0.113.129 203.0.113.131 0x88a8:100:0 0x8100:7:3
sleep 2.5 # duplicate address detection, multicast listener reports

step "servers in the office"
mkdir -p "$tmp/site"
head -c 3000 /dev/urandom | base64 >"$tmp/site/news.txt"
echo '<html><body><h1>Office</h1><a href="news.txt">News</a></body></html>' >"$tmp/site/index.html"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=www.office.example \
    -addext subjectAltName=DNS:www.office.example,DNS:www6.office.example -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
cat >"$tmp/nginx.conf" <<END
daemon off; user root; worker_processes 1; pid $tmp/nginx.pid; error_log $tmp/nginx.log;
events {}
http {
    access_log off; server_tokens off;
    client_body_temp_path $tmp/b; proxy_temp_path $tmp/p; fastcgi_temp_path $tmp/f; uwsgi_temp_path $tmp/u; scgi_temp_path $tmp/s;
    server {
        listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;
        ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem; root $tmp/site;
    }
}
END
office nginx -c "$tmp/nginx.conf" -e "$tmp/nginx.log" &
(cd "$tmp/site" && office "$python" -m http.server 8000 --bind 203.0.113.10 >/dev/null 2>&1) &
office dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file --user=root --no-resolv --no-hosts --log-facility="$tmp/dns.log" \
    --local=/office.example/ --interface=lan --bind-interfaces --interface=voice --host-record=www.office.example,203.0.113.10,2001:db8:10::10 \
    --cname=intranet.office.example,www.office.example --mx-host=office.example,www.office.example,10 \
    --txt-record="office.example,$(head -c 180 /dev/zero | tr '\0' t)" &
for key in host user; do ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$tmp/$key"; done
cp "$tmp/user.pub" "$tmp/authorized"
cat >"$tmp/sshd_config" <<END
HostKey $tmp/host
AuthorizedKeysFile $tmp/authorized
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
END
# sshd's privilege separation folder, in this mount namespace only.
office sh -c "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -f $tmp/sshd_config" 2>"$tmp/sshd.log" &
listens() { office ss -Hltn "sport = :$1" | grep -q .; }
for port in 22 53 80 443 8000; do until_true 10 listens "$port"; done

step "web"
web=(curl -sS --max-time 10 --cacert "$tmp/cert.pem" --resolve www.office.example:443:203.0.113.10 --resolve www.office.example:80:203.0.113.10)
fetch() { world "${web[@]}" "$@" >/dev/null; }
fetch http://www.office.example/
fetch http://www.office.example/news.txt http://www.office.example/missing
fetch -X POST --data 'q=hello+world' http://www.office.example/form
fetch http://203.0.113.10:8000/news.txt
fetch https://www.office.example/
fetch --tls-max 1.2 https://www.office.example/news.txt
fetch "http://[2001:db8:10::10]/news.txt"
fetch --resolve "www6.office.example:443:[2001:db8:10::10]" https://www6.office.example/

step "names"
ask=(dig +tries=1 +time=5 +noall)
for server in 203.0.113.10 2001:db8:10::10; do
    world "${ask[@]}" "@$server" www.office.example A
    world "${ask[@]}" "@$server" www.office.example AAAA
    world "${ask[@]}" "@$server" nobody.office.example A
    world "${ask[@]}" +tcp "@$server" office.example TXT
done
world "${ask[@]}" @203.0.113.10 intranet.office.example A office.example MX -x 203.0.113.10

step "logins"
ssh=(ssh -q -F none -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10)
world "${ssh[@]}" -i "$tmp/user" root@203.0.113.10 'echo hello; sleep 0.3; seq 1 200' >/dev/null
world "${ssh[@]}" -i "$tmp/user" root@2001:db8:10::10 'uptime' >/dev/null
for _ in 1 2 3; do # someone from outside tries; there is no key for them
    world "${ssh[@]}" -b 198.51.100.77 -o IdentityFile=/dev/null admin@203.0.113.10 true </dev/null || true
done

step "ping, fragments, options, errors"
world ping -q -c 3 -i 0.2 203.0.113.10 >/dev/null
world ping -q -c 3 -i 0.2 2001:db8:10::10 >/dev/null
world ping -q -c 2 -i 0.2 -Q 0xb8 203.0.113.10 >/dev/null
office ping -q -c 3 -i 0.2 -s 4000 203.0.113.1 >/dev/null
office ping -q -c 3 -i 0.2 -s 4000 2001:db8:10::1 >/dev/null
world ping -q -c 2 -i 0.2 -M dont -s 3000 203.0.113.10 >/dev/null
office ping -q -c 2 -i 0.2 -R 203.0.113.1 >/dev/null
office ping -q -c 2 -i 0.2 -T tsonly 203.0.113.1 >/dev/null
office ping -q -c 2 -i 0.2 -t 1 198.51.100.9 >/dev/null || true       # the edge answers: time exceeded
office ping -q -c 1 -W 1 -M "do" -s 1450 198.51.100.9 >/dev/null || true # too big for the way out
office ping -q -c 1 -W 1 -M "do" -s 1440 2001:db8:9::9 >/dev/null || true
office ping -q -c 1 -W 1 ff02::1%lan >/dev/null || true
world ping -q -c 2 -i 0.2 -W 1 -I 10.66.6.6 203.0.113.10 >/dev/null || true # a source that cannot be

step "VLAN 20, and VLAN 7 in service VLAN 100"
office ping -q -c 3 -i 0.2 203.0.113.65 >/dev/null
edge "${ask[@]}" @203.0.113.70 www.office.example A
edge curl -sS --max-time 10 -o /dev/null http://203.0.113.70/news.txt
edge ping -q -c 3 -i 0.2 203.0.113.131 >/dev/null
edge curl -sS --max-time 10 -o /dev/null http://203.0.113.131/
edge ping -q -c 1 -s 3000 203.0.113.131 >/dev/null

step "closed ports, syslog, sensors"
world "$python" - <<'END'
import logging.handlers
import socket

def scan(host, ports):
    for port in ports:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.settimeout(2)
            s.connect_ex((host, port))

scan("203.0.113.10", (21, 23, 25, 110, 139, 445, 1433, 3306, 3389, 5900))
scan("2001:db8:10::10", (23, 445, 3389))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect(("203.0.113.10", 33434))
    s.send(b"anyone?")
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
    s.connect(("2001:db8:10::10", 33434))
    s.send(b"anyone?")
for host in ("203.0.113.10", "2001:db8:10::10"):
    log = logging.handlers.SysLogHandler((host, 514))
    log.emit(logging.makeLogRecord({"msg": "door 3 opened"}))
    log.emit(logging.makeLogRecord({"msg": "trace " + "0123456789abcdef" * 150}))
END
world "$python" - "$here/.." <<'END'
import socket
import sys
import time

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from make_readings import PORT, records

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("198.51.100.9", 40000))
    for reading in records(200, seed=7):
        s.sendto(reading.tobytes(), ("203.0.113.10", PORT))
        time.sleep(0.002)
END
sleep 0.5

step "recording ends"
sleep 5.5 # neighbours are checked again five seconds after they were last used
kill "$tcpdump"
wait "$tcpdump" || true
grep -q '^0 packets dropped by kernel' "$tmp/tcpdump.log" || die "tcpdump lost packets: $(tail -1 "$tmp/tcpdump.log")"
size=$(stat -c %s "$tmp/office.pcap")
[ "$size" -le "$limit" ] || die "the capture has $size bytes; at most $limit are kept"
cat "$tmp/office.pcap" >"$output"
echo "$output: $size bytes, $(grep -o '^[0-9]* packets captured' "$tmp/tcpdump.log")"
