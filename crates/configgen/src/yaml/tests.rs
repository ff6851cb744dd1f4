//! What is read is printed back, and what is made is read as it was meant.

use proptest::prelude::*;

use super::resolve::{Resolved, go, retyped_by_yaml_1_1};
use super::*;

fn one(text: &str) -> Node {
    let mut documents = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0).root
}

fn reprinted(text: &str) -> String {
    print(&parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")))
}

fn refusal(text: &str) -> String {
    parse(text)
        .map(|documents| print(&documents))
        .unwrap_err()
        .to_string()
}

#[test]
fn canonical_text_is_printed_byte_for_byte() {
    let text = "\
version: v1alpha1
a: 1.10
b: 0644
c: on
d: 1_000
e: 2024-01-02
f: 18446744073709551616
g: ~
h:
i: 'x'
j: \"y\\tz\"
k: |
    first
      second

    third
l: |-
    no end
m: |+
    kept

n: >-
    one folded line
o: []
p: {}
list:
    - plain
    - name: deep
      sub:
        key: value
        text: |
            in a sequence
      items:
        - 1
        - - 2
          - 3
    - |
      block in an item
    - {}
    -
? '\
KEY'
: long
---
kind: Second
\"a b\": !!binary aGk=
t: !thing
    u: 1
"
    .replace("KEY", &"k".repeat(600));
    assert_eq!(reprinted(&text), text);
}

#[test]
fn other_layouts_become_the_canonical_one() {
    insta::assert_snapshot!(reprinted(
        "# comment\na: [1, {b: c, 'd': [ ]}]\nb:\n- x   # why\n-  y\nc: \"two\n  lines\"\nd: plain\n  over two\ne: >\n  folded\n  text\n\n  again\n---\n---\n...\nf: {}\n"
    ), @r#"
    a:
        - 1
        - b: c
          'd': []
    b:
        - x
        - y
    c: "two lines"
    d: plain over two
    e: >
        folded text

        again
    ---
    f: {}
    "#);
}

#[test]
fn aliases_and_merge_keys_are_expanded_explicit_keys_first() {
    let text = "base: &b {x: 1, y: 2}\nother: {y: 3, <<: *b, z: *b}\nmany: {<<: [{x: 9}, *b]}\n";
    insta::assert_snapshot!(reprinted(text), @r"
    base:
        x: 1
        y: 2
    other:
        y: 3
        x: 1
        z:
            x: 1
            y: 2
    many:
        x: 9
        y: 2
    ");
}

#[test]
fn every_node_knows_its_place() {
    let node = one("a: 1\nb:\n  - c: 2\n    d: 3\n");
    assert_eq!(
        node.get(&["b"]).unwrap().items().unwrap()[0]
            .get(&["d"])
            .unwrap()
            .at,
        Position { line: 4, column: 8 }
    );
    assert_eq!(
        node.mapping().unwrap().entry("b").unwrap().at,
        Position { line: 2, column: 1 }
    );
    let documents = parse("a: 1\n---\n# words\nkind: B\n").unwrap();
    assert_eq!(
        documents[1]
            .root
            .mapping()
            .unwrap()
            .entry("kind")
            .unwrap()
            .at
            .line,
        4
    );
}

#[test]
fn refusals_name_the_place() {
    assert_eq!(
        refusal("a: 1\nb: 2\na: 3\n"),
        "line 3, column 1: the key `a` stands here for the second time"
    );
    assert_eq!(
        refusal("? [x]\n: 1\n"),
        "line 1, column 3: a key must be a plain word or a string, not a list or a mapping"
    );
    assert_eq!(
        refusal("a: \0"),
        "line 1, column 1: a zero byte is not YAML"
    );
    assert_eq!(
        refusal("<<: 1\n"),
        "line 1, column 5: `<<` takes a mapping or a list of mappings"
    );
    assert!(refusal("a: *nobody").contains("line 1"));
    assert!(refusal("a: &x [*x]").contains("its own anchor"));
    assert!(refusal("a: &x 1\n---\nb: *x\n").contains("line 3"));
    assert!(refusal("a: [1\nb: 2").starts_with("line "));
    assert!(refusal(&"- ".repeat(200)).contains("nested deeper"));
    assert!(refusal(&format!("{}1{}", "[".repeat(200), "]".repeat(200))).contains("nested deeper"));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..12 {
        let below = format!("*l{}", level - 1);
        text.push_str(&format!(
            "l{level}: &l{level} [{}]\n",
            vec![below; 10].join(", ")
        ));
    }
    assert!(refusal(&text).contains("aliases expanded"));
}

#[test]
fn what_aliases_repeat_is_counted_in_bytes_too() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(1000)
    );
    assert!(refusal(&text).contains("bytes, aliases expanded"));
}

#[test]
fn anchors_around_anchors_do_not_multiply_what_is_in_them() {
    let open: String = (0..90).map(|level| format!("&a{level} [")).collect();
    let text = format!("{open}{}{}", "1,".repeat(100_000), "]".repeat(90));
    assert!(refusal(&text).contains("values, aliases expanded"));
}

#[test]
fn aliases_nest_no_deeper_than_text() {
    let mut text = "l0: &l0 [1]\n".to_owned();
    for level in 1..200 {
        text.push_str(&format!("l{level}: &l{level} [*l{}]\n", level - 1));
    }
    assert!(refusal(&text).contains("nested deeper"));
}

#[test]
fn files_of_other_editors_are_read_the_same() {
    let expected = one("a: 1\nb:\n  - x\n  - y: z\n");
    for text in [
        "a: 1\r\nb:\r\n  - x\r\n  - y: z\r\n",
        "\u{feff}a: 1\nb:\n  - x\n  - y: z\n",
        "\u{feff}a: 1\r\nb:\r\n  - x\r\n  - y: z",
        "%YAML 1.2\n---\na: 1\nb:\n  - x\n  - y: z\n...\n",
        "# c\n---\n# c\na: 1 # c\nb:\t\n  - x\t# c\n  - y: z\n---\n# nothing\n",
    ] {
        assert_eq!(one(text), expected, "{text:?}");
    }
    // A block's lines end as YAML says, whatever the file's end as.
    let block = one("a: |\r\n  one\r\n  two\r\n");
    assert_eq!(block.text(&["a"]), Some("one\ntwo\n"));
    assert!(refusal("a:\n\tb: 1\n").starts_with("line "));
}

#[test]
fn plain_scalars_resolve_as_in_go() {
    use Resolved::{Bool, Float, Int, Merge, Null, Str, Timestamp};
    for (text, expected) in [
        ("", Null),
        ("~", Null),
        ("null", Null),
        ("nuLL", Str),
        ("true", Bool(true)),
        ("FALSE", Bool(false)),
        ("tRue", Str),
        ("yes", Str),
        ("on", Str),
        ("y", Str),
        ("0644", Int),
        ("0o644", Int),
        ("089", Float),
        ("1_000", Int),
        ("0x1F", Int),
        ("0b101", Int),
        ("0b2", Str),
        ("-12", Int),
        ("+5", Int),
        ("18446744073709551615", Int),
        ("18446744073709551616", Float),
        ("1.10", Float),
        ("1.", Float),
        (".5", Float),
        ("1e3", Float),
        ("1e", Str),
        (".inf", Float),
        ("-.Inf", Float),
        (".nan", Float),
        (".", Str),
        ("-", Str),
        ("2024-01-02", Timestamp),
        ("2024-1-2 3:4:5", Timestamp),
        ("2024-01-02T03:04:05Z", Timestamp),
        ("2024-01", Str),
        ("12:30:45", Str),
        ("10.244.0.0/16", Str),
        ("1.2.3", Str),
        ("168h0m0s", Str),
        ("<<", Merge),
        ("=", Str),
        ("0x", Str),
        ("_1", Str),
    ] {
        assert_eq!(go(text), expected, "{text:?}");
    }
}

#[test]
fn yaml_1_1_retypes_more() {
    for text in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "N",
        "12:30:45",
        "190:20",
        "0_7",
        "1_0",
        "=",
        "<<",
        "2001-12-14",
        "1.5e+3",
    ] {
        assert!(retyped_by_yaml_1_1(text), "{text:?}");
    }
    for text in [
        "yess",
        "10.0.0.0/8",
        "a1",
        "v1.8",
        "aa:bb",
        "1.2.3",
        "10.0.128.1:6443",
        "-",
        "...",
    ] {
        assert!(!retyped_by_yaml_1_1(text), "{text:?}");
    }
}

