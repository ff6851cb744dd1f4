//! What Talos sends to its event sink (`talos.events.sink`), from protobuf to typed events.

mod message;
#[cfg(test)]
mod tests;

use model::Timestamp;
use model::talos::{
    ErrorCode, RestartCommand, SequenceAction, SequenceError, ServiceHealth, ServiceState,
    StepAction, TalosEvent, TalosNotice, TalosStage, UnmetCondition,
};
use prost::{DecodeError, Message};

/// A message that is no `events.EventRequest`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the message is not an EventRequest")]
pub struct Malformed(#[from] DecodeError);

/// Reads an `events.EventRequest`, without the frame that gRPC puts before it.
///
/// An event of an unknown kind, or one whose content is damaged, is still an event: a machine would send it again and again if it
/// were refused, and nothing after it.
pub fn decode(bytes: &[u8]) -> Result<TalosEvent, Malformed> {
    let request = message::EventRequest::decode(bytes)?;
    let any = request.data.unwrap_or_default();
    Ok(TalosEvent {
        id: request.id,
        actor: request.actor_id,
        notice: notice(any),
    })
}

fn notice(any: message::Any) -> TalosNotice {
    let message::Any { type_url, value } = any;
    let value = &value[..];
    let name = type_url.rsplit('/').next().unwrap_or_default();
    let read = match name {
        "machine.SequenceEvent" => message::SequenceEvent::decode(value).map(sequence),
        "machine.PhaseEvent" => message::StepEvent::decode(value).map(|event| TalosNotice::Phase {
            action: step_action(event.action),
            phase: event.name,
        }),
        "machine.TaskEvent" => message::StepEvent::decode(value).map(|event| TalosNotice::Task {
            action: step_action(event.action),
            task: event.name,
        }),
        "machine.ServiceStateEvent" => message::ServiceStateEvent::decode(value).map(service),
        "machine.RestartEvent" => {
            message::RestartEvent::decode(value).map(|event| TalosNotice::Restart {
                command: RestartCommand(event.cmd),
            })
        }
        "machine.ConfigLoadErrorEvent" => message::ConfigErrorEvent::decode(value)
            .map(|event| TalosNotice::ConfigLoadError { error: event.error }),
        "machine.ConfigValidationErrorEvent" => message::ConfigErrorEvent::decode(value)
            .map(|event| TalosNotice::ConfigValidationError { error: event.error }),
        "machine.AddressEvent" => {
            message::AddressEvent::decode(value).map(|event| TalosNotice::Address {
                hostname: event.hostname,
                addresses: event
                    .addresses
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .collect(),
            })
        }
        "machine.MachineStatusEvent" => message::MachineStatusEvent::decode(value).map(status),
        _ => return TalosNotice::Unknown { type_url },
    };
    read.unwrap_or(TalosNotice::Damaged { type_url })
}

fn sequence(event: message::SequenceEvent) -> TalosNotice {
    TalosNotice::Sequence {
        sequence: event.sequence,
        action: match event.action {
            0 => SequenceAction::Noop,
            1 => SequenceAction::Start,
            2 => SequenceAction::Stop,
            _ => SequenceAction::Other,
        },
        error: event.error.map(|error| SequenceError {
            code: match error.code {
                0 => ErrorCode::Fatal,
                1 => ErrorCode::Locked,
                2 => ErrorCode::Canceled,
                _ => ErrorCode::Other,
            },
            message: error.message,
        }),
    }
}

fn step_action(number: i32) -> StepAction {
    match number {
        0 => StepAction::Start,
        1 => StepAction::Stop,
        _ => StepAction::Other,
    }
}

fn service(event: message::ServiceStateEvent) -> TalosNotice {
    let health = event.health.unwrap_or_default();
    TalosNotice::Service {
        service: event.service,
        state: match event.action {
            0 => ServiceState::Initialized,
            1 => ServiceState::Preparing,
            2 => ServiceState::Waiting,
            3 => ServiceState::Running,
            4 => ServiceState::Stopping,
            5 => ServiceState::Finished,
            6 => ServiceState::Failed,
            7 => ServiceState::Skipped,
            8 => ServiceState::Starting,
            _ => ServiceState::Other,
        },
        message: event.message,
        health: ServiceHealth {
            unknown: health.unknown,
            healthy: health.healthy,
            last_message: health.last_message,
            last_change: health.last_change.and_then(|at| moment(&at)),
        },
    }
}

/// Go's zero time, the beginning of the year 1, in seconds from 1970.
const NO_TIME: i64 = -62_135_596_800;

/// `None` for Go's zero time, and for what no calendar has.
fn moment(at: &message::Timestamp) -> Option<Timestamp> {
    let nanos = i64::from(at.nanos);
    if at.seconds <= NO_TIME || !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    let micros = at.seconds.checked_mul(1_000_000)?;
    Some(Timestamp::from_micros(micros.checked_add(nanos / 1000)?))
}

fn status(event: message::MachineStatusEvent) -> TalosNotice {
    let status = event.status.unwrap_or_default();
    let unmet = status.unmet_conditions.into_iter();
    TalosNotice::Status {
        stage: match event.stage {
            0 => TalosStage::Unknown,
            1 => TalosStage::Booting,
            2 => TalosStage::Installing,
            3 => TalosStage::Maintenance,
            4 => TalosStage::Running,
            5 => TalosStage::Rebooting,
            6 => TalosStage::ShuttingDown,
            7 => TalosStage::Resetting,
            8 => TalosStage::Upgrading,
            _ => TalosStage::Other,
        },
        ready: status.ready,
        unmet: unmet
            .map(|condition| UnmetCondition {
                name: condition.name,
                reason: condition.reason,
            })
            .collect(),
    }
}
