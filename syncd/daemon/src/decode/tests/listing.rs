//! Every attribute of a listing against what `syncd decode --json` says, in the listing's words.

use serde_json::Value;

/// Compares all attributes of a message, and says how many there were.
pub(super) fn compare(place: &str, said: &Value, listed: &Value) -> usize {
    if listed["type"] == "CTL" {
        let range = &said["range"];
        let meant = said["kind"] == "ack" || said["kind"] == "nack";
        assert_eq!(range.is_array(), meant, "{place}");
        if meant {
            assert_eq!((&range[0], &range[1]), (&listed["from"], &listed["to"]), "{place}");
        }
        return 0;
    }
    let attributes = listed["attributes"].as_array().expect("a list");
    let names: Vec<&str> =
        attributes.iter().map(|attribute| attribute["name"].as_str().expect("a name")).collect();
    for attribute in attributes {
        let (name, value) =
            (attribute["name"].as_str().expect("a name"), attribute["value"].as_str().expect("a value"));
        let ours = match said.get("flow") {
            Some(flow) => of_flow(flow, name),
            None => of_expectation(&said["expectation"], name),
        };
        // The listing may say it in other words behind a blank.
        let rest = value.strip_prefix(&*ours);
        let same = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        assert!(same, "{place}: {name} is {value}, not {ours}");
    }
    if let Some(flow) = said.get("flow") {
        let absent = |key: &str| flow.get(key).is_none_or(Value::is_null);
        let keys = [
            ("STATUS", "status"),
            ("TIMEOUT", "timeout"),
            ("MARK", "mark"),
            ("TCP_WSCALE_ORIG", "window_scales"),
            ("SYNPROXY", "synproxy"),
            ("LABELS", "labels"),
            ("HELPER_NAME", "helper"),
            ("NAT_SEQ_ADJ", "sequence"),
        ];
        for (name, key) in keys {
            assert_eq!(absent(key), !names.contains(&name), "{place}: {key} without {name}, or the reverse");
        }
    }
    attributes.len()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn number(value: &Value) -> String {
    let value = value.as_u64().unwrap_or_else(|| panic!("no number: {value}"));
    format!("{value} ({value:#x})")
}

fn addresses(tuple: &Value) -> String {
    format!("{} -> {}", text(&tuple["source"]), text(&tuple["target"]))
}

fn ports(tuple: &Value) -> String {
    format!("sport={} dport={}", tuple["source_port"], tuple["target_port"])
}

fn of_flow(flow: &Value, name: &str) -> String {
    let (original, reply, parent) = (&flow["original"], &flow["reply"], &flow["parent"]);
    let swapped = |port: &Value| format!("{port} read little-endian");
    // ICMP's two port translations mean nothing: nobody holds them.
    let is_icmp = original.get("icmp_id").is_some();
    let port = |port: &Value| if is_icmp { swapped(&0.into()) } else { swapped(port) };
    match name {
        "IPV4" | "IPV6" => addresses(original),
        "L4PROTO" => flow["protocol_number"].to_string(),
        "PORT" => ports(original),
        "ICMP_TYPE" => original["icmp_type"].to_string(),
        "ICMP_CODE" => original["icmp_code"].to_string(),
        "ICMP_ID" => swapped(&original["icmp_id"]),
        "SNAT_IPV4" | "SNAT_IPV6" => text(&reply["target"]).to_owned(),
        "DNAT_IPV4" | "DNAT_IPV6" => text(&reply["source"]).to_owned(),
        "SPAT_PORT" => port(&reply["target_port"]),
        "DPAT_PORT" => port(&reply["source_port"]),
        "STATUS" => format!("{:#010x}", flow["status"].as_u64().expect("a status")),
        "TIMEOUT" => number(&flow["timeout"]),
        "MARK" => number(&flow["mark"]),
        "ZONE" => flow["zone"].to_string(),
        "TCP_STATE" => {
            let states =
                ["NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK"];
            let states = states.iter().chain(&["TIME_WAIT", "CLOSE", "SYN_SENT2"]);
            let state = text(&flow["state"]);
            let number = states.into_iter().position(|name| *name == state).expect("a state");
            format!("{number} {state}")
        }
        "TCP_WSCALE_ORIG" => flow["window_scales"][0].to_string(),
        "TCP_WSCALE_REPL" => flow["window_scales"][1].to_string(),
        "SCTP_STATE" => {
            let states = ["NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT"];
            let states = states.iter().chain(&["SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT"]);
            let state = text(&flow["state"]);
            states.into_iter().position(|name| *name == state).expect("a state").to_string()
        }
        "SCTP_VTAG_ORIG" => number(&flow["sctp_tags"][0]),
        "SCTP_VTAG_REPL" => number(&flow["sctp_tags"][1]),
        "MASTER_IPV4" | "MASTER_IPV6" => addresses(parent),
        "MASTER_L4PROTO" => parent["protocol_number"].to_string(),
        "MASTER_PORT" => ports(parent),
        "HELPER_NAME" => format!("'{}\\x00'", text(&flow["helper"])),
        "NAT_SEQ_ADJ" => {
            let shift = |shift: &Value| format!("pos={} before={} after={}", shift[0], shift[1], shift[2]);
            let [original, reply] = [0, 1].map(|at| shift(&flow["sequence"][at]));
            format!("original {original}, reply {reply}")
        }
        "SYNPROXY" => {
            let [isn, its, offset] = [0, 1, 2].map(|at| &flow["synproxy"][at]);
            format!("its={its} isn={isn} tsoff={offset}")
        }
        "LABELS" => {
            let hex = text(&flow["labels"]).strip_prefix("0x").expect("hex");
            let bits = u128::from_str_radix(hex, 16).expect("hex");
            let words: Vec<String> =
                (0..4).map(|word| format!("{:08x}", (bits >> (32 * word)) as u32)).collect();
            words.join(" ")
        }
        unknown => panic!("an attribute {unknown}"),
    }
}

fn of_expectation(expectation: &Value, name: &str) -> String {
    let (parent, tuple, mask, nat) =
        (&expectation["parent"], &expectation["tuple"], &expectation["mask"], &expectation["nat"]);
    match name {
        "MASTER_IPV4" | "MASTER_IPV6" => addresses(parent),
        "MASTER_L4PROTO" => parent["protocol_number"].to_string(),
        "MASTER_PORT" => ports(parent),
        "EXPECT_IPV4" | "EXPECT_IPV6" => addresses(tuple),
        "EXPECT_L4PROTO" => expectation["protocol_number"].to_string(),
        "EXPECT_PORT" => ports(tuple),
        "MASK_IPV4" | "MASK_IPV6" => addresses(mask),
        "MASK_L4PROTO" => expectation["mask_protocol_number"].to_string(),
        "MASK_PORT" => ports(mask),
        "TIMEOUT" => number(&expectation["timeout"]),
        "FLAGS" => {
            let names = ["permanent", "inactive", "userspace"];
            let bit = |word: &Value| {
                1 << names
                    .iter()
                    .position(|name| *name == text(word))
                    .unwrap_or_else(|| panic!("a flag {word}"))
            };
            let bits: u64 = expectation["flags"].as_array().expect("a list").iter().map(bit).sum();
            number(&bits.into())
        }
        "CLASS" => number(&expectation["class"]),
        "NAT_IPV4" => addresses(nat),
        "NAT_L4PROTO" => nat["protocol_number"].to_string(),
        "NAT_PORT" => ports(nat),
        "NAT_DIR" => number(&u64::from(text(&nat["direction"]) == "reply").into()),
        "HELPER_NAME" => format!("'{}\\x00'", text(&expectation["helper"])),
        "FN" => format!("'{}\\x00'", text(&expectation["function"])),
        unknown => panic!("an attribute {unknown}"),
    }
}
