//! The JSON Schema of the configuration, made of the table of keys: editors complete and check the file by it.
//!
//! It says what may stand under each key. How keys depend on each other only `syncd check` knows. A copy is kept in
//! `schema/syncd.schema.json`. Tested in `schema/tests.rs`.

use serde_json::{Map, Value as Json, json};

use super::keys::{self, Key, TOP, Value};

#[cfg(test)]
mod tests;

/// The schema as text, as it is kept.
pub(crate) fn text() -> String {
    serde_json::to_string_pretty(&document()).expect("our own values are always JSON")
}

fn document() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of syncd",
        "type": "object",
        "properties": { TOP: section("") },
        "required": [TOP],
        "additionalProperties": false,
    })
}

/// The keys below a path.
fn section(path: &str) -> Json {
    let properties: Map<String, Json> =
        keys::children(path).map(|key| (keys::name(key).to_owned(), described(key))).collect();
    let required: Vec<&str> =
        keys::children(path).filter(|key| key.default == "required").map(keys::name).collect();
    let mut section = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        section["required"] = json!(required);
    }
    section
}

/// What may stand under a key, and what a reader is told of it.
fn described(key: &'static Key) -> Json {
    let mut schema = value(key);
    let default =
        if key.default == "required" { String::new() } else { format!(" Default: {}.", key.default) };
    schema["description"] = json!(format!("{}{default}", key.says));
    schema
}

fn value(key: &'static Key) -> Json {
    match key.value {
        Value::Section => section(key.path),
        Value::Interfaces => {
            let mut link = section(&format!("{}.*", key.path));
            link["type"] = json!(["object", "null"]);
            json!({
                "type": "object",
                "propertyNames": { "pattern": "^[^/\\s]+$", "minLength": 1, "maxLength": 15 },
                "additionalProperties": link,
                "minProperties": 1,
                "maxProperties": super::MAX_LINKS,
            })
        }
        Value::Address => address(true),
        Value::Group => address(false),
        Value::Addresses => one_or_more(&address(false)),
        Value::Networks => {
            one_or_more(&json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" }))
        }
        Value::Words(words) => one_or_more(&json!({ "enum": words })),
        Value::Word(words) => json!({ "enum": words }),
        Value::Whole(least, most, _) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Value::Switch => json!({ "type": ["boolean", "null"] }),
        Value::Path => json!({ "type": "string", "pattern": "^/." }),
        Value::Socket => {
            let address = "([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[[0-9a-fA-F:.%]+\\]):[0-9]{1,5}";
            json!({ "type": "string", "pattern": format!("^(unix:/.*[^/]|{address})$") })
        }
        Value::Name => json!({ "type": "string", "minLength": 1, "pattern": "^[^\"\n]+$" }),
    }
}

/// An address; of a peer also with the name of its interface.
fn address(scoped: bool) -> Json {
    let mut forms = vec![json!({ "format": "ipv4" }), json!({ "format": "ipv6" })];
    if scoped {
        forms.push(json!({ "pattern": "^[fF][eE][89abAB][0-9a-fA-F:]+%." }));
    }
    json!({ "type": "string", "anyOf": forms })
}

fn one_or_more(item: &Json) -> Json {
    json!({ "anyOf": [item, { "type": "array", "items": item, "uniqueItems": true }] })
}
