set -e
S=/tmp/w/attrs/target/debug/syncd
mount -t tmpfs tmpfs /run; mkdir -p /run/a /run/b
ip netns add a; ip netns add b
ip -n a link add sync type veth peer name sync netns b
for n in a b; do ip -n $n link set lo up; ip -n $n link set sync up; done
ip -n a addr add 10.9.0.1/24 dev sync; ip -n b addr add 10.9.0.2/24 dev sync
R='table ip t { chain o { type filter hook output priority 0; ct label 127 accept; }; chain ri { type filter hook prerouting priority raw; iifname sync notrack; }; chain ro { type filter hook output priority raw; oifname sync notrack; }; }'
for n in a b; do ip netns exec $n nft "$R"; done
cat > /run/a/syncd.yaml <<Y
conntrack-sync:
  interface: { sync: {} }
  expect-sync: all
  ignore-address: [10.9.0.0/24, 127.0.0.0/8]
  failover-mechanism: { vrrp: { sync-group: G1 } }
Y
cat > /run/b/c.conf <<Y
Sync {
  Mode FTFW { DisableExternalCache Off }
  Multicast { IPv4_address 225.0.0.50
    Group 3780
    IPv4_interface 10.9.0.2
    Interface sync
    SndSocketBuffer 1249280
    RcvSocketBuffer 1249280
    Checksum on }
  Options { ExpectationSync On }
}
General { HashSize 32768
 HashLimit 131072
 LogFile /run/b/log
 LockFile /run/b/lock
 UNIX { Path /run/b/ctl
 }
 NetlinkBufferSize 2097152
 NetlinkBufferSizeMaxGrowth 8388608
 Filter From Userspace { 
   Address Ignore { IPv4_address 127.0.0.1
   IPv4_address 10.9.0.0/24 } }
}
Y
ip netns exec b conntrackd -C /run/b/c.conf -d
sed 's/10.9.0.2/10.9.0.1/; s#/run/b#/run/a#g' /run/b/c.conf > /run/a/c.conf; ip netns exec a conntrackd -C /run/a/c.conf -d
(ip netns exec b python3 /tmp/w/interop/sniff.py &)
sleep 2
CT="ip netns exec a conntrack"
ip netns exec a python3 /tmp/w/interop/make.py
sleep 2
$S decode /run/cap.pcap | grep -v ACK
cp /run/cap.pcap /tmp/w/interop/cap.pcap; ip netns exec b conntrackd -C /run/b/c.conf -e; ip netns exec b conntrackd -C /run/b/c.conf -e exp; ip netns exec b conntrackd -C /run/b/c.conf -c; sleep 1; tail -8 /run/b/log
ip netns exec b conntrackd -C /run/b/c.conf -k; ip netns exec a conntrackd -C /run/a/c.conf -k; sleep 1
(ip netns exec b $S run --config /run/a/syncd.yaml --socket /run/b/sctl > /run/b/slog 2>&1 &)
sleep 1.5
$S show conntrack-sync internal-cache --socket /run/b/sctl | grep sctp; $S show conntrack-sync internal-cache expect --socket /run/b/sctl
