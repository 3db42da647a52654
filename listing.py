import json,struct,socket,sys
CT={0:'IPV4',1:'IPV6',2:'L4PROTO',3:'PORT',4:'TCP_STATE',5:'STATUS',6:'TIMEOUT',7:'MARK',8:'MASTER_IPV4',9:'MASTER_IPV6',10:'MASTER_L4PROTO',11:'MASTER_PORT',12:'SNAT_IPV4',13:'DNAT_IPV4',14:'SPAT_PORT',15:'DPAT_PORT',16:'NAT_SEQ_ADJ',17:'SCTP_STATE',18:'SCTP_VTAG_ORIG',19:'SCTP_VTAG_REPL',27:'HELPER_NAME',28:'LABELS',31:'SYNPROXY',32:'ZONE'}
EX={0:'MASTER_IPV4',1:'MASTER_IPV6',2:'MASTER_L4PROTO',3:'MASTER_PORT',4:'EXPECT_IPV4',5:'EXPECT_IPV6',6:'EXPECT_L4PROTO',7:'EXPECT_PORT',8:'MASK_IPV4',9:'MASK_IPV6',10:'MASK_L4PROTO',11:'MASK_PORT',12:'TIMEOUT',13:'FLAGS',14:'CLASS',15:'NAT_IPV4',16:'NAT_PORT',17:'NAT_L4PROTO',18:'NAT_DIR',19:'HELPER_NAME',20:'FN'}
TYPES={0:'CT_NEW',1:'CT_UPD',2:'CT_DEL',3:'EXP_NEW',4:'EXP_UPD',5:'EXP_DEL',10:'CTL'}
FLAGS=[(2,'RESYNC'),(4,'NACK'),(8,'ACK'),(16,'ALIVE'),(32,'HELLO'),(64,'HELLO_BACK')]
TCP='NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE LISTEN'.split()
STATUS='EXPECTED SEEN_REPLY ASSURED CONFIRMED SRC_NAT DST_NAT SEQ_ADJUST SRC_NAT_DONE DST_NAT_DONE DYING FIXED_TIMEOUT TEMPLATE UNTRACKED HELPER'.split()
def value(n,p):
    u=lambda: struct.unpack('>I',p)[0]
    if n.endswith('IPV4') or n.endswith('IPV6'):
        f=socket.AF_INET if n.endswith('4') else socket.AF_INET6
        h={socket.AF_INET:4,socket.AF_INET6:16}[f]
        return ' -> '.join(socket.inet_ntop(f,p[i:i+h]) for i in range(0,len(p),h))
    if n in('SPAT_PORT','DPAT_PORT'):
        return '%d read little-endian, %d read big-endian'%(struct.unpack('<H',p)[0],struct.unpack('>H',p)[0])
    if n.endswith('PORT'): return 'sport=%d dport=%d (BE)'%struct.unpack('>HH',p)
    if n=='STATUS': return '0x%08x '%u()+'|'.join(s for i,s in enumerate(STATUS) if u()>>i&1)
    if n=='TCP_STATE': return '%d %s'%(p[0],TCP[p[0]])
    if n=='SYNPROXY': return 'its=%d isn=%d tsoff=%d'%struct.unpack('>III',p)
    if n=='NAT_SEQ_ADJ': return 'original pos=%d before=%d after=%d, reply pos=%d before=%d after=%d'%struct.unpack('>IiiIii',p)
    if n=='LABELS': return ' '.join('%08x'%w for w in struct.unpack('>%dI'%(len(p)//4),p))
    if n in('HELPER_NAME','FN'): return "'"+p[:-1].decode()+"\\x00'" if p[-1]==0 else 1/0
    if n=='ZONE': return '%d'%struct.unpack('>H',p)[0]
    if len(p)==1: return '%d'%p[0]
    return '%d (0x%x)'%(u(),u())
def messages(d):
    while d:
        vt,fl,ln,seq=struct.unpack('>BBHI',d[:8]); assert vt>>4==1 and 8<=ln<=len(d)
        m={'type':TYPES[vt&15],'flags':[n for b,n in FLAGS if fl&b],'seq':seq}
        assert sum(b for b,n in FLAGS if fl&b)==fl
        at=8
        if set(m['flags'])&{'RESYNC','ACK','NACK'}:
            m['from'],m['to']=struct.unpack('>II',d[8:16]); at=16
        names=EX if 3<=vt&15<=5 else CT
        attrs=[]
        while at<ln:
            l,t=struct.unpack('>HH',d[at:at+4]); p=d[at+4:at+l]
            attrs.append({'number':t,'name':names[t],'length':l,'hex':p.hex(),'value':value(names[t],p)})
            assert not any(d[at+l:at+(l+3)//4*4]); at+=(l+3)//4*4
        assert at==ln
        if vt&15<=5: m['attributes']=attrs
        yield m
        d=d[ln:]
f=open(sys.argv[1],'rb').read(); at=24; out=[]; n=0
while at<len(f):
    _,_,l,o=struct.unpack('<IIII',f[at:at+16]); p=f[at+16:at+16+l]; at+=16+l; assert l==o
    if p[12:14]!=b'\x08\0' or p[14]!=0x45 or p[23]!=17 or p[36:38]!=struct.pack('>H',3780): continue
    d=p[42:34+struct.unpack('>H',p[38:40])[0]]
    ms=list(messages(d)); n+=len(ms)
    def m2(m):
        head={k:v for k,v in m.items() if k!='attributes'}
        s=json.dumps(head)
        if 'attributes' in m:
            s=s[:-1]+', "attributes": [\n'+',\n'.join('    '+json.dumps(a) for a in m['attributes'])+'\n   ]}'
        return '   '+s
    out.append('  {"payload": "%s", "messages": [\n%s\n  ]}'%(d.hex(),',\n'.join(map(m2,ms))))
made=sys.argv[2]
print('{\n "made": %s,\n "datagrams": [\n%s\n ]\n}'%(json.dumps(made),',\n'.join(out)))
print(len(out),n,file=sys.stderr)
