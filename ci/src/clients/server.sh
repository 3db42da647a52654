# On the server: vsftpd, and sipp as the callee of one call, who sends the voice back that he hears. The connection that the
# FTP server opens to an active client is held at this machine's own door.
cd /tmp
mkdir files empty
head -c 300000 /dev/urandom >files/data
chmod 755 files
chmod 644 files/data
cat >vsftpd.conf <<END
listen=YES
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root=$PWD/files
secure_chroot_dir=$PWD/empty
isolate=NO
isolate_network=NO
END
nft 'table netdev hold {
    chain out { type filter hook egress device eth0 priority 0; tcp flags & (syn | ack) == syn counter drop; }
}'
setsid vsftpd vsftpd.conf >vsftpd.log 2>&1 </dev/null &
here=$1
(
    code=0
    setsid sipp -sn uas -rtp_echo -i "$here" -mi "$here" -p 5060 -m 1 -nostdin -trace_err >callee.log 2>&1 || code=$?
    echo $code >callee.ended
) </dev/null >/dev/null 2>&1 &
