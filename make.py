import socket,struct,os
def attr(t,v,nest=False): 
    l=4+len(v); return struct.pack('HH',l,t|(0x8000 if nest else 0))+v+b'\0'*((4-l%4)%4)
def tup(t,src,dst,proto,sp,dp):
    ip=attr(1,attr(1,socket.inet_aton(src))+attr(2,socket.inet_aton(dst)),True)
    pr=attr(2,attr(1,bytes([proto]))+attr(2,struct.pack('>H',sp))+attr(3,struct.pack('>H',dp)),True)
    return attr(t,ip+pr,True)
s=socket.socket(socket.AF_NETLINK,socket.SOCK_RAW,12); s.bind((0,0))
def send(sub,op,flags,body):
    m=struct.pack('BBH',2,0,0)+body
    s.send(struct.pack('IHHII',16+len(m),sub<<8|op,flags|5,1,0)+m)
    r=s.recv(65536); e=struct.unpack('i',r[16:20])[0]; print('err',e)
def ct(src,dst,proto,sp,dp,extra=b'',rev=None):
    send(1,0,0x600,tup(1,src,dst,proto,sp,dp)+tup(2,dst,src,proto,dp,sp)+attr(3,struct.pack('>I',0xe))+attr(7,struct.pack('>I',600))+extra)
tcp=attr(4,attr(1,attr(1,b'\3'),True),True)
ct('10.1.0.1','10.2.0.2',6,40000,21,tcp+attr(5,attr(1,b'ftp\0'),True)+attr(6,attr(1,socket.inet_aton('10.2.0.1'))+attr(2,socket.inet_aton('10.2.0.1')),True))
ct('10.1.0.1','10.2.0.2',6,1,80,tcp+attr(22,b'\1'+b'\0'*14+b'\x80'))
ct('10.1.0.1','10.2.0.2',132,4,80,attr(4,attr(3,attr(1,b'\4')+attr(2,struct.pack('>I',0x11223344))+attr(3,struct.pack('>I',0x55667788)),True),True))
ct('10.1.0.1','10.2.0.2',6,3,3,tcp+tup(14,'10.1.0.1','10.2.0.2',6,40000,21))
seq=lambda t,a: attr(t,attr(1,struct.pack('>I',a))+attr(2,struct.pack('>i',1))+attr(3,struct.pack('>i',-2)),True)
ct('10.1.0.1','10.2.0.2',6,5,5,tcp+seq(15,7)+seq(16,9))
ct('10.1.0.1','10.2.0.2',6,6,6,tcp+attr(24,attr(1,struct.pack('>I',1))+attr(2,struct.pack('>I',2))+attr(3,struct.pack('>I',3)),True))
m=lambda: attr(3,attr(1,attr(1,b'\xff'*4)+attr(2,b'\xff'*4),True)+attr(2,attr(1,b'\6')+attr(2,b'\0\0')+attr(3,b'\xff\xff'),True),True)
send(2,0,0x600,tup(1,'10.1.0.1','10.2.0.2',6,40000,21)+tup(2,'10.1.0.1','10.2.0.2',6,0,5001)+m()+attr(8,struct.pack('>I',0))+attr(9,struct.pack('>I',0))+attr(6,b'ftp\0')+attr(10,attr(1,struct.pack('>I',1))+tup(2,'10.2.0.1','0.0.0.0',6,5001,0),True)+attr(11,b'nat-follow-master\0'))
def tup6(t,src,dst,proto,sp,dp):
    ip=attr(1,attr(3,socket.inet_pton(10,src))+attr(4,socket.inet_pton(10,dst)),True)
    pr=attr(2,attr(1,bytes([proto]))+attr(2,struct.pack('>H',sp))+attr(3,struct.pack('>H',dp)),True)
    return attr(t,ip+pr,True)
def send6(sub,op,flags,body):
    m=struct.pack('BBH',10,0,0)+body
    s.send(struct.pack('IHHII',16+len(m),sub<<8|op,flags|5,1,0)+m)
    r=s.recv(65536); e=struct.unpack('i',r[16:20])[0]; print('err6',e)
A,B='fd10:1::2','fd10:2::2'
def ct6(proto,sp,dp,extra=b''):
    send6(1,0,0x600,tup6(1,A,B,proto,sp,dp)+tup6(2,B,A,proto,dp,sp)+attr(3,struct.pack('>I',0xe))+attr(7,struct.pack('>I',600))+extra)
ct6(17,40000,5060,attr(5,attr(1,b'sip\0'),True)+attr(18,struct.pack('>H',7)))
ct6(17,40002,5060,attr(5,attr(1,b'sip\0'),True)+attr(8,struct.pack('>I',5)))
ct6(17,9,9,tup6(14,A,B,17,40002,5060))
m6=attr(3,attr(1,attr(3,b'\xff'*16)+attr(4,b'\xff'*16),True)+attr(2,attr(1,b'\x11')+attr(2,b'\0\0')+attr(3,b'\xff\xff'),True),True)
send6(2,0,0x600,tup6(1,A,B,17,40002,5060)+tup6(2,A,B,17,0,5004)+m6+attr(8,struct.pack('>I',3))+attr(9,struct.pack('>I',1))+attr(6,b'sip\0')+attr(10,attr(1,struct.pack('>I',0))+tup6(2,'fd10:3::1','::',17,5004,0),True))
ct('10.1.0.1','10.2.0.2',17,137,137,attr(5,attr(1,b'netbios-ns\0'),True))
ct('10.1.0.1','10.2.0.2',136,7,8)
ct('10.1.0.1','10.2.0.2',47,1,2)
send(1,0,0x600,tup(1,'10.1.0.1','10.2.0.2',50,0,0)+tup(2,'10.2.0.2','10.1.0.1',50,0,0)+attr(3,struct.pack('>I',0xe))+attr(7,struct.pack('>I',600)))
import time; time.sleep(1)
# an expectation ends, a labelled flow ends
send(2,2,0,tup(2,'10.1.0.1','10.2.0.2',6,0,5001))
send(1,2,0,tup(1,'10.1.0.1','10.2.0.2',6,1,80))
