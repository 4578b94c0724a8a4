//! What a display shows: a picture taken by QEMU while the guest shows one, held to what the guest drew.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use lastref::qemu::Device;
use lastref::{End, Event, Machine, Stdin, build};
use libtest_mimic::Trial;
use userland::guest::ramfb::{TEST_SIZE, test_pixel};

use crate::{tap, trial};

/// What the guest says when there is something to see.
const LOOK: &[u8] = b"# look";

/// `ramfb::picture`.
pub fn trials() -> Vec<Trial> {
    vec![trial("ramfb::picture", picture)]
}

fn picture() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (socket, file) = (directory.path().join("qmp"), directory.path().join("screen.ppm"));
    let (ours, theirs) = UnixStream::pair()?;
    let mut ours = Some(ours);
    let machine = Machine::new(build::guest()?).device(Device::Ramfb).monitor(&socket);
    let machine = machine.stdin(Stdin::Socket(Arc::new(theirs))).limit(Some(Duration::from_secs(60)));
    let (mut said, mut reports, mut taken) =
        (Vec::new(), String::new(), Err(anyhow!("the guest showed nothing")));
    let end = machine.command(["/bin/fbtest", "picture"]).run(|event| match event {
        Event::Stdout(bytes) => {
            said.extend_from_slice(bytes);
            if said.windows(LOOK.len()).any(|words| words == LOOK)
                && let Some(line) = ours.take()
            {
                taken = screendump(&socket, &file).and_then(|()| Ok(std::fs::read(&file)?));
                // The end of the guest's input: it may go on.
                drop(line);
            }
        }
        Event::Log { line, report: true } => reports.extend([line, "\n"]),
        _ => {}
    })?;
    compare(&taken?)?;
    ensure!(reports.is_empty(), "the kernel reported something:\n{reports}");
    let summary = tap::parse(&String::from_utf8_lossy(&said))?;
    ensure!(summary.failed.is_empty() && end == End::Status(0), "the guest ended with {end:?}: {summary:?}");
    Ok(())
}

/// Has QEMU write what its display shows to `file`.
fn screendump(socket: &Path, file: &Path) -> Result<()> {
    let stream = UnixStream::connect(socket).context("cannot reach QEMU")?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut answers = BufReader::new(stream.try_clone()?).lines();
    let mut command = |text: String| -> Result<()> {
        writeln!(&stream, "{text}")?;
        loop {
            let answer = answers.next().context("QEMU hung up")??;
            match answer {
                answer if answer.contains("\"return\"") => return Ok(()),
                answer if answer.contains("\"error\"") => bail!("QEMU says {answer}"),
                _ => {}
            }
        }
    };
    command(r#"{"execute": "qmp_capabilities"}"#.into())?;
    command(format!(
        r#"{{"execute": "screendump", "arguments": {{"filename": {:?}}}}}"#,
        file.display().to_string()
    ))
}

/// Holds a picture in the format PPM to the guest's.
fn compare(ppm: &[u8]) -> Result<()> {
    let (width, height) = TEST_SIZE;
    let head = format!("P6\n{width} {height}\n255\n");
    let pixels = ppm.strip_prefix(head.as_bytes()).with_context(|| {
        format!(
            "this is no picture of {width} by {height}: {:?}",
            String::from_utf8_lossy(&ppm[..ppm.len().min(20)])
        )
    })?;
    ensure!(pixels.len() == (3 * width * height) as usize, "the picture has {} bytes", pixels.len());
    let wanted = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    for (seen, (x, y)) in pixels.chunks_exact(3).zip(wanted) {
        let [_, red, green, blue] = test_pixel(x, y).to_be_bytes();
        ensure!(seen == [red, green, blue], "pixel {x}, {y} is {seen:02x?}, not {:06x}", test_pixel(x, y));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_pixel_is_seen() {
        let (width, height) = TEST_SIZE;
        let mut ppm = format!("P6\n{width} {height}\n255\n").into_bytes();
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| test_pixel(x, y).to_be_bytes()));
        ppm.extend(pixels.flat_map(|[_, red, green, blue]| [red, green, blue]));
        compare(&ppm).unwrap();
        *ppm.last_mut().unwrap() ^= 1;
        assert!(compare(&ppm).unwrap_err().to_string().contains("pixel 319, 199"));
        assert!(compare(&ppm[..100]).is_err());
        assert!(compare(b"P6\n16 16\n255\n").unwrap_err().to_string().contains("no picture"));
    }
}
