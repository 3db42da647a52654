//! What the bytes of a target look like: how to read them as a tree, or which words they are made of.

use crate::tree::{Grammar, Inner, Length};

/// The form of a target's bytes.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Pieces with lengths.
    Tree(&'static Grammar),
    /// Text.
    Text(&'static Words),
    /// Bytes of which nothing is known.
    Bytes,
}

/// What a text is made of.
#[derive(Debug)]
pub struct Words {
    /// Words and signs that mean something there.
    pub words: &'static [&'static str],
    /// Pairs that nest.
    pub nests: &'static [(&'static str, &'static str)],
}

/// Datagrams of the dedicated link.
pub static FRAMES: Grammar = Grammar {
    header: 8,
    length: Length { at: 2, width: 2, big_endian: true },
    align: 1,
    inside: |head, body, depth| match head[0] & 0x0f {
        10 => Inner::Bytes(body.to_vec()),
        _ => Inner::read(body, &ATTRIBUTES, depth),
    },
};

static ATTRIBUTES: Grammar = Grammar {
    header: 4,
    length: Length { at: 0, width: 2, big_endian: true },
    align: 4,
    inside: |_, body, _| Inner::Bytes(body.to_vec()),
};

/// Datagrams of netfilter's netlink.
pub static NETLINK: Grammar = Grammar {
    header: 20,
    length: Length { at: 0, width: 4, big_endian: false },
    align: 4,
    inside: |_, body, depth| Inner::read(body, &NESTED, depth),
};

static NESTED: Grammar = Grammar {
    header: 4,
    length: Length { at: 0, width: 2, big_endian: false },
    align: 4,
    inside: |head, body, depth| match head[3] & 0x80 {
        0 => Inner::Bytes(body.to_vec()),
        _ => Inner::read(body, &NESTED, depth),
    },
};

/// Steps of a router's life.
pub static STEPS: Grammar = Grammar {
    header: 3,
    length: Length { at: 1, width: 2, big_endian: true },
    align: 1,
    inside: |head, body, depth| match head[0] & 7 {
        0 => Inner::read(body, &FRAMES, depth),
        1 => Inner::read(body, &NETLINK, depth),
        _ => Inner::Bytes(body.to_vec()),
    },
};

/// Records of the control socket.
pub static JSON: Words = Words {
    words: &[
        "{\"version\":1,\"says\":",
        "\"status\"",
        "\"statistics\"",
        "{\"cache\":{\"cache\":\"internal\",\"from\":0,\"form\":\"lines\"}}",
        "{\"role\":{\"role\":\"primary\",\"group\":null,\"wait\":true}}",
        "\"external\"",
        "\"objects\"",
        "\"group\":\"syncgrp\"",
        "true",
        "false",
        "null",
        "-0",
        "1e999",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "-1",
        "0.5",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\\",
        "\"",
        ",",
        ":",
        " ",
        "\n",
        "\u{feff}",
        "/*",
        "NaN",
    ],
    nests: &[("[", "]"), ("{\"a\":", "}"), ("{\"version\":1,\"says\":", "}"), ("\"", "\"")],
};

/// Configuration files.
pub static YAML: Words = Words {
    words: &[
        "conntrack-sync:\n",
        "  interface:\n",
        "    eth2: {}\n",
        "  interface: { eth2: {} }\n",
        "{ peer: 192.0.2.2, port: 3780 }",
        "  failover-mechanism:\n    vrrp:\n      sync-group: G\n",
        "  mcast-group: 225.0.0.50\n",
        "  accept-protocol: [tcp, udp]\n",
        "  ignore-address: [192.0.2.0/24, 2001:db8::/32]\n",
        "  event-listen-queue-size: 8\n",
        "  sync-queue-size: 1\n",
        "  metrics: { listen: \"[::1]:9716\" }\n",
        "unix:/run/syncd/metrics.sock",
        "notify-fifo: /run/f",
        "&a ",
        "*a",
        "&b [*a, *a, *a, *a, *a, *a, *a, *a]",
        "<<: *a",
        "!!binary ",
        "!!set ",
        "!t ",
        "? ",
        "- ",
        ": ",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "# ",
        "'",
        "\"",
        "\\x00",
        "\\U0010ffff",
        "\t",
        "\r\n",
        "\n",
        "  ",
        "~",
        "null",
        "true",
        "0x7fffffffffffffff",
        "9223372036854775808",
        "1e400",
        ".inf",
        ".nan",
        "0o777",
        "-1",
        "0.0.0.0/0",
        "/33",
        "/129",
        "::",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "@",
        "`",
        "ä",
    ],
    nests: &[
        ("[", "]"),
        ("{", "}"),
        ("{a: ", "}"),
        ("- ", ""),
        ("a:\n ", ""),
        ("\"", "\""),
        ("[a, ", "]"),
        ("&a [", ", *a]"),
        ("? ", ""),
    ],
};

/// Requests for metrics.
pub static HTTP: Words = Words {
    words: &[
        "GET",
        "HEAD",
        "POST",
        " ",
        "/",
        "/metrics",
        "?",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/2",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "\n\n",
        "\r",
        "Host: r1\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "GET /metrics HTTP/1.1\r\n\r\n",
    ],
    nests: &[("GET ", " HTTP/1.1\r\n\r\n")],
};

/// Lines of keepalived's notify FIFO.
pub static NOTICES: Words = Words {
    words: &[
        "GROUP",
        "INSTANCE",
        " \"",
        "\" ",
        "syncgrp",
        "MASTER",
        "BACKUP",
        "FAULT",
        "STOP",
        "DELETED",
        "MASTER_RX_LOWER_PRI",
        " 0",
        "\n",
        "\r",
        "GROUP \"syncgrp\" MASTER 0\n",
        "GROUP \"syncgrp\" BACKUP 0\n",
        "GROUP \"syncgrp\" FAULT 0\n",
        "INSTANCE \"lan\" MASTER 150\n",
    ],
    nests: &[("\"", "\""), ("GROUP \"", "\" MASTER 0\n")],
};
