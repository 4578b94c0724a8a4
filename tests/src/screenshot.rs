//! What a display shows: pictures taken by QEMU while the guest shows some, held to what the guest drew.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lastref::qemu::{Device, Hardware};
use lastref::{End, Event, Machine, Stdin, build};
use libtest_mimic::Trial;
use userland::guest::ramfb::{TEST_PICTURES, TestPicture};

use crate::programs::regions;
use crate::{tap, trial};

/// What the guest says when there is something to see, and the number of the picture after it.
const LOOK: &str = "# look ";

/// What a terminal's user types for the end of the input, after which there may be more.
const END_OF_INPUT: &[u8] = &[4];

/// How often the guest shows each picture: it rehearses once.
const ROUNDS: usize = 2;

/// `ramfb::pictures`.
pub fn trials() -> Vec<Trial> {
    vec![trial("ramfb::pictures", pictures)]
}

/// A picture of every heap, each held to all that the guest has, and equal to its own alone.
fn pictures() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (socket, file) = (directory.path().join("qmp"), directory.path().join("screen.ppm"));
    let (ours, theirs) = UnixStream::pair()?;
    let devices = vec![Device::Edu, Device::Ramfb];
    let hardware = Hardware { cpus: 2, memory: 256, devices, regions: regions()?, ..Hardware::default() };
    let machine = Machine::new(build::guest()?).hardware(hardware).monitor(&socket);
    let machine = machine.stdin(Stdin::Socket(Arc::new(theirs))).limit(Some(Duration::from_secs(180)));
    let (mut said, mut reports) = (Vec::new(), String::new());
    let (mut seen, mut failed) = (Vec::new(), Ok(()));
    let mut screen = Screen::default();
    let end = machine.command(["/bin/fbtest", "pictures"]).run(|event| match event {
        Event::Stdout(bytes) => {
            said.extend_from_slice(bytes);
            let all: Vec<usize> = shown(&said).collect();
            for &nth in &all[seen.len()..] {
                seen.push(nth);
                let looked = match failed {
                    Ok(()) => screen.dump(&socket, &file).and_then(|ppm| look(&ppm, nth)),
                    Err(_) => Ok(()),
                };
                // The guest may go on, whatever was seen.
                let told = (&ours).write_all(END_OF_INPUT).context("the guest does not listen");
                if failed.is_ok() {
                    failed = looked.and(told);
                }
            }
        }
        Event::Log { line, report: true } => reports.extend([line, "\n"]),
        _ => {}
    })?;
    failed?;
    ensure!(reports.is_empty(), "the kernel reported something:\n{reports}");
    let summary = tap::parse(&String::from_utf8_lossy(&said))?;
    ensure!(summary.failed.is_empty() && end == End::Status(0), "the guest ended with {end:?}: {summary:?}");
    let all: Vec<usize> = (0..ROUNDS).flat_map(|_| 0..TEST_PICTURES.len()).collect();
    ensure!(seen == all, "the guest showed {seen:?}");
    Ok(())
}

/// The pictures that the guest has shown, by their numbers, in order.
fn shown(said: &[u8]) -> impl Iterator<Item = usize> {
    let whole = said.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let numbers = whole.filter_map(|line| line.trim_ascii_end().strip_prefix(LOOK.as_bytes()));
    numbers.filter_map(|number| str::from_utf8(number).ok()?.parse().ok())
}

/// Holds what is seen to all pictures: it is number `nth`, unless that was spoilt, and no other.
fn look(ppm: &[u8], nth: usize) -> Result<()> {
    for (other, picture) in TEST_PICTURES.iter().enumerate() {
        let compared = compare(ppm, other, picture);
        let heap = picture.heap;
        match compared {
            Err(error) if other == nth && picture.spoilt => {
                let last = format!("pixel {}, {} ", picture.width - 1, picture.height - 1);
                ensure!(error.to_string().starts_with(&last), "of a spoilt pixel it is said: {error:#}");
            }
            Ok(()) if other == nth && !picture.spoilt => {}
            Err(error) if other == nth => return Err(error.context(format!("picture {nth}, of {heap}"))),
            Ok(()) => bail!("picture {nth} is taken for {other}, of {heap}"),
            Err(_) => {}
        }
    }
    Ok(())
}

