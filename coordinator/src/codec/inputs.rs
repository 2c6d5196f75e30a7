//! What a lease carries beside the specification, in its protobuf form.

use fruitnode_proto::v1;
use fruitnode_proto::v1::inputs::{Gather, Held, Inputs as Wire, Merge, Project, Publish, Rebuild};

use crate::codec::error::CodecError;
use crate::codec::parts::{
    cut_from_proto, cut_to_proto, fit_from_proto, fit_to_proto, holding_from_proto,
    holding_to_proto, listing_from_proto, listing_to_proto, range_part_from_proto,
    range_part_to_proto, record_from_proto, record_to_proto, tree_node_from_proto,
    tree_node_to_proto, winner_from_proto, winner_to_proto,
};
use crate::inputs::Inputs;
use crate::task::Holding;
use crate::tree::TreeNode;

/// The protobuf form of a lease's inputs.
pub fn inputs_to_proto(inputs: &Inputs) -> v1::Inputs {
    let (careful, bad_elsewhere) = match inputs {
        Inputs::Extract { careful, bad_elsewhere, .. } => (*careful, *bad_elsewhere),
        _ => (false, 0),
    };
    let inputs = match inputs {
        Inputs::List => Wire::List(v1::Unit {}),
        Inputs::ListRange(cut) => Wire::ListRange(cut_to_proto(*cut)),
        Inputs::Gather(cut, parts) => Wire::Gather(Gather {
            cut: Some(cut_to_proto(*cut)),
            parts: parts.iter().map(|part| range_part_to_proto(Some(*part))).collect(),
        }),
        Inputs::Extract { listing, .. } => Wire::Extract(listing_to_proto(*listing)),
        Inputs::Remake(winner) => Wire::Remake(winner_to_proto(winner)),
        Inputs::Rebuild { partitions, winners } => Wire::Rebuild(Rebuild {
            partitions: *partitions,
            winners: winners.iter().map(winner_to_proto).collect(),
        }),
        Inputs::Merge(left, right) => Wire::Merge(Merge {
            left: Some(held_to_proto(*left)),
            right: Some(held_to_proto(*right)),
        }),
        Inputs::Fit(root, holding) => Wire::Fit(held_to_proto((*root, *holding))),
        Inputs::Adopt => Wire::Adopt(v1::Unit {}),
        Inputs::Project(winner, fit) => Wire::Project(Project {
            winner: Some(winner_to_proto(winner)),
            fit: Some(fit_to_proto(*fit)),
        }),
        Inputs::Publish { listing, fit, winners, story } => Wire::Publish(Publish {
            listing: Some(listing_to_proto(*listing)),
            fit: fit.map(fit_to_proto),
            winners: winners.iter().map(winner_to_proto).collect(),
            story: story.iter().map(record_to_proto).collect(),
        }),
    };
    v1::Inputs { inputs: Some(inputs), careful, bad_elsewhere }
}

/// The inputs of a lease in their protobuf form.
pub fn inputs_from_proto(inputs: Option<v1::Inputs>) -> Result<Inputs, CodecError> {
    let inputs = inputs.ok_or(CodecError::Field("inputs"))?;
    let (careful, bad_elsewhere) = (inputs.careful, inputs.bad_elsewhere);
    Ok(match inputs.inputs.ok_or(CodecError::Field("inputs"))? {
        Wire::List(_) => Inputs::List,
        Wire::ListRange(cut) => Inputs::ListRange(cut_from_proto(Some(cut))?),
        Wire::Gather(gather) => {
            let part = |part: &v1::RangePart| {
                range_part_from_proto(part)?.ok_or(CodecError::Field("parts"))
            };
            let parts = gather.parts.iter().map(part).collect::<Result<_, _>>()?;
            Inputs::Gather(cut_from_proto(gather.cut)?, parts)
        }
        Wire::Extract(listing) => {
            let listing = listing_from_proto(Some(listing))?;
            Inputs::Extract { listing, careful, bad_elsewhere }
        }
        Wire::Remake(winner) => Inputs::Remake(winner_from_proto(&winner)?),
        Wire::Rebuild(rebuild) => Inputs::Rebuild {
            partitions: rebuild.partitions,
            winners: rebuild.winners.iter().map(winner_from_proto).collect::<Result<_, _>>()?,
        },
        Wire::Merge(merge) => {
            Inputs::Merge(held_from_proto(merge.left)?, held_from_proto(merge.right)?)
        }
        Wire::Fit(held) => {
            let (root, holding) = held_from_proto(Some(held))?;
            Inputs::Fit(root, holding)
        }
        Wire::Adopt(_) => Inputs::Adopt,
        Wire::Project(project) => {
            let winner = project.winner.ok_or(CodecError::Field("winner"))?;
            Inputs::Project(winner_from_proto(&winner)?, fit_from_proto(project.fit)?)
        }
        Wire::Publish(publish) => Inputs::Publish {
            listing: listing_from_proto(publish.listing)?,
            fit: publish.fit.map(|fit| fit_from_proto(Some(fit))).transpose()?,
            winners: publish.winners.iter().map(winner_from_proto).collect::<Result<_, _>>()?,
            story: publish.story.into_iter().map(record_from_proto).collect::<Result<_, _>>()?,
        },
    })
}

fn held_to_proto((tree_node, holding): (TreeNode, Holding)) -> Held {
    Held {
        tree_node: Some(tree_node_to_proto(tree_node)),
        holding: Some(holding_to_proto(holding)),
    }
}

fn held_from_proto(held: Option<Held>) -> Result<(TreeNode, Holding), CodecError> {
    let held = held.ok_or(CodecError::Field("held"))?;
    Ok((tree_node_from_proto(held.tree_node)?, holding_from_proto(held.holding)?))
}
