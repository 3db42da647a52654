# On the client: curl fetches a file passively from the address that the routers share, lftp fetches it actively from the
# server itself, sipp calls there and talks. What they have announced, but for the control flows, is held at this machine's
# own door, and the voice that comes back is counted.
cd /tmp
here=$1 gateway=$2 server=$3
head -c 8000 /dev/zero | tr '\0' '\377' >voice
nft 'table netdev hold {
    chain out {
        type filter hook egress device eth0 priority 0
        tcp dport != 21 tcp flags & (syn | ack) == syn counter drop
        udp dport != 5060 counter drop
    }
}'
nft "table netdev heard {
    chain in { type filter hook ingress device eth0 priority 0; ip saddr $server udp sport != 5060 counter; }
}"
(
    code=0
    setsid curl -sv --disable-epsv -o passive "ftp://$gateway/data" >passive.log 2>&1 || code=$?
    echo $code >passive.ended
) </dev/null >/dev/null 2>&1 &
(
    code=0
    setsid lftp -d -e 'set net:max-retries 1; set ftp:passive-mode off; get data -o active; quit' "ftp://$server/" \
        >active.log 2>&1 || code=$?
    echo $code >active.ended
) </dev/null >/dev/null 2>&1 &
(
    code=0
    setsid sipp -sf call.xml -i "$here" -mi "$here" -p 5060 -m 1 -nostdin -cid_str the-call -trace_err "$server:5060" \
        >caller.log 2>&1 || code=$?
    echo $code >caller.ended
) </dev/null >/dev/null 2>&1 &
