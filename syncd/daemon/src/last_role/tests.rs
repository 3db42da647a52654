//! A role is believed while boot and keepalived are the same, and not otherwise.

use super::*;

fn in_a_fresh_directory(name: &str) -> LastRole {
    let directory = std::env::temp_dir().join(format!("syncd-last-role-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    LastRole::beside(&directory.join("control"))
}

fn remove(file: &LastRole) {
    fs::remove_dir_all(file.path.parent().unwrap()).unwrap();
}

#[test]
fn what_was_written_is_read() {
    let file = in_a_fresh_directory("round");
    assert_eq!(file.read(), None);
    let transition = Transition { role: Role::Backup, unix_seconds: 1_700_000_000 };
    for yields in [true, false] {
        file.write(transition, yields).unwrap();
        assert_eq!(file.read(), Some((transition, yields)));
    }
    remove(&file);
}

#[test]
fn another_boot_or_another_keepalived_is_not_believed() {
    let file = in_a_fresh_directory("other");
    let write = |change: fn(&mut Record)| {
        let mut record = Record {
            version: 1,
            role: "primary".to_owned(),
            unix_seconds: 1,
            yields: false,
            witness: Witness::now(),
        };
        change(&mut record);
        fs::write(&file.path, serde_json::to_vec(&record).unwrap()).unwrap();
        file.read().is_some()
    };
    assert!(write(|_| {}));
    assert!(!write(|record| record.witness.boot_id = "another".to_owned()));
    assert!(!write(|record| record.witness.keepalived = Some(Process { pid: 1, started: 1 })));
    assert!(!write(|record| record.role = "king".to_owned()));
    assert!(!write(|record| record.version = 2));
    fs::write(&file.path, b"{").unwrap();
    assert_eq!(file.read(), None);
    remove(&file);
}

#[test]
fn the_name_of_a_process_may_hold_anything() {
    let tail = "S 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1000 100 0";
    assert_eq!(parent_and_start(&format!("12 (keep) alive) d) {tail}")), Some((7, 4242)));
    assert_eq!(parent_and_start("12 (x)"), None);
}
