#pragma once

/// The part of LibTorch the model uses, in one place so that it can be precompiled: tensors and operators, no autograd.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
