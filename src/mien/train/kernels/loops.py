"""Depthwise convolutions in loops over channels-last maps that numba compiles.

Padding and casts are within. numba knows bf16 by its sixteen bits alone. PyTorch gives the loops
no threads of its own, so they bring some; they suffer where PyTorch's wait for work awake, which
``mien.train`` turns off.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mien.cores import cpu_features

LEAST_CHANNELS = 64
"""Channels below which a loop over them is too short to beat PyTorch's layer."""
compiled: Any = partial(njit, nogil=True, fastmath={"contract"})


def as_numpy(x: Tensor) -> NDArray[Any]:
    """A tensor's memory; bf16 comes as its bits, which numpy has no name for."""
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def widen(value: Any) -> Any:
    """A float32 from itself, or from bf16's sixteen bits; in compiled code alone."""


def shorten(value: Any, like: Any) -> Any:
    """A float32 as ``like`` is: itself, or bf16's sixteen bits, to nearest and then to even."""


@overload(widen, strict=False)
def _widen(value: Any) -> Any:
    if value == types.float32:
        return lambda value: value
    return lambda value: np.uint32(np.uint32(value) << 16).view(np.float32)


@overload(shorten, strict=False)
def _shorten(value: Any, like: Any) -> Any:
    if like == types.float32:
        return lambda value, like: value

    def bits(value, like):  # type: ignore[no-untyped-def]
        word = np.float32(value).view(np.uint32)
        return np.uint16(np.uint32(word + np.uint32(0x7FFF) + (word >> 16 & 1)) >> 16)

    return bits


@compiled
def _add(total, weight, at, step, row, first, count, move):  # type: ignore[no-untyped-def]
    """Add ``count`` taps, ``step`` apart, times pixels of a row, ``move`` apart, to (C,) sums.

    Three at a time, so that the sums are fetched and put back once for the three.
    """
    done = 0
    while done + 3 <= count:
        t, b = at + done * step, first + done * move
        u, v, w = weight[t], weight[t + step], weight[t + 2 * step]
        x, y, z = row[b], row[b + move], row[b + 2 * move]
        for c in range(len(total)):
            total[c] += u[c] * widen(x[c]) + v[c] * widen(y[c]) + w[c] * widen(z[c])
        done += 3
    while done < count:
        u, x = weight[at + done * step], row[first + done * move]
        for c in range(len(total)):
            total[c] += u[c] * widen(x[c])
        done += 1


@compiled
def _put(total, out):  # type: ignore[no-untyped-def]
    """Sums (C,) into a pixel (C,), as its kind of number."""
    for c in range(len(total)):
        out[c] = shorten(total[c], out[c])


@compiled
def _forward(x, y, weight, layout, first, last):  # type: ignore[no-untyped-def]
    """Y (N, h', w', C) of x (N, h, w, C) and weight (k * k, C); layout: k, stride, top, left."""
    kernel, stride, top, left = layout
    height, width, channels = x.shape[1:]
    total = np.empty(channels, np.float32)
    for n in range(first, last):
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                total[:] = 0
                begin = column * stride - left
                skip, end = max(0, -begin), min(kernel, width - begin)
                for i in range(kernel):
                    a = row * stride + i - top
                    if 0 <= a < height:
                        at, count = i * kernel + skip, end - skip
                        _add(total, weight, at, 1, x[n, a], begin + skip, count, 1)
                _put(total, y[n, row, column])


