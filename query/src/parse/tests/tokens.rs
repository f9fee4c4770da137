//! What texts become as tokens, and what cannot be one.

use expect_test::expect;

use super::tokens;

#[test]
fn a_value_after_an_operator_runs_to_white_space() {
    tokens(
        "model=anthropic/claude-3-7 url=http://x:80/a?b=c and path != /usr/bin, z>=-1.5e3)",
        &expect![[r#"
            word model
            =
            value anthropic/claude-3-7
            word url
            =
            value http://x:80/a?b=c
            word and
            word path
            !=
            value /usr/bin
            ,
            word z
            >=
            value -1.5e3
            )"#]],
    );
}

#[test]
fn quotes_and_escapes() {
    tokens(
        r#""a \"b\" c:\temp\\" 'it is \n' cs"Exact" `http.status code` `a``b` /re\/gex/i message:/x y/"#,
        &expect![[r#"
            quoted "a \"b\" c:\\temp\\"
            single "it is \\n"
            exact "Exact"
            name "http.status code"
            name "a`b"
            regex "re/gex" any case
            word message
            :
            regex "x y""#]],
    );
}

#[test]
fn arithmetic_is_arithmetic_only_in_functions_and_set() {
    tokens(
        "a-b/c sum(a-b/c*2) | set x = a-b/c | where a-b",
        &expect![[r#"
            word a-b/c
            word sum
            (
            word a
            -
            word b
            /
            word c
            *
            word 2
            )
            |
            word set
            word x
            =
            word a
            -
            word b
            /
            word c
            |
            word where
            word a-b"#]],
    );
}

#[test]
fn a_colon_separates_a_field_only_where_it_can() {
    tokens(
        "message:time* 12:30:45 http://x.y/z error: a::b trace:cs\"A b\"",
        &expect![[r#"
            word message
            :
            value time*
            word 12:30:45
            word http://x.y/z
            word error:
            word a::b
            word trace
            :
            exact "A b""#]],
    );
}

#[test]
fn what_cannot_be_a_token_is_reported_and_left_out() {
    tokens(
        "a && b || c |= \"x\" !d =~ \"open",
        &expect![[r#"
            word a
            word and
            word b
            word or
            word c
            quoted "x"
            word d
            =
            quoted "open"
            ! Q0503: `&&` is no operator (help: write `and`)
            ! Q0503: `||` is no operator (help: write `or`)
            ! Q0504: `|=` is no operator (help: text is searched by writing it: `"connection timeout"`, or `message contains "..."`)
            ! Q0502: `!` does not negate (help: write `not` before the term)
            ! Q0501: `=~` is no operator (help: a regex is matched by `~`: `field ~ /text/i`)
            ! Q0005: this quote is never closed (help: close it with `"`; a quote inside is written `\"`)"#]],
    );
}