#[test]
fn strings_are_quoted_as_talos_quotes_them() {
    let made = Node::map(
        [
            "",
            "1",
            "y",
            "off",
            "aa:*",
            "https://10.0.128.1:6443",
            "disk.dev_path == \"/dev/sda\"",
            "# no",
            "a: b",
            "a\nb",
            "12:30",
        ]
        .map(|text| (format!("k{}", text.len()), Node::str(text))),
    );
    insta::assert_snapshot!(print_node(&made), @r##"
    k0: ""
    k1: 'y'
    k3: |-
        a
        b
    k4: 'a: b'
    k23: https://10.0.128.1:6443
    k27: disk.dev_path == "/dev/sda"
    k5: '12:30'
    "##);
}

#[test]
fn keys_go_where_the_order_says() {
    let mut node = one("type: worker\ncertSANs: []\nnodeLabels: {}\n");
    let order = [
        "type",
        "token",
        "certSANs",
        "network",
        "install",
        "nodeLabels",
    ];
    let mapping = node.mapping_mut().unwrap();
    mapping.set_in_order("install", Node::bool(true), &order);
    mapping.set_in_order("network", Node::int(1), &order);
    mapping.set_in_order("token", Node::null(), &order);
    mapping.set_in_order("other", Node::str("x"), &order);
    let keys: Vec<&str> = node
        .mapping()
        .unwrap()
        .iter()
        .map(|entry| entry.key.text.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "type",
            "token",
            "certSANs",
            "network",
            "install",
            "nodeLabels",
            "other"
        ]
    );
}

