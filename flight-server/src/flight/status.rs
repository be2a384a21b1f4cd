//! Failures as gRPC statuses. What was asked wrongly is explained; faults of ours are logged, not sent.

use tonic::{Code, Status};

use crate::error::{Failure, Kind};

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let code = match failure.kind {
            Kind::Request => Code::InvalidArgument,
            Kind::NotFound => Code::NotFound,
            Kind::Expired => Code::Unauthenticated,
            Kind::Conflict => Code::Aborted,
            Kind::Exhausted => Code::ResourceExhausted,
            Kind::Unavailable => Code::Unavailable,
            Kind::Damaged => Code::DataLoss,
            Kind::Internal => Code::Internal,
            Kind::Closed | Kind::Interrupted => Code::Cancelled,
        };
        if code == Code::Internal {
            tracing::error!("{failure}");
            return Self::new(code, "a fault of the server; its log says more");
        }
        Self::new(code, failure.message)
    }
}
