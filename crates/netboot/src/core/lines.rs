//! Cutting a stream of bytes into lines.

/// Cuts what arrives into lines, and keeps the beginning of one until its end comes.
#[derive(Debug)]
pub struct LineCutter {
    longest: usize,
    begun: Vec<u8>,
    /// Whether the line under way is too long, and passed over up to its end.
    passing: bool,
}

impl LineCutter {
    /// Lines of more than `longest` bytes are passed over.
    pub fn new(longest: usize) -> Self {
        Self {
            longest,
            begun: Vec::new(),
            passing: false,
        }
    }

    /// Takes the next bytes, and hands every line that they end to `line`, without its line feed. The answer is how many lines turned out to
    /// be too long.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) -> u64 {
        let mut too_long = 0;
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            too_long += self.keep(head);
            if !self.passing {
                line(&self.begun);
            }
            self.begun.clear();
            self.passing = false;
        }
        too_long + self.keep(rest)
    }

    fn keep(&mut self, bytes: &[u8]) -> u64 {
        if self.passing {
            return 0;
        }
        if self.begun.len() + bytes.len() > self.longest {
            self.passing = true;
            self.begun = Vec::new();
            return 1;
        }
        self.begun.extend_from_slice(bytes);
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(longest: usize, chunks: &[&[u8]]) -> (Vec<String>, u64) {
        let mut cutter = LineCutter::new(longest);
        let (mut lines, mut too_long) = (Vec::new(), 0);
        for chunk in chunks {
            too_long += cutter.push(chunk, |line| lines.push(line.escape_ascii().to_string()));
            assert!(cutter.begun.len() <= longest);
        }
        (lines, too_long)
    }

    #[test]
    fn lines_come_whole_and_long_ones_not_at_all() {
        for (chunks, lines, too_long) in [
            (&[&b"ab\ncd\n"[..]][..], &["ab", "cd"][..], 0),
            (&[b"a", b"b\n\nc", b"d"], &["ab", ""], 0),
            (&[b"abcd\n", b"abcde\n", b"e\n"], &["abcd", "e"], 1),
            (&[b"abc", b"de", b"fgh", b"i\nab\n"], &["ab"], 1),
            (&[b"abcdefgh"], &[], 1),
        ] {
            let (got, refused) = cut(4, chunks);
            assert_eq!(
                (
                    &got.iter().map(String::as_str).collect::<Vec<_>>()[..],
                    refused
                ),
                (lines, too_long)
            );
        }
    }

    proptest! {
        #[test]
        fn it_matters_not_how_they_arrive(bytes in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..80), size in 1_usize..9) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(cut(5, &chunks), cut(5, &[&bytes]));
        }
    }
}
