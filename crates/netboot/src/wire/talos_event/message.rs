//! The messages of Talos's event sink (`events.EventRequest`, `google.protobuf.Any`, `machine.*Event`), field by field.
//!
//! Numbers of enums are kept as they came; fields that are not named here are passed over.

use prost::Message;

/// `events.EventRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EventRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) data: Option<Any>,
    #[prost(string, tag = "2")]
    pub(super) id: String,
    #[prost(string, tag = "3")]
    pub(super) actor_id: String,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `machine.SequenceEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SequenceEvent {
    #[prost(string, tag = "1")]
    pub(super) sequence: String,
    #[prost(int32, tag = "2")]
    pub(super) action: i32,
    #[prost(message, optional, tag = "3")]
    pub(super) error: Option<Error>,
}

/// `common.Error`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Error {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// `machine.PhaseEvent` and `machine.TaskEvent`, which have the same fields.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StepEvent {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) action: i32,
}

/// `machine.ServiceStateEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceStateEvent {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(int32, tag = "2")]
    pub(super) action: i32,
    #[prost(string, tag = "3")]
    pub(super) message: String,
    #[prost(message, optional, tag = "4")]
    pub(super) health: Option<ServiceHealth>,
}

/// `machine.ServiceHealth`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceHealth {
    #[prost(bool, tag = "1")]
    pub(super) unknown: bool,
    #[prost(bool, tag = "2")]
    pub(super) healthy: bool,
    #[prost(string, tag = "3")]
    pub(super) last_message: String,
    #[prost(message, optional, tag = "4")]
    pub(super) last_change: Option<Timestamp>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// `machine.RestartEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RestartEvent {
    #[prost(int64, tag = "1")]
    pub(super) cmd: i64,
}

/// `machine.ConfigLoadErrorEvent` and `machine.ConfigValidationErrorEvent`, which have the same field.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ConfigErrorEvent {
    #[prost(string, tag = "1")]
    pub(super) error: String,
}

/// `machine.AddressEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AddressEvent {
    #[prost(string, tag = "1")]
    pub(super) hostname: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) addresses: Vec<String>,
}

/// `machine.MachineStatusEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MachineStatusEvent {
    #[prost(int32, tag = "1")]
    pub(super) stage: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) status: Option<MachineStatus>,
}

/// `machine.MachineStatusEvent.MachineStatus`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MachineStatus {
    #[prost(bool, tag = "1")]
    pub(super) ready: bool,
    #[prost(message, repeated, tag = "2")]
    pub(super) unmet_conditions: Vec<UnmetCondition>,
}

/// `machine.MachineStatusEvent.MachineStatus.UnmetCondition`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct UnmetCondition {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) reason: String,
}
