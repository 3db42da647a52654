//! keepalived's words are found wherever people put them, and what does not fit is said.

use super::*;

const FILE: &str = "! VyOS writes such a file
global_defs {
    dynamic_interfaces
    vrrp_notify_fifo /run/keepalived/syncd.fifo   # ours
}
vrrp_instance \"VI 1\" {
    interface eth0
    preempt_delay 90
    virtual_ipaddress { 192.0.2.1/24 dev eth0 }
}
vrrp_instance VI_2 { nopreempt }
vrrp_sync_group MAIN {
    group {
        \"VI 1\"
        VI_2
    }
    notify_master \"/bin/true\"
}
vrrp_sync_group EMPTY { group { } }
vrrp_sync_group OFF { group { VI_9 } }
";

fn failover(group: &str, fifo: &str) -> Failover {
    Failover { sync_group: group.to_owned(), notify_fifo: Some(PathBuf::from(fifo)), ..Failover::default() }
}

fn misfits(text: &str, group: &str, fifo: &str, purge: Option<u32>) -> Vec<String> {
    let keepalived = Keepalived::understand(Path::new("k.conf"), true, text);
    keepalived.misfits(&failover(group, fifo), purge).into_iter().map(|misfit| misfit.reason).collect()
}

#[test]
fn what_fits() {
    assert_eq!(misfits(FILE, "MAIN", "/run/keepalived/syncd.fifo", Some(90)), [""; 0]);
    assert_eq!(misfits(FILE, "MAIN", "/run/keepalived/syncd.fifo", None), [""; 0]);
}

#[test]
fn what_does_not() {
    let fifo = "/run/keepalived/syncd.fifo";
    assert_eq!(misfits(FILE, "main", fifo, None), ["VRRP sync-group main is not configured in k.conf"]);
    assert_eq!(
        misfits(FILE, "EMPTY", fifo, None),
        ["VRRP sync-group EMPTY has no member in k.conf: keepalived tells no role of it"]
    );
    assert_eq!(
        misfits(FILE, "OFF", fifo, None),
        ["member VI_9 of VRRP sync-group OFF is no vrrp_instance in k.conf, or is disabled"]
    );
    assert_eq!(
        misfits(FILE, "MAIN", "/run/other", Some(91)),
        [
            "keepalived does not write to /run/other: no role will come",
            "preempt_delay of VI 1 is 90 s, less than purge-timeout (91 s): a router that returns may take over \
             before it knows the flows"
        ]
    );
}

#[test]
fn what_is_included_elsewhere_may_fit() {
    let keepalived =
        Keepalived::understand(Path::new("k.conf"), true, "include /etc/keepalived/conf.d/*.conf\n");
    assert!(keepalived.misfits(&failover("MAIN", "/x"), None).iter().all(|misfit| misfit.mild));
}
