//! Lines of keepalived 2.2.7, whole, in pieces, of others, and garbage.

use super::*;

fn said(pieces: &[&[u8]]) -> (Vec<Vrrp>, u64) {
    let mut lines = Lines::new("G1");
    let mut said = Vec::new();
    for piece in pieces {
        lines.take(piece);
        said.extend(std::iter::from_fn(|| lines.next()));
    }
    (said, lines.take_garbage())
}

fn roles(pieces: &[&[u8]]) -> (Vec<Role>, u64) {
    let (said, garbage) = said(pieces);
    let role = |said| if let Vrrp::Role(role) = said { Some(role) } else { None };
    (said.into_iter().filter_map(role).collect(), garbage)
}

#[test]
fn a_master_of_lower_priority_means_that_the_peer_steps_back() {
    let text = b"INSTANCE \"VI_LAN\" MASTER_RX_LOWER_PRI 150\n";
    assert_eq!(said(&[text, text]), (vec![Vrrp::PeerYielded; 2], 0));
}

#[test]
fn a_takeover_as_keepalived_writes_it() {
    let text = b"INSTANCE \"VI_LAN\" MASTER 150\nINSTANCE \"VI_WAN\" MASTER 150\nGROUP \"G1\" MASTER 0\n";
    assert_eq!(roles(&[text]), (vec![Role::Primary], 0));
}

#[test]
fn every_state_of_a_group_has_its_role() {
    let table = [
        ("MASTER", Role::Primary),
        ("BACKUP", Role::Backup),
        ("FAULT", Role::Fault),
        ("STOP", Role::Fault),
        ("DELETED", Role::Fault),
    ];
    for (state, role) in table {
        assert_eq!(roles(&[format!("GROUP \"G1\" {state} 0\n").as_bytes()]), (vec![role], 0), "{state}");
    }
}

#[test]
fn lines_in_pieces_are_one_line() {
    assert_eq!(roles(&[b"GRO", b"UP \"G1\" BAC", b"KUP 0", b"\nGROUP"]), (vec![Role::Backup], 0));
}

#[test]
fn other_groups_and_instances_of_our_name_are_not_ours() {
    let text =
        b"GROUP \"G2\" MASTER 0\nINSTANCE \"G1\" MASTER 150\nINSTANCE \"G1\" MASTER_RX_LOWER_PRI 150\n";
    assert_eq!(roles(&[text]), (vec![], 0));
}

#[test]
fn garbage_is_counted_and_the_next_line_understood() {
    let text = b"\n\xff\xfe\nGROUP G1 MASTER 0\nGROUP \"G1\" DANCING 0\nSOMETHING \"G1\" MASTER 0\nGROUP \"G1\" FAULT 0\n";
    assert_eq!(roles(&[text]), (vec![Role::Fault], 5));
}

#[test]
fn a_line_without_end_is_dropped_once_and_as_a_whole() {
    let long = [b'x'; LONGEST_LINE + 1];
    assert_eq!(
        roles(&[&long, &long, b"GROUP \"G1\" MASTER 0\nGROUP \"G1\" BACKUP 0\n"]),
        (vec![Role::Backup], 1)
    );
}

#[tokio::test]
async fn what_was_heard_is_there_again_unless_it_was_kept() {
    let path = std::env::temp_dir().join(format!("syncd-fifo-{}", std::process::id()));
    let mut first = Fifo::open(&path, "G1").expect("a FIFO in the temporary directory");
    // keepalived's end.
    let mut writer = OpenOptions::new().read(true).write(true).open(&path).expect("it is there");
    let heard = |said: &[Role]| Heard { said: said.iter().copied().map(Vrrp::Role).collect(), garbage: 0 };
    let mut write = |text: &str| io::Write::write_all(&mut writer, text.as_bytes()).expect("there is room");

    write("GROUP \"G1\" BACKUP 0\n");
    assert_eq!(first.look().expect("it reads"), heard(&[Role::Backup]));
    assert!(first.kept().expect("it reads"));
    assert_eq!(first.look().expect("it reads"), heard(&[]));
    assert!(first.kept().expect("nothing is kept, too"));
    write("GROUP \"G1\" MASTER 0\n");
    assert_eq!(first.look().expect("it reads"), heard(&[Role::Primary]));
    drop(first);

    let mut second = Fifo::open(&path, "G1").expect("the same FIFO");
    write("GROUP \"G1\" FAULT 0\n");
    assert_eq!(second.look().expect("it reads"), heard(&[Role::Primary, Role::Fault]));
    // Somebody takes it away.
    let mut stolen = [0; 100];
    let mut thief = File::open(&path).expect("the same FIFO");
    assert!(Read::read(&mut thief, &mut stolen).expect("there are two lines") > 0);
    assert!(!second.kept().expect("it reads"));
    fs::remove_file(&path).expect("it is there");
}