/// The way to QEMU, which listens to one visitor, once.
#[derive(Default)]
struct Screen(Option<(UnixStream, Lines<BufReader<UnixStream>>)>);

impl Screen {
    /// What QEMU's display shows, as it writes it to `file`; QEMU is at `socket`.
    fn dump(&mut self, socket: &Path, file: &Path) -> Result<Vec<u8>> {
        if self.0.is_none() {
            let stream = UnixStream::connect(socket).context("cannot reach QEMU")?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            self.0 = Some((stream.try_clone()?, BufReader::new(stream).lines()));
            self.command(r#"{"execute": "qmp_capabilities"}"#)?;
        }
        let file_name = file.display().to_string();
        self.command(&format!(r#"{{"execute": "screendump", "arguments": {{"filename": {file_name:?}}}}}"#))?;
        let ppm = std::fs::read(file)?;
        std::fs::remove_file(file)?;
        Ok(ppm)
    }

    fn command(&mut self, text: &str) -> Result<()> {
        let (stream, answers) = self.0.as_mut().context("there is no way to QEMU")?;
        writeln!(stream, "{text}")?;
        loop {
            let answer = answers.next().context("QEMU hung up")??;
            match answer {
                answer if answer.contains("\"return\"") => return Ok(()),
                answer if answer.contains("\"error\"") => bail!("QEMU says {answer}"),
                _ => {}
            }
        }
    }
}

/// Holds a picture in the format PPM to number `nth` of the guest's.
fn compare(ppm: &[u8], nth: usize, picture: &TestPicture) -> Result<()> {
    let (width, height) = (picture.width, picture.height);
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
        let pixel = TestPicture::pixel(nth, x, y);
        let [_, red, green, blue] = pixel.to_be_bytes();
        ensure!(seen == [red, green, blue], "pixel {x}, {y} is {seen:02x?}, not {pixel:06x}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ppm(nth: usize) -> Vec<u8> {
        let picture = &TEST_PICTURES[nth];
        let (width, height) = (picture.width, picture.height);
        let mut ppm = format!("P6\n{width} {height}\n255\n").into_bytes();
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        ppm.extend(places.flat_map(|(x, y)| picture.shown(nth, x, y).to_be_bytes()[1..].to_vec()));
        ppm
    }

    #[test]
    fn one_wrong_pixel_and_another_heaps_picture_are_seen() {
        for nth in 0..TEST_PICTURES.len() {
            look(&ppm(nth), nth).unwrap();
            look(&ppm(nth), (nth + 1) % TEST_PICTURES.len()).unwrap_err();
        }
        let mut wrong = ppm(1);
        *wrong.last_mut().unwrap() ^= 1;
        let error = format!("{:#}", look(&wrong, 1).unwrap_err());
        assert!(error.contains("default_cma_region: pixel 511, 511"), "{error}");
        assert!(look(&ppm(1)[..100], 1).is_err());
        assert!(format!("{:#}", look(b"P6\n16 16\n255\n", 1).unwrap_err()).contains("no picture"));
        let mut whole = ppm(5);
        *whole.last_mut().unwrap() ^= 1;
        look(&whole, 5).expect_err("a spoilt picture that is not");
    }

    #[test]
    fn what_was_shown_is_read_line_by_line() {
        let said = b"TAP version 13\r\n# look 3\r\nok 1 # look 4\n# look 0\n# look x\n# look 5";
        assert_eq!(shown(said).collect::<Vec<_>>(), [3, 0]);
    }
}
