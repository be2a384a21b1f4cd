//! Several surveys in one replay.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use noctuary_engine::EngineError;

use super::Piece;
use super::plan::first_to_begin;

type Pieces = BoxStream<'static, Result<Piece, EngineError>>;

/// The pieces of several surveys, in the order of their names, by the time at which their visits begin. Each survey keeps
/// its own order.
pub(super) fn together(mut of_surveys: Vec<Pieces>) -> Pieces {
    if of_surveys.len() < 2 {
        return of_surveys.pop().unwrap_or_else(|| stream::empty().boxed());
    }
    let heads = of_surveys.into_iter().map(|pieces| (pieces, None, false)).collect();
    let merged = stream::try_unfold(heads, |mut heads: Vec<(Pieces, Option<Piece>, bool)>| async move {
        for (pieces, head, ended) in &mut heads {
            if head.is_none() && !*ended {
                *head = pieces.try_next().await?;
                *ended = head.is_none();
            }
        }
        let next = first_to_begin(heads.iter().map(|(_, head, _)| head.as_ref().map(|piece| piece.begins)));
        let piece = next.and_then(|next| heads.get_mut(next)?.1.take());
        Ok::<_, EngineError>(piece.map(|piece| (piece, heads)))
    });
    merged.boxed()
}