@compiled
def _to_input(given, d_x, weight, layout, first, last):  # type: ignore[no-untyped-def]
    """The gradient d_x (N, h, w, C) of an input, of the output's (N, h', w', C)."""
    kernel, stride, top, left = layout
    height, width, channels = given.shape[1:]
    total = np.empty(channels, np.float32)
    for n in range(first, last):
        for a in range(d_x.shape[1]):
            for b in range(d_x.shape[2]):
                total[:] = 0
                # tap j meets column (b + left - j) / stride, from the last column that it can
                skip = (b + left) % stride
                skip += max(0, (b + left - skip) // stride - (width - 1)) * stride
                begin = (b + left - skip) // stride
                count = min((kernel - skip + stride - 1) // stride, begin + 1)
                for i in range((a + top) % stride, kernel, stride):
                    row = (a + top - i) // stride
                    if 0 <= row < height:
                        at = i * kernel + skip
                        _add(total, weight, at, stride, given[n, row], begin, count, -1)
                _put(total, d_x[n, a, b])


@compiled
def _to_weight(x, given, total, layout, first, last):  # type: ignore[no-untyped-def]
    """Sums (k * k * C) over pictures of x times the output's gradient, tap by tap."""
    kernel, stride, top, left = layout
    height, width, channels = x.shape[1:]
    part = np.empty((kernel * kernel, channels), np.float32)
    for n in range(first, last):
        part[:] = 0  # single precision within a picture, double over them
        for row in range(given.shape[1]):
            for column in range(given.shape[2]):
                slope = given[n, row, column]
                for i in range(kernel):
                    a = row * stride + i - top
                    if a < 0 or a >= height:
                        continue
                    for j in range(kernel):
                        b = column * stride + j - left
                        if b < 0 or b >= width:
                            continue
                        tap, here = part[i * kernel + j], x[n, a, b]
                        for c in range(channels):
                            tap[c] += widen(slope[c]) * widen(here[c])
        for t in range(kernel * kernel):
            for c in range(channels):
                total[t * channels + c] += part[t, c]


def share(loop: Any, *arrays: NDArray[Any]) -> None:
    """Call ``loop(*arrays, first, last)`` for equal runs of pictures, one a thread.

    Pictures are the first axis of the first array. Of one with three axes, (threads, 1, width),
    each run gets a (width,) of its own: to sum up in, alike each time.
    """
    count, threads = len(arrays[0]), torch.get_num_threads()

    def run(part: int) -> None:
        own = [a[part, 0] if a.ndim == 3 else a for a in arrays]
        loop(*own, count * part // threads, count * (part + 1) // threads)

    if threads == 1:
        run(0)
        return
    list(_pool(threads).map(run, range(threads)))


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "kernels")


def pays(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether the loops train ``conv`` on ``x`` faster than PyTorch's layer.

    In bf16 they are wherever there are channels enough, but for 3x3 with stride 1 with AMX, where
    it was not measured; in float32, for strides and larger kernels.
    """
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    bf16 = torch.is_autocast_enabled("cpu")
    plain = kernel <= 3 and stride == 1
    return (
        x.dtype == (torch.bfloat16 if bf16 else torch.float32)
        and x.is_contiguous(memory_format=torch.channels_last)
        and conv.weight.shape == (x.shape[1], 1, kernel, kernel)
        and x.shape[1] >= LEAST_CHANNELS
        and conv.stride == (stride, stride)
        and conv.dilation == (1, 1)
        and conv.bias is None
        and not (plain and (not bf16 or "amx_bf16" in cpu_features()))
    )


def convolve(conv: nn.Conv2d, x: Tensor, around: tuple[int, int, int, int]) -> Tensor:
    """``conv`` of ``x`` (N, C, h, w) with zeros (left, right, top, bottom) around it."""
    left, right, top, bottom = around
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    high = (x.shape[2] + top + bottom - kernel) // stride + 1
    wide = (x.shape[3] + left + right - kernel) // stride + 1
    y: Tensor = _Convolve.apply(x, conv.weight, (kernel, stride, top, left), (high, wide))
    return y


class _Convolve(torch.autograd.Function):
    """x (N, C, h, w) by weight (C, 1, k, k); layout is k, stride, top, left; and the output's side.

    Results are in x's dtype, float32 or bf16; sums are in float32.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, layout: tuple[int, int, int, int],
        side: tuple[int, int],
    ) -> Tensor:  # fmt: skip
        taps = weight.detach().float().flatten(1).t().contiguous().numpy()
        places = np.array(layout)
        y = torch.empty((*x.shape[:2], *side), dtype=x.dtype, memory_format=torch.channels_last)
        share(_forward, _pictures(x), _pictures(y), taps, places)
        ctx.save_for_backward(x)
        ctx.taps, ctx.places, ctx.like = taps, places, weight.dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        g = gradients[0].to(x.dtype).contiguous(memory_format=torch.channels_last)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = torch.empty_like(x)
            share(_to_input, _pictures(g), _pictures(d_x), ctx.taps, ctx.places)
        total = np.zeros((torch.get_num_threads(), 1, ctx.taps.size))
        share(_to_weight, _pictures(x), _pictures(g), total, ctx.places)
        kernel, channels = int(ctx.places[0]), x.shape[1]
        d_w = torch.from_numpy(total.sum((0, 1))).view(kernel, kernel, 1, channels)
        return d_x, d_w.permute(3, 2, 0, 1).to(ctx.like), None, None


def _pictures(x: Tensor) -> NDArray[Any]:
    """A channels-last (N, C, h, w) as (N, h, w, C)."""
    return as_numpy(x.detach().permute(0, 2, 3, 1))
