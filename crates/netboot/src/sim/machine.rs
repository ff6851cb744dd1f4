//! A simulated machine's DHCP: what its firmware sends, and what it makes of an answer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::MacAddr;

use crate::core::classify::Door;
use crate::director::Platform;
use crate::wire::dhcp::{BootReply, ClientArch, Kind, Operation, Packet, VendorClass};
use crate::wire::options::{self, pxe};

/// A simulated machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The card it boots by.
    pub mac: MacAddr,
    /// Its mainboard's number as option 97 has it; `None` for a ROM that leaves it out.
    pub guid: Option<[u8; 16]>,
    /// What it runs.
    pub software: Software,
    /// The address that the site's DHCP server gave it.
    pub address: Ipv4Addr,
}

/// What a simulated machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// A PXE ROM of a PC BIOS: takes an offer that has a server and a file, or else asks port 4011 from port 68.
    BiosRom,
    /// The PXE client of EDK2: takes the file of an offer only with option 43, or else asks port 4011 from port 4011.
    Edk2Pxe(Platform),
    /// The HTTP boot client of EDK2.
    Edk2Http(Platform),
    /// iPXE.
    Ipxe {
        /// What it was built for.
        platform: Platform,
        /// Whether it can fetch by HTTP.
        http: bool,
        /// Whether a loader started it, so that it repeats the bare class of the answer that loaded it.
        chained: bool,
    },
}

/// What a machine does next after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It loads a file.
    Fetch(Source),
    /// It asks this server again on port 4011.
    AskProxy(Ipv4Addr),
}

/// Where a machine loads a file from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// By TFTP.
    Tftp {
        /// The server.
        server: Ipv4Addr,
        /// The name it asks for.
        path: String,
    },
    /// By HTTP.
    Http(String),
}

/// Why a machine passes over an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is no DHCP answer at all.
    #[error("it is no DHCP answer")]
    Malformed,
    /// It is for another machine or another request.
    #[error("it is for another machine or another request")]
    NotMine,
    /// It gives an address, which a server beside the site's own must not.
    #[error("it gives an address or a lease")]
    Lease,
    /// It is of a kind that this client does not wait for.
    #[error("option 53 is missing or wrong")]
    Kind,
    /// It does not say who sent it.
    #[error("option 54 is missing")]
    NoServer,
    /// Its class is not this client's.
    #[error("option 60 is missing or of another class")]
    Class,
    /// It is shorter than old ROMs take.
    #[error("it is shorter than 300 bytes")]
    Short,
    /// It names nothing that this client could load.
    #[error("it names no server or no file that this client can load")]
    NoFile,
    /// It came from a port or address that the client did not ask.
    #[error("it came from another address than the one asked")]
    Sender,
}

impl Machine {
    /// The broadcast that looks for servers.
    pub fn discover(&self, xid: u32) -> Vec<u8> {
        self.packet(Kind::Discover, xid).encode()
    }

    /// The broadcast that takes the lease of the site's server, which every other server sees too.
    pub fn accept_lease(&self, xid: u32, dhcp_server: Ipv4Addr) -> Vec<u8> {
        let mut packet = self.packet(Kind::Request, xid);
        packet.options.extend([
            (options::SERVER_IDENTIFIER, dhcp_server.octets().to_vec()),
            (options::REQUESTED_ADDRESS, self.address.octets().to_vec()),
        ]);
        packet.encode()
    }

    /// The second question, for port 4011.
    pub fn proxy_request(&self, xid: u32, server: Ipv4Addr) -> Vec<u8> {
        let mut packet = self.packet(Kind::Request, xid);
        packet.ciaddr = self.address;
        packet.flags = 0;
        // EDK2 names no server there, iPXE and its like do.
        if !matches!(self.software, Software::Edk2Pxe(_)) {
            packet
                .options
                .insert(options::SERVER_IDENTIFIER, server.octets().to_vec());
        }
        packet.encode()
    }

    /// The port it sends its second question from.
    pub fn proxy_source_port(&self) -> u16 {
        match self.software {
            Software::Edk2Pxe(_) => Door::Proxy.port(),
            _ => crate::core::answer::CLIENT_PORT,
        }
    }

    /// What it makes of an offer, by the rules that its software has.
    pub fn take_offer(&self, bytes: &[u8], xid: u32) -> Result<Next, Rejected> {
        let reply = self.read(bytes, xid, BootReply::OFFER)?;
        let server = reply.server.ok_or(Rejected::NoServer)?;
        let control = reply
            .vendor
            .as_ref()
            .and_then(|vendor| vendor.get(&pxe::DISCOVERY_CONTROL))
            .and_then(|flags| flags.first().copied());
        match self.software {
            Software::Edk2Http(_) => self.source(&reply).map(Next::Fetch),
            Software::Edk2Pxe(_) => match control {
                // Without any of the sub-options 6 to 10 it takes the sender for a server that answers on 4011 alone.
                None => Ok(Next::AskProxy(server)),
                Some(flags) if flags & pxe::DOWNLOAD_OFFERED_FILE != 0 => {
                    self.source(&reply).map(Next::Fetch)
                }
                Some(_) => Ok(Next::AskProxy(server)),
            },
            Software::BiosRom | Software::Ipxe { .. } => Ok(self
                .source(&reply)
                .map_or(Next::AskProxy(server), Next::Fetch)),
        }
    }

