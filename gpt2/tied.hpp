#pragma once

#include "gpt2/layers/torch.hpp"
#include "gpt2/stage_plan.hpp"

namespace troupe::gpt2 {

/// The part of a reduced flat gradient that the other end of the pipeline needs: the lookup's part on the first stage,
/// the head's on the last; (V*C) floats, a view. Undefined when the stage shares nothing: an inner stage, an untied
/// model, or one stage that has both ends.
at::Tensor tied_part(const ParameterTable& table, const at::Tensor& gradient);

/// Completes a reduced flat gradient (gradient_size floats): puts lookup + head into the slot of wte.weight and returns
/// the flat_size floats the optimizer takes, a view. `other_part` is the tied_part of the other end, used only where
/// this stage has one end of a tied model.
/// TG-1  The sum is taken once, after all micro-batches of both parts are summed, on every layout: so one stage with
///       both ends and two stages with one each get the same bits.
/// Throws std::runtime_error when other_part is needed and has the wrong size.
at::Tensor fold_tied(const ParameterTable& table, const at::Tensor& gradient, const at::Tensor& other_part);

}  // namespace troupe::gpt2
