//! Package sources for a release and its backports, made of those the system is configured with: the
//! same mirrors, components, keys and options, other suites.

/// A release's suites with its backports.
pub fn suites(codename: &str) -> [String; 3] {
    [codename.to_owned(), format!("{codename}-updates"), format!("{codename}-backports")]
}

/// From a file of one-line sources (`*.list`), those of `codename` with `suites` in its place.
pub fn from_list(text: &str, codename: &str, suites: &[String]) -> String {
    let lines = text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t']))?.trim_start();
        let (options, rest) = match rest.starts_with('[') {
            true => rest.split_at(rest.find(']')? + 1),
            false => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let components = words.collect::<Vec<_>>().join(" ");
        (suite.trim_end_matches('/') == codename).then_some((options, uri, components))
    });
    lines
        .flat_map(|(options, uri, components)| {
            suites.iter().map(move |suite| {
                let words = ["deb", options, uri, suite, &components];
                words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ") + "\n"
            })
        })
        .collect()
}

/// From a file of sources in paragraphs (`*.sources`, deb822), those of `codename` with `suites` in
/// its place. Every other field stays as it is.
pub fn from_paragraphs(text: &str, codename: &str, suites: &[String]) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter(|fields| is_of(fields, codename))
        .map(|fields| {
            let head = format!("Types: deb\nSuites: {}\n", suites.join(" "));
            head + &without(fields, &["types", "suites"]) + "\n"
        })
        .collect()
}

/// Whether a paragraph is an enabled source of binary packages of `codename`.
fn is_of(fields: &[&str], codename: &str) -> bool {
    let has = |name: &str, word: &str| value(fields, name).split_whitespace().any(|other| other == word);
    has("types", "deb") && has("suites", codename) && !has("enabled", "no")
}

/// The value of a field, with the lines that continue it.
fn value(fields: &[&str], name: &str) -> String {
    let mut inside = false;
    let lines = fields.iter().filter_map(|line| {
        if line.starts_with([' ', '\t']) {
            return inside.then_some(*line);
        }
        let (field, value) = line.split_once(':')?;
        inside = field.eq_ignore_ascii_case(name);
        inside.then_some(value)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paragraph's lines but for those of the fields named, in lower case.
fn without(fields: &[&str], names: &[&str]) -> String {
    let mut inside = false;
    let kept = fields.iter().filter(|line| {
        if !line.starts_with([' ', '\t']) {
            let field = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            inside = names.contains(&field.as_str());
        }
        !inside
    });
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_sources_keep_mirror_options_and_components() {
        let text = "# comment\n\
            deb http://mirror.example/debian oldname main contrib # trailing\n\
            deb-src http://mirror.example/debian oldname main\n\
            deb\t[ signed-by=/k.gpg arch=amd64 ] http://other.example/debian oldname main\n\
            deb http://mirror.example/security oldname-security main\n\
            deb http://broken.example\n\
            deb [ http://broken.example oldname main\n";
        assert_eq!(
            from_list(text, "oldname", &suites("oldname")),
            "deb http://mirror.example/debian oldname main contrib\n\
             deb http://mirror.example/debian oldname-updates main contrib\n\
             deb http://mirror.example/debian oldname-backports main contrib\n\
             deb [ signed-by=/k.gpg arch=amd64 ] http://other.example/debian oldname main\n\
             deb [ signed-by=/k.gpg arch=amd64 ] http://other.example/debian oldname-updates main\n\
             deb [ signed-by=/k.gpg arch=amd64 ] http://other.example/debian oldname-backports main\n"
        );
    }

    #[test]
    fn paragraphs_keep_every_other_field() {
        let text = "Types: deb deb-src\n\
            # comment\n\
            URIs: http://mirror.example/debian\n\
            Suites: oldname\n oldname-updates\n\
            Components: main\n\
            Signed-By:\n -----BEGIN\n .\n xyz\n\
            \n\
            Types: deb\nURIs: http://mirror.example/security\nSuites: oldname-security\nComponents: main\n\
            \n \n\
            Enabled: no\nTypes: deb\nURIs: http://off.example\nsuites: oldname\nComponents: main\n\
            \n\
            Types: deb-src\nURIs: http://source.example\nSuites: oldname\nComponents: main\n";
        assert_eq!(
            from_paragraphs(text, "oldname", &suites("oldname")),
            "Types: deb\n\
             Suites: oldname oldname-updates oldname-backports\n\
             URIs: http://mirror.example/debian\n\
             Components: main\n\
             Signed-By:\n -----BEGIN\n .\n xyz\n\n"
        );
        assert_eq!(from_paragraphs("", "oldname", &suites("oldname")), "");
    }
}