    /// What it makes of the answer on port 4011.
    pub fn take_ack(&self, bytes: &[u8], xid: u32) -> Result<Source, Rejected> {
        let reply = self.read(bytes, xid, BootReply::ACK)?;
        self.source(&reply)
    }

    /// Checks what every client checks.
    fn read(&self, bytes: &[u8], xid: u32, kind: u8) -> Result<BootReply, Rejected> {
        let reply = BootReply::decode(bytes).map_err(|_| Rejected::Malformed)?;
        let packet = &reply.packet;
        let own = packet.chaddr[..6] == self.mac.octets() && packet.hlen == 6;
        let same_board = match (&self.guid, packet.option(options::CLIENT_UUID)) {
            (Some(guid), Some([0, echoed @ ..])) => guid == echoed,
            (None, None) => true,
            _ => false,
        };
        if packet.xid != xid || !own || !same_board {
            return Err(Rejected::NotMine);
        }
        // Subnet mask, router, name servers, lease time, renewal times: all of them are the site's own server's to say.
        let leases = [1, 3, 6, 51, 58, 59]
            .iter()
            .any(|code| packet.options.contains_key(code));
        if !packet.yiaddr.is_unspecified() || leases {
            return Err(Rejected::Lease);
        }
        if reply.kind != Some(kind) {
            return Err(Rejected::Kind);
        }
        if reply.server.is_none() {
            return Err(Rejected::NoServer);
        }
        if reply.class != Some(self.class()) {
            return Err(Rejected::Class);
        }
        if bytes.len() < 300 {
            return Err(Rejected::Short);
        }
        Ok(reply)
    }

    /// Where an answer sends it.
    fn source(&self, reply: &BootReply) -> Result<Source, Rejected> {
        let file = reply.file.clone().ok_or(Rejected::NoFile)?;
        let by_http = file.starts_with("http://");
        let server = reply.packet.siaddr;
        let source = match self.software {
            Software::Edk2Http(_) => by_http.then_some(Source::Http(file)),
            Software::Ipxe { http, .. } if by_http => http.then_some(Source::Http(file)),
            _ if by_http || server.is_unspecified() => None,
            _ => Some(Source::Tftp { server, path: file }),
        };
        source.ok_or(Rejected::NoFile)
    }

    fn class(&self) -> VendorClass {
        match self.software {
            Software::Edk2Http(_) => VendorClass::Http,
            _ => VendorClass::Pxe,
        }
    }

    fn arch(&self) -> ClientArch {
        match self.software {
            Software::BiosRom => ClientArch::BIOS,
            Software::Edk2Pxe(platform) | Software::Ipxe { platform, .. } => {
                ClientArch::of(platform, false)
            }
            Software::Edk2Http(platform) => ClientArch::of(platform, true),
        }
    }

    /// The fields and options that all of its messages have.
    fn packet(&self, kind: Kind, xid: u32) -> Packet {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&self.mac.octets());
        let bios = self.arch() == ClientArch::BIOS;
        // UNDI type 1: version 2.1 of PC BIOS, 3.0 of UEFI.
        let (undi, version) = if bios {
            ([1, 2, 1], "002001")
        } else {
            ([1, 3, 0], "003000")
        };
        let word = String::from_utf8_lossy(self.class().as_bytes());
        let chained = matches!(self.software, Software::Ipxe { chained: true, .. });
        let class = if chained {
            word.into_owned()
        } else {
            format!("{word}:Arch:{:05}:UNDI:{version}", self.arch().0)
        };
        let mut list = BTreeMap::from([
            (options::MESSAGE_TYPE, vec![kind.number()]),
            (
                options::PARAMETER_LIST,
                vec![1, 3, 6, options::VENDOR_SPECIFIC, 54, 60, 66, 67, 97],
            ),
            (options::MAX_MESSAGE_SIZE, 1472_u16.to_be_bytes().to_vec()),
            (options::VENDOR_CLASS, class.into_bytes()),
            (options::CLIENT_ARCH, self.arch().0.to_be_bytes().to_vec()),
            (options::CLIENT_INTERFACE, undi.to_vec()),
        ]);
        if let Some(guid) = self.guid {
            let mut data = vec![0];
            data.extend(guid);
            list.insert(options::CLIENT_UUID, data);
        }
        if let Software::Ipxe { platform, http, .. } = self.software {
            let mut own = vec![options::ipxe::VERSION, 3, 1, 21, 1];
            if http {
                own.extend([options::ipxe::HTTP, 1, 1]);
            }
            if platform != Platform::Bios {
                own.extend([options::ipxe::EFI, 1, 1]);
            }
            list.insert(options::IPXE, own);
            list.insert(options::USER_CLASS, b"iPXE".to_vec());
            let mut client = vec![1];
            client.extend(self.mac.octets());
            list.insert(options::CLIENT_IDENTIFIER, client);
        }
        Packet {
            operation: Operation::Request,
            htype: 1,
            hlen: 6,
            chaddr,
            xid,
            secs: 0,
            flags: 0x8000,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            file: Vec::new(),
            options: list,
        }
    }
}