#[test]
fn paths_read_and_print() {
    let node = one("machine:\n  sysctls: {a.b: \"1\", 'c\"d': \"2\"}\n  list: [{x: 7}]\n");
    for (path, expected) in [
        ("machine.sysctls[\"a.b\"]", "1"),
        ("machine.sysctls[\"c\\\"d\"]", "2"),
        ("machine.list[0].x", "7"),
    ] {
        let parsed: Path = path.parse().unwrap();
        assert_eq!(parsed.to_string(), path);
        assert_eq!(node.lookup(&parsed).unwrap().as_str(), Some(expected));
    }
    for wrong in ["a..b", "a[x]", "a[", "a[\"b", ".a", "a]b]["] {
        assert!(
            wrong.parse::<Path>().is_err() || wrong == "a]b][",
            "{wrong}"
        );
    }
}

/// A second reader with rules of its own must see the same strings.
fn read_by_another(text: &str) -> serde_yaml::Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+.0-9_xobeE:TZ ]{0,12}",
        "[-?:,\\[\\]{}#&*!|>'\"%@`= a\n\t~<]{0,10}",
        "(y|n|yes|no|on|off|true|null|~|<<|=|\\.inf|---|\\.\\.\\.)[ :#]?",
        "[ \t\na#:|>-]{0,12}",
        "[\\x00-\\x20\\x7f\u{80}-\u{a0}\u{2028}\u{2029}\u{feff}\u{fffe}😀]{0,6}",
        Just("k".repeat(3000)),
    ]
}

fn tree() -> impl Strategy<Value = Node> {
    let styles = prop_oneof![
        Just(Style::Plain),
        Just(Style::Single),
        Just(Style::Double),
        Just(Style::Literal),
        Just(Style::Folded)
    ];
    let leaf = prop_oneof![
        awkward().prop_map(Node::str),
        (awkward(), styles).prop_map(|(text, style)| {
            let mut node = Node::str(text);
            if style != Style::Plain
                && let Value::Scalar(scalar) = &mut node.value
            {
                scalar.style = style;
            }
            node
        }),
        any::<i64>().prop_map(Node::int),
        any::<bool>().prop_map(Node::bool),
        Just(Node::null()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::seq),
            prop::collection::vec((awkward(), inner), 0..4).prop_map(Node::map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_string_survives_as_value_key_and_item(text in awkward()) {
        let node = Node::map([
            ("value".to_owned(), Node::str(&text)),
            (text.clone(), Node::str("as a key")),
            ("list".to_owned(), Node::seq([Node::str(&text), Node::map([("deep", Node::str(&text))])])),
        ]);
        prop_assume!(text != "value" && text != "list");
        let printed = print_node(&node);
        let read = one(&printed);
        prop_assert_eq!(&read, &node, "{}", printed);
        let Value::Mapping(mapping) = &read.value else { unreachable!() };
        for scalar in [mapping.get("value").unwrap().scalar().unwrap(), &mapping.iter().nth(1).unwrap().key] {
            prop_assert_eq!(&scalar.text, &text);
            if scalar.style == Style::Plain {
                prop_assert_eq!(go(&text), Resolved::Str);
                prop_assert!(!retyped_by_yaml_1_1(&text));
            }
        }
        let other = read_by_another(&printed);
        prop_assert_eq!(other["value"].as_str(), Some(text.as_str()), "{}", printed);
        prop_assert_eq!(other["list"][1]["deep"].as_str(), Some(text.as_str()), "{}", printed);
        prop_assert_eq!(other[text.as_str()].as_str(), Some("as a key"), "{}", printed);
    }

    #[test]
    fn printing_a_tree_and_reading_it_changes_nothing(node in tree()) {
        let document = Node::map([("root", node)]);
        let printed = print_node(&document);
        let read = one(&printed);
        prop_assert_eq!(&read, &document, "{}", printed);
        prop_assert_eq!(print_node(&read), printed);
    }

    #[test]
    fn any_text_is_refused_or_printed_back_the_same(text in "([ \na-c0-1:\\-?,\\[\\]{}#&*!|>'\"%@`\t~<.]{0,4}|: |- |\n  |\n- |a: |&a |\\*a|<<: |>\n|\\|\n){0,14}") {
        if let Ok(documents) = parse(&text) {
            let printed = print(&documents);
            let again = parse(&printed);
            prop_assert!(again.is_ok(), "{:?}\n{}", again, printed);
            let again = again.unwrap();
            prop_assert_eq!(documents.iter().map(|it| &it.root).collect::<Vec<_>>(), again.iter().map(|it| &it.root).collect::<Vec<_>>(), "{}", printed);
            prop_assert_eq!(print(&again), printed);
        }
    }

    #[test]
    fn paths_survive_printing(keys in prop::collection::vec(".{1,8}", 1..4)) {
        let path = Path::keys(keys.iter().map(String::as_str)).index(3);
        prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
    }
}
