//! A UEFI program of a few bytes, made without an assembler: says its line on the serial port, then powers off.

/// Where the code starts in the file and in memory: one page after the headers, as the section's alignment asks.
const CODE_AT: u32 = 0x1000;
/// The alignment of sections in the file.
const FILE_ALIGNMENT: u32 = 0x200;

/// The program as a PE32+ image for x86-64.
pub fn program(message: &str) -> Vec<u8> {
    let code = code(message);
    let size = u32::try_from(code.len())
        .expect("a few bytes")
        .next_multiple_of(FILE_ALIGNMENT);
    let mut image = headers(size);
    image.resize(FILE_ALIGNMENT as usize, 0);
    image.extend_from_slice(&code);
    image.resize((FILE_ALIGNMENT + size) as usize, 0);
    image
}

/// The machine code: the calling convention gives the system table in `rdx`.
fn code(message: &str) -> Vec<u8> {
    let mut code = vec![
        0x48, 0x83, 0xec,
        0x28, //             sub rsp, 0x28         room that callees may use, aligned
        0x48, 0x89, 0xd3, //                   mov rbx, rdx
        0x48, 0x8d, 0x35, 0x30, 0, 0, 0,    //    lea rsi, [rip + 0x30] the message
        0xac, //                         next: lodsb
        0x84, 0xc0, //                         test al, al
        0x74, 0x14, //                         jz off
        0x88, 0xc1, //                         mov cl, al
        0x66, 0xba, 0xfd,
        0x03, //             mov dx, 0x3fd         line status of the first serial port
        0xec, //                         wait: in al, dx
        0xa8, 0x20, //                         test al, 0x20         room for a byte?
        0x74, 0xfb, //                         jz wait
        0x88, 0xc8, //                         mov al, cl
        0x66, 0xba, 0xf8, 0x03, //             mov dx, 0x3f8
        0xee, //                               out dx, al
        0xeb, 0xe7, //                         jmp next
        0x48, 0x8b, 0x43, 0x58, //        off: mov rax, [rbx + 88]   runtime services
        0xb9, 2, 0, 0, 0, //                   mov ecx, 2            EfiResetShutdown
        0x31, 0xd2, //                         xor edx, edx
        0x4d, 0x31, 0xc0, //                   xor r8, r8
        0x4d, 0x31, 0xc9, //                   xor r9, r9
        0xff, 0x50, 0x68, //                   call [rax + 104]      ResetSystem
        0xf4, //                         halt: hlt
        0xeb, 0xfd, //                         jmp halt
    ];
    code.extend_from_slice(message.as_bytes());
    code.push(0);
    code
}

/// Everything before the code (Microsoft PE format, "PE32+").
fn headers(size: u32) -> Vec<u8> {
    let mut out = Little(vec![0; 64]);
    out.0[..2].copy_from_slice(b"MZ");
    out.0[60] = 64; // where the PE header starts
    out.bytes(b"PE\0\0");
    out.u16s(&[0x8664, 1]); // x86-64, one section
    out.u32s(&[0, 0, 0]); // no time, no symbols
    out.u16s(&[112 + 6 * 8, 0x0022]); // size of the optional header; executable, large addresses
    out.u16s(&[0x020b, 0]); // PE32+
    out.u32s(&[size, 0, 0, CODE_AT, CODE_AT]); // code, data, entry point, base of code
    out.u64s(&[0x40_0000]); // preferred base
    out.u32s(&[CODE_AT, FILE_ALIGNMENT]);
    out.u16s(&[0, 0, 0, 0, 0, 0]); // versions
    out.u32s(&[
        0,
        CODE_AT + size.next_multiple_of(CODE_AT),
        FILE_ALIGNMENT,
        0,
    ]); // size in memory, of headers
    out.u16s(&[10, 0]); // subsystem: EFI application
    out.u64s(&[0, 0, 0, 0]); // stack and heap are the firmware's
    out.u32s(&[0, 6]); // six empty directories: no relocations, the code runs anywhere
    out.u64s(&[0; 6]);
    out.bytes(b".text\0\0\0");
    out.u32s(&[size, CODE_AT, size, FILE_ALIGNMENT, 0, 0]);
    out.u16s(&[0, 0]);
    out.u32s(&[0x6000_0020]); // code, may be read and run
    out.0
}

/// Numbers written with their low byte first.
struct Little(Vec<u8>);

impl Little {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u16s(&mut self, values: &[u16]) {
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    fn u32s(&mut self, values: &[u32]) {
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    fn u64s(&mut self, values: &[u64]) {
        self.0
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_points_at_its_message() {
        let code = code("hello");
        // `lea` counts from the instruction after it, at byte 14.
        let message = 14 + usize::from(code[10]);
        assert_eq!(&code[message..], b"hello\0");
    }

    #[test]
    fn the_jumps_hit_their_marks() {
        let code = code("");
        let target =
            |at: usize| usize::try_from(at as isize + 2 + isize::from(code[at + 1] as i8)).unwrap();
        assert_eq!(code[target(17)], 0x48, "jz off");
        assert_eq!(code[target(28)], 0xec, "jz wait");
        assert_eq!(code[target(37)], 0xac, "jmp next");
    }
}
