import socket,struct,time
f=open('/run/cap.pcap','wb'); f.write(struct.pack('<IHHiIII',0xa1b2c3d4,2,4,0,0,262144,1)); f.flush()
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(3)); s.bind(('sync',0))
while True:
    p=s.recv(65535); t=time.time(); f.write(struct.pack('<IIII',int(t),int(t%1*1e6),len(p),len(p))+p); f.flush()
