//! The kernel's command line: options, then ` -- ` and the first process's arguments.
//!
//! The kernel splits it at blanks, and takes what stands between double quotes as one argument.

use anyhow::{Result, ensure};

/// The longest command line the kernel takes, in bytes.
pub const LONGEST: usize = 2047;

/// Composes the command line.
pub fn compose<'a>(options: impl IntoIterator<Item = &'a str>, arguments: &[String]) -> Result<String> {
    let mut line = options.into_iter().collect::<Vec<_>>().join(" ");
    if !arguments.is_empty() {
        line.push_str(" --");
    }
    for argument in arguments {
        line.push(' ');
        line.push_str(&quote(argument)?);
    }
    ensure!(line.len() <= LONGEST, "the arguments are too long: the kernel takes {LONGEST} bytes of them");
    Ok(line)
}

fn quote(argument: &str) -> Result<String> {
    ensure!(
        !argument.contains(|c: char| c == '"' || c.is_ascii_control()),
        "the argument {argument:?} has a double quote or a control character, which cannot be passed on"
    );
    let plain = !argument.is_empty() && !argument.contains(' ');
    Ok(if plain { argument.to_owned() } else { format!("\"{argument}\"") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(arguments: &[&str]) -> Result<String> {
        compose(["a=b", "c"], &arguments.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_follow_the_options() {
        assert_eq!(composed(&[]).unwrap(), "a=b c");
        assert_eq!(
            composed(&["/bin/x", "-v", "two words", ""]).unwrap(),
            "a=b c -- /bin/x -v \"two words\" \"\""
        );
    }

    #[test]
    fn what_cannot_be_passed_is_refused() {
        assert!(composed(&["a\"b"]).is_err());
        assert!(composed(&["a\nb"]).is_err());
        assert!(composed(&[&"x".repeat(LONGEST)]).unwrap_err().to_string().contains("too long"));
    }
}
